import Legacy
import LosslessJSON
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

    /// An application that makes its entry anew all day long makes `watch` write and write.
    @Test func whatWasMendedSinceDoesNotPushOutWhoOwns() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            _ = try await bench.cutOver()
            let owned = try bench.store.journaledOwnership("p")
            let watch = Journal(
                store: bench.store,
                pipeline: "p",
                operation: "watch",
                token: "w",
                by: "",
                now: SwitchBench.now
            )
            for _ in 0..<60 {
                for phase in JournalLine.Phase.allCases {
                    try watch.write(.repark, phase, ["answer": "done"])
                    try watch.write(.hold, phase, ["state": "airflow"])
                }
            }
            let lines = try bench.store.ownershipLines("p")
            #expect(lines.count < 500)
            #expect(JournaledOwnership(lines) == owned && owned.isAirflows && owned.keys == bench.keys)
            _ = try await bench.rollBack()
            let back = try bench.store.journaledOwnership("p")
            #expect(!back.isAirflows && back.fence == 2 && back.keys == bench.keys)
            #expect(back.kept[bench.keys[1]]?.definition == Array(SwitchBench.definition("b").utf8))
            // Nothing to do, many times: the fence of the rollback counts.
            for _ in 0..<3 { _ = try await bench.rollBack() }
            #expect(try bench.store.journaledOwnership("p").fence == 2)
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
                recreates: .lost
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

    @Test func aSwitchIsLostBeforeAnyTickWasClaimed() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            let meta = try bench.field("a", "meta")
            let ran = try #require(try RedBeatBytes.lastRun(Array(meta.utf8), zones: bench.zones)).instant
            _ = try await bench.cutOver()
            try server.cli("DEL", "bailey:switch:{redbeat:a}")
            let restored = try await restore(bench)
            // The claims are there and hold none: what was due meanwhile is legacy's, which starting from now would lose.
            #expect(restored.map(\.from) == [ran])
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            let now = Array(try bench.field("a", "meta").utf8)
            #expect(try RedBeatBytes.lastRun(now, zones: bench.zones)?.instant == ran)
        }
    }

    @Test func aSwitchIsLostBeforeItsFenceHasPassed() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, longestTick: 60_000_000)
            try bench.fill(secondsAgo: 60)
            let meta = try bench.field("a", "meta")
            let journaled = try await closedAndLost(bench, server)
            #expect(try bench.field("a", "definition") != SwitchBench.definition("a"))
            let search = LostSwitches(url: try RedisURL(server.url), place: bench.place)
            let found = try await search.find(known: bench.keys, closed: journaled.closedDefinitions)
            #expect(found.standing == bench.keys && found.gone.isEmpty)
            // Another who writes the same entry disabled is not undone.
            #expect(try await search.find(known: bench.keys).standing.isEmpty)
            let restored = try await restore(bench)
            #expect(restored.map(\.origin) == [.journal])
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            #expect(try bench.field("a", "meta") == meta)
            #expect(try await search.find(known: bench.keys, closed: journaled.closedDefinitions).standing.isEmpty)
        }
    }

    /// Something had written legacy's clock anew, from before what Airflow has run since, and then the switch went.
    @Test func aClockThatIsOlderThanAClaimIsNotGoneOnFrom() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let tick = SwitchBench.now().adding(seconds: 20)
            guard case .mine = try await redbeat.claim(tick: tick, run: "p/1", policy: .every) else {
                Issue.record("not claimed")
                return
            }
            await redbeat.disconnect()
            try bench.fire("a", at: tick.adding(seconds: -3600))
            try server.cli("DEL", "bailey:switch:{redbeat:a}")
            let restored = try await restore(bench)
            #expect(restored.map(\.from) == [tick])
            let meta = Array(try bench.field("a", "meta").utf8)
            #expect(try RedBeatBytes.lastRun(meta, zones: bench.zones)?.instant == tick)
        }
    }

    /// What opened an earlier window is not what legacy went on from since.
    @Test func whatOpenedAWindowIsForgottenAtTheNextClose() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, longestTick: 60_000_000)
            try bench.fill(secondsAgo: 60)
            try server.cli("HSET", "bailey:claims:{redbeat:a}", "decided", "1")
            _ = try await closedAndLost(bench, server)
            #expect(try server.cli("HEXISTS", "bailey:claims:{redbeat:a}", "decided").hasPrefix("0"))
        }
    }

    @Test func whatAGateGaveBackWhileItWasGoneIsWrittenAnewWhenThatIsAsked() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let tick = SwitchBench.now().adding(seconds: 20)
            guard case .mine = try await redbeat.claim(tick: tick, run: "p/1", policy: .every) else {
                Issue.record("not claimed")
                return
            }
            await redbeat.disconnect()
            try server.cli("DEL", "redbeat:a")
            try server.cli("ZREM", "redbeat::schedule", "redbeat:a")
            // As the gate of a tick after a bounded window does, between a rollback's two steps.
            guard case .done(_, gone: [0], _) = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            #expect(try await bench.rollBack() == .nothing)
            #expect(try server.cli("EXISTS", "redbeat:a").hasPrefix("0"))
            guard case .done(_, gone: [0], _) = try await bench.rollBack(recreates: true) else {
                Issue.record("not written anew")
                return
            }
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            let meta = Array(try bench.field("a", "meta").utf8)
            #expect(try RedBeatBytes.lastRun(meta, zones: bench.zones)?.instant == tick)
            #expect(try server.cli("ZSCORE", "redbeat::schedule", "redbeat:a").isEmpty == false)
            #expect(try await bench.rollBack(recreates: true) == .nothing)
        }
    }

    private func restore(_ bench: SwitchBench) async throws -> [RestoreOperation.Restored] {
        let engine = try bench.engine("rollback")
        let restored = try await RestoreOperation(
            engine: engine,
            journaled: try bench.store.journaledOwnership("p"),
            recreates: .lost
        ).run()
        await engine.redbeat.disconnect()
        return restored
    }

    /// What a cutover that dies while its fence passes leaves behind, once the switch is lost too.
    private func closedAndLost(_ bench: SwitchBench, _ server: RedisServer) async throws -> JournaledOwnership {
        struct Died: Error {}
        let engine = try bench.engine(sleep: { _ in throw Died() })
        await #expect(throws: (any Error).self) {
            let request = CutoverRequest()
            _ = try await CutoverOperation(engine: engine, group: try bench.group(), request: request).run()
        }
        await engine.redbeat.disconnect()
        try server.cli("DEL", "bailey:switch:{redbeat:a}")
        return try bench.store.journaledOwnership("p")
    }
}
