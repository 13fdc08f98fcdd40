import Foundation
import LosslessJSON
import Schedules
import TestSupport
import Testing

@Suite("bailey watch without its own state", .timeLimit(.minutes(3))) struct BlindWatchTests {
    @Test func itSaysSoUrgentlyAndStillEndsAWindow() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            // Its bounded window ended an hour ago.
            let past = SwitchBench.now().adding(seconds: -3600).microseconds
            try server.cli("HSET", "bailey:switch:{redbeat:a}", "until", "\(past)")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            try bailey.write("this is no database, and never was one", to: "broken.sqlite")
            let settings = try String(contentsOf: server.folder.appendingPathComponent("bailey.yaml"), encoding: .utf8)
            try bailey.write(settings + "state: {path: broken.sqlite}\n", to: "bailey.yaml")
            let looked = try await bailey.run("watch", "--once", "--json")
            #expect(looked.status == 3, "\(looked.errors)")
            let events = try JSON(parsing: looked.output)["events"]?.array ?? []
            let blind = try #require(events.first { $0["event"]?.string == "state-unreadable" })
            #expect(blind["level"]?.string == "urgent")
            #expect(events.contains { $0["event"]?.string == "window-ended" }, "\(looked.output)")
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            // Nothing is left to do, and it still is not said that there is nothing.
            let again = try await bailey.run("watch", "--once")
            #expect(again.status == 3)
            #expect(!again.output.contains("Nothing to do") && again.output.contains("cannot be read since"))
        }
    }
}
