import Legacy
import Migration
import Redis
import Schedules
import Store
import TestSupport
import Testing

@testable import Cutover

@Suite("Switches that are older than the journal, or lost", .timeLimit(.minutes(3))) struct JournaledOwnershipTests {
    @Test func theJournalKnowsWhoOwnsAndWhatWasThere() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            #expect(try bench.store.journaledOwnership("p").isAirflows == false)
            _ = try await bench.cutOver()
            let owned = try bench.store.journaledOwnership("p")
            #expect(owned.isAirflows && owned.fence == 1 && owned.keys == bench.keys && owned.source == "scheduler")
            #expect(owned.kept[bench.keys[1]]?.definition == Array(SwitchBench.definition("b").utf8))
            _ = try await bench.rollBack()
            let back = try bench.store.journaledOwnership("p")
            #expect(!back.isAirflows && back.fence == 2)
        }
    }

    @Test func oneSwitchOfAGroupIsLostAndAllAreGivenBack() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b", "c"])
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let tick = SwitchBench.now().adding(seconds: 20)
            guard case .mine = try await redbeat.claim(tick: tick, run: "p/1", policy: .every) else {
                Issue.record("not claimed")
                return
            }
            try server.cli("DEL", "bailey:switch:{redbeat:b}", "bailey:claims:{redbeat:b}")
            let names = ["a", "b", "c"]
            let found = try await redbeat.status().disorders(of: "p", timetable: nil, names: names)
            #expect(found.map(\.kind) == [.halfLost] && found[0].text.hasPrefix("b "))
            let journaled = try bench.store.journaledOwnership("p")
            guard case .done = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            let restored = try await RestoreOperation(
                engine: try bench.engine("rollback"),
                journaled: journaled,
                imported: [:],
                recreates: true
            ).run()
            // The others know the last tick that was claimed.
            #expect(restored.map(\.entry) == [1] && restored[0].origin == .journal && restored[0].from == tick)
            for name in names {
                #expect(try bench.field(name, "definition") == SwitchBench.definition(name))
                let meta = Array(try bench.field(name, "meta").utf8)
                #expect(try RedBeatBytes.lastRun(meta, zones: bench.zones)?.instant == tick)
            }
            await redbeat.disconnect()
        }
    }
}
