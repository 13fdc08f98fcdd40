import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import Store
import TestSupport
import Testing

@Suite("Taking the switch away, against a real Redis", .timeLimit(.minutes(3))) struct RetireTests {
    private func operation(_ bench: SwitchBench) throws -> RetireOperation {
        RetireOperation(engine: try bench.engine("retire", token: "t4"), crossing: try bench.crossing())
    }

    private func reason(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch { return (error as? Refusal)?.found ?? "\(error)" }
    }

    @Test func nothingIsTakenAwayThatIsNotAirflowsForGood() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            let operation = try operation(bench)
            var before = try bench.contents()
            // Absence never means go.
            #expect(await reason { try await operation.mark(true) }?.contains("there is no switch") == true)
            #expect(await reason { try await operation.finish() }?.contains("there is no switch") == true)
            #expect(try bench.contents() == before)
            _ = try await bench.cutOver(CutoverRequest(until: SwitchBench.now().adding(seconds: 86_400)))
            before = try bench.contents()
            #expect(await reason { try await operation.mark(true) }?.contains("window of redbeat:a ends") == true)
            _ = try await bench.rollBack()
            #expect(await reason { try await operation.mark(true) }?.contains("redbeat:a is legacy") == true)
            _ = try await bench.cutOver()
            try bench.fire("b", at: SwitchBench.now())
            before = try bench.contents()
            #expect(await reason { try await operation.mark(true) }?.contains("clock of redbeat:b") == true)
            #expect(try bench.contents() == before)
        }
    }

    @Test func whileItIsRetiredNothingIsGivenBack() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            _ = try await bench.cutOver()
            let operation = try operation(bench)
            let before = try bench.contents()
            #expect(await reason { try await operation.finish() }?.contains("lost its mark") == true)
            #expect(try bench.contents() == before)
            try await operation.mark(true)
            try await operation.mark(true)
            let marked = try bench.contents()
            let refusal = await #expect(throws: Refusal.self) { try await bench.rollBack() }
            #expect(refusal?.reason == .retiring && refusal?.advice.contains("--undo") == true)
            // Also for one that does not look before it asks.
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let status = try await redbeat.status()
            let order = GiveBackOrder(
                fence: nil,
                gone: .skip,
                keepsRedefined: false,
                entries: status.entries.map {
                    GiveBackOrder.Entry(
                        lastClaim: nil,
                        lastLegacy: $0.record?.lastLegacy,
                        meta: $0.meta,
                        new: .leave,
                        definition: $0.definition,
                        opened: []
                    )
                }
            )
            #expect(try await redbeat.giveBack(order) == .retiring(entry: 0))
            #expect(try bench.contents() == marked)
            try await operation.mark(false)
            #expect(try bench.contents() == before)
            guard case .done = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            await redbeat.disconnect()
        }
    }

    /// What ran without a gate counts: legacy goes on after it.
    @Test func ticksThatRanWithoutTheGateAreClaimedWhenItComesBack() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 3500)
            // Half an interval after legacy's last run the window begins.
            _ = try await bench.cutOver()
            let operation = try operation(bench)
            try await operation.mark(true)
            let ticks = [-20, -10, 0].map { SwitchBench.now().adding(seconds: $0) }
            try await operation.claim(ticks.enumerated().map { (tick: $1, run: "p/scheduled__\($0)") })
            #expect(try await operation.lastClaim() == ticks.last)
            try await operation.mark(false)
            _ = try await bench.rollBack()
            let meta = Array(try bench.field("a", "meta").utf8)
            #expect(try RedBeatBytes.lastRun(meta, zones: bench.zones)?.instant == ticks.last)
        }
    }

    @Test func theBytesAreKeptAndNothingIsLeft() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            let meta = try bench.field("a", "meta")
            try server.cli("SADD", "redbeat::statics", "b", "other")
            _ = try await bench.cutOver()
            let operation = try operation(bench)
            #expect(try await operation.inCode() == ["b"])
            let kept = try await operation.archive()
            func bytes(_ entry: Int, _ field: String) throws -> String {
                let coded = try #require(kept["entries"]?[entry]?[field]?.string)
                return String(decoding: try #require(Data(base64Encoded: coded)), as: UTF8.self)
            }
            #expect(try bytes(0, "key") == "redbeat:a" && bytes(1, "key") == "redbeat:b")
            #expect(try bytes(0, "definition") == SwitchBench.definition("a"))
            #expect(try bytes(0, "meta") == meta)
            try await operation.mark(true)
            // A beat that started without it in its code has deleted a static entry.
            try server.cli("DEL", "redbeat:b")
            try server.cli("ZREM", "redbeat::schedule", "redbeat:b")
            try server.cli("SREM", "redbeat::statics", "b")
            try await operation.finish()
            #expect(try server.cli("KEYS", "*").split(separator: "\n") == ["redbeat::statics"])
            #expect(await reason { try await operation.finish() }?.contains("there is no switch") == true)
            #expect(try await bench.rollBack() == .nothing)
            #expect(try bench.store.retirement(pipeline: "p") != nil)
        }
    }

    /// The application writes between the look and the script.
    @Test func anEntryThatIsWrittenAnewIsNotDeleted() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            _ = try await bench.cutOver()
            let operation = try operation(bench)
            try await operation.mark(true)
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let status = try await redbeat.status()
            let fence = try #require(status.entries[0].record?.fence)
            try server.cli("HSET", "redbeat:a", "definition", SwitchBench.definition("a", every: 1800))
            #expect(
                try await redbeat.finish(
                    fence: fence,
                    deletesEntries: true,
                    definitions: [status.entries[0].definition]
                )
                    == .changed(entry: 0, .definition)
            )
            #expect(
                try await redbeat.finish(
                    fence: fence + 1,
                    deletesEntries: true,
                    definitions: [status.entries[0].definition]
                )
                    == .changed(entry: 0, .fence)
            )
            #expect(try server.cli("EXISTS", "redbeat:a").hasPrefix("1"))
            await redbeat.disconnect()
        }
    }
}
