import Cutover
import Foundation
import Legacy
import Migration
import Redis
import Schedules
import TestSupport
import Testing

@Suite("The switch of RedBeat entries, against a real Redis", .timeLimit(.minutes(3))) struct SwitchTests {
    @Test func thereAndBackLeavesTheBytesAsTheyWere() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b", "c"])
            try bench.fill()
            let before = try ["a", "b", "c"].map { try [bench.field($0, "definition"), bench.field($0, "meta")] }
            guard case .done = try await bench.cutOver() else {
                Issue.record("not done")
                return
            }
            for name in ["a", "b", "c"] {
                #expect(try bench.field(name, "definition").hasSuffix(#""enabled": false}"#))
                #expect(try bench.field(name, "meta").contains(#""year": 2100"#))
                #expect(try server.cli("ZSCORE", "redbeat::schedule", "redbeat:\(name)").hasPrefix("4102444800"))
            }
            guard case .already = try await bench.cutOver() else {
                Issue.record("a second cutover did something")
                return
            }
            guard case .done(_, let gone, let redefined) = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            #expect(gone.isEmpty && redefined.isEmpty)
            #expect(
                try ["a", "b", "c"].map { try [bench.field($0, "definition"), bench.field($0, "meta")] } == before
            )
            #expect(try await bench.rollBack() == .nothing)
        }
    }

    @Test func aTickHasOneRunAndLegacyGoesOnAfterTheLastClaim() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            // Half an hour, half of the interval, after legacy's last run the window begins.
            let tick = SwitchBench.now().adding(seconds: 30)
            #expect(
                try await redbeat.claim(tick: tick, run: "p/0", policy: .coalesce)
                    == .shadow(why: "no-switch", over: false, fence: nil)
            )
            try bench.fire("a", at: tick.adding(seconds: -1800))
            _ = try await bench.cutOver()
            let later = tick.adding(seconds: 1)
            guard
                case .mine(.live, false, false, false, let fence) = try await redbeat.claim(
                    tick: later,
                    run: "p/1",
                    policy: .every
                )
            else {
                Issue.record("not claimed")
                return
            }
            #expect(
                try await redbeat.claim(tick: later, run: "p/1", policy: .every)
                    == .mine(.live, again: true, gone: false, over: false, fence: fence)
            )
            guard case .skip(let claim?) = try await redbeat.claim(tick: later, run: "p/2", policy: .every) else {
                Issue.record("two runs of one tick")
                return
            }
            #expect(claim.run == "p/1")
            #expect(try await redbeat.status(claims: 5).entries[0].record?.claims == [claim])
            _ = try await bench.rollBack()
            let meta = Array(try bench.field("a", "meta").utf8)
            #expect(try RedBeatBytes.lastRun(meta, zones: bench.zones)?.instant == later)
            // A run that asks late for a tick that legacy has not been given back keeps it; the next is legacy's.
            #expect(
                try await redbeat.claim(tick: later.adding(seconds: 1), run: "p/3", policy: .every)
                    == .shadow(why: "not-ours", over: false, fence: fence + 1)
            )
            await redbeat.disconnect()
        }
    }

    @Test func aTickThatAGateWasToldIsLegacysMustBeRunByLegacyFirst() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 3000)
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            _ = try await redbeat.claim(tick: SwitchBench.now(), run: "p/0", policy: .coalesce)
            let before = try bench.contents()
            let refusal = await #expect(throws: Refusal.self) {
                try await bench.cutOver(CutoverRequest(patience: 0.3))
            }
            #expect(refusal?.reason == .shadowed)
            #expect(try bench.contents() == before)
            await redbeat.disconnect()
        }
    }

    @Test func entriesOfAGroupMoveAllOrNone() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b", "c"])
            try bench.fill()
            try server.cli("HSET", "redbeat:c", "definition", SwitchBench.definition("c", every: 1800))
            let before = try bench.contents()
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .changed)
            #expect(try bench.contents() == before)
            // One that is due holds up all.
            try server.cli("HSET", "redbeat:c", "definition", SwitchBench.definition("c"))
            try bench.fire("c", at: SwitchBench.now().adding(seconds: -4000))
            let due = await #expect(throws: Refusal.self) {
                try await bench.cutOver(CutoverRequest(patience: 0.3))
            }
            #expect(due?.reason == .overdue)
            #expect(try !bench.contents().contains("bailey:switch"))
        }
    }

    @Test func aFireOfOneEntryAfterTheCloseGivesAllBack() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            try await closed(bench, by: "t1")
            try bench.fire("b", at: SwitchBench.now())
            // The next command finds it half done, undoes it, and says so; then it can be done.
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .uneven)
            #expect(try bench.field("a", "definition").hasSuffix(#""enabled": true}"#))
            guard case .done = try await bench.cutOver() else {
                Issue.record("not done")
                return
            }
        }
    }

    @Test func whatIsHalfDoneIsCompletedByCutoverAndUndoneByRollback() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            let meta = try bench.field("a", "meta")
            try await closed(bench, by: "a dead operation")
            guard case .completed = try await bench.cutOver() else {
                Issue.record("not completed")
                return
            }
            _ = try await bench.rollBack()
            try await closed(bench, by: "a dead operation")
            guard case .done = try await bench.rollBack() else {
                Issue.record("not undone")
                return
            }
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            #expect(try bench.field("a", "meta") == meta)
        }
    }

    @Test func aBeatThatStartsWhileItClosesIsFencedAnew() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            try await closed(bench, by: "t1")
            try server.cli("HSET", "redbeat:a", "definition", SwitchBench.definition("a"))
            guard case .completed = try await bench.cutOver() else {
                Issue.record("not completed")
                return
            }
            #expect(try bench.field("a", "definition").hasSuffix(#""enabled": false}"#))
        }
    }

    @Test func anotherDefinitionIsRefusedWhileItClosesAndKeptByRollbackLater() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            let other = SwitchBench.definition("a", every: 1800)
            try await closed(bench, by: "t1")
            try server.cli("HSET", "redbeat:a", "definition", other)
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .changed)
            #expect(try bench.field("a", "definition") == other)
            try server.cli("HSET", "redbeat:a", "definition", SwitchBench.definition("a"))
            _ = try await bench.cutOver()
            try server.cli("HSET", "redbeat:a", "definition", other)
            guard case .done(_, _, let redefined) = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            #expect(redefined == [0])
            #expect(try bench.field("a", "definition") == other)
        }
    }

    @Test func anEntryThatWasDeletedIsWrittenAnewOnlyIfAsked() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            _ = try await bench.cutOver()
            try server.cli("DEL", "redbeat:a")
            try server.cli("ZREM", "redbeat::schedule", "redbeat:a")
            guard case .done(_, let gone, _) = try await bench.rollBack() else {
                Issue.record("not given back")
                return
            }
            #expect(gone == [0])
            #expect(try server.cli("EXISTS", "redbeat:a").hasPrefix("0"))
            try bench.fill()
            _ = try await bench.cutOver()
            try server.cli("DEL", "redbeat:a")
            _ = try await bench.rollBack(recreates: true)
            #expect(try bench.field("a", "definition") == SwitchBench.definition("a"))
            #expect(try !server.cli("ZSCORE", "redbeat::schedule", "redbeat:a").isEmpty)
        }
    }

    @Test func aClockThatSomethingRestartedIsParkedAgainAndWhatItFiredIsLegacys() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            // The window begins half an interval after this, so that what is fired now lies in it.
            try bench.fill(secondsAgo: 3500)
            _ = try await bench.cutOver()
            let engine = try bench.engine("watch", token: "t3")
            #expect(try await engine.heal() == .sound)
            try server.cli("HSET", "redbeat:a", "definition", SwitchBench.definition("a"))
            #expect(try await engine.heal() == .tidied)
            let fired = SwitchBench.now()
            try bench.fire("a", at: fired)
            let redbeat = engine.redbeat
            guard case .unparked = try await redbeat.claim(tick: fired.adding(seconds: 10), run: "p/1", policy: .every)
            else {
                Issue.record("a claim although legacy's clock runs")
                return
            }
            #expect(try await engine.heal() == .parked)
            let from = try await redbeat.status().entries[0].record?.windows.last?.from
            #expect(from == fired.adding(seconds: 1800).adding(microseconds: 1))
            await redbeat.disconnect()
        }
    }

    @Test func aBoundedWindowEndsWithItsLastTick() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver(CutoverRequest(ticks: 2))
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let first = SwitchBench.now().adding(seconds: 20)
            func over(_ tick: Instant, _ run: String) async throws -> Bool? {
                guard
                    case .mine(.live, _, _, let over, _) = try await redbeat.claim(tick: tick, run: run, policy: .every)
                else { return nil }
                return over
            }
            #expect(try await over(first, "p/1") == false)
            #expect(try await over(first.adding(seconds: 10), "p/2") == true)
            guard
                case .shadow(_, true, _) = try await redbeat.claim(
                    tick: first.adding(seconds: 20),
                    run: "p/3",
                    policy: .every
                )
            else {
                Issue.record("a third tick")
                return
            }
            #expect(try await redbeat.status().entries[0].record?.isOver == true)
            await redbeat.disconnect()
        }
    }

    /// Closes the group as an operation does that dies right after.
    private func closed(_ bench: SwitchBench, by: String) async throws {
        let group = try bench.group()
        let redbeat = RedBeatSwitch(url: try RedisURL(bench.server.url), keys: group.keys)
        let status = try await redbeat.status()
        let order = CloseOrder(
            pipeline: group.pipeline,
            by: by,
            fence: group.place.fence,
            hasEntryClock: true,
            slack: group.slack,
            entries: zip(group.entries, status.entries).map { entry, found in
                CloseOrder.Entry(
                    definition: entry.definition,
                    closedDefinition: entry.closedDefinition,
                    meta: found.meta,
                    lastRun: nil
                )
            }
        )
        guard case .closed = try await redbeat.close(order) else {
            throw SwitchError("closing", "not closed", "")
        }
        await redbeat.disconnect()
    }
}
