import Foundation
import Legacy
import Migration
import Redis
import Schedules
import TestSupport
import Testing

@testable import Cutover

/// A Redis that is killed within a second of a rollback may forget it, and with it what legacy has fired since.
@Suite("A rollback that Redis forgets", .timeLimit(.minutes(3))) struct RollbackTests {
    /// What happened while the rollback waited.
    private actor Waits {
        private(set) var seconds: [Double] = []
        private(set) var claims: [ClaimReply] = []

        func add(_ wait: Double, _ claim: ClaimReply) {
            seconds.append(wait)
            claims.append(claim)
        }
    }

    /// Rolls back, and does something at each wait for Redis's log.
    private func rollBack(
        _ bench: SwitchBench,
        _ waiting: @escaping @Sendable (Double) async throws -> Void
    ) async throws -> RollbackOperation.Outcome {
        let plain = try bench.engine("rollback", token: "t2")
        let engine = CutoverEngine(
            redbeat: plain.redbeat,
            journal: plain.journal,
            zones: bench.zones,
            now: SwitchBench.now,
            sleep: { seconds in
                if seconds > 0.5 { try await waiting(seconds) }
                try await Task.sleep(for: .seconds(seconds))
            },
            tell: { _ in }
        )
        let outcome = try await RollbackOperation(engine: engine).run()
        await plain.redbeat.disconnect()
        return outcome
    }

    @Test func itsTicksAreNotAirflowsAgain() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let parked = try bench.field("a", "meta")
            let tick = SwitchBench.now().adding(seconds: 20)
            guard case .mine = try await redbeat.claim(tick: tick, run: "p/1", policy: .every) else {
                Issue.record("not claimed")
                return
            }
            let waits = Waits()
            // What a Redis comes back with that forgets all that follows is what there is now.
            let outcome = try await rollBack(bench) { seconds in
                #expect(try bench.field("a", "meta") == parked)
                let next = tick.adding(seconds: 1)
                await waits.add(seconds, try await redbeat.claim(tick: next, run: "p/2", policy: .every))
            }
            guard case .done = outcome else {
                Issue.record("not given back: \(outcome)")
                return
            }
            let (seconds, claims) = (await waits.seconds, await waits.claims)
            #expect(seconds.count == 1)
            // As long as `appendfsync everysec` may lose, and a little.
            #expect(seconds.allSatisfy { (1...1.1).contains($0) })
            guard case .shadow("not-ours", false, _)? = claims.first else {
                Issue.record("\(claims)")
                return
            }
            #expect(try await redbeat.status().entries[0].record?.windows.last?.until == tick.adding(microseconds: 1))
            await redbeat.disconnect()
        }
    }

    @Test func anEndOfTheWindowThatIsForgottenIsWrittenAgain() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill(secondsAgo: 1790)
            _ = try await bench.cutOver()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: bench.place.keys(bench.keys))
            let windows = try server.cli("HGET", "bailey:switch:{redbeat:a}", "windows")
                .trimmingCharacters(in: .newlines)
            let waits = Waits()
            let outcome = try await rollBack(bench) { seconds in
                if await waits.seconds.isEmpty {
                    try server.cli("HSET", "bailey:switch:{redbeat:a}", "windows", windows)
                    try server.cli("HDEL", "bailey:switch:{redbeat:a}", "bounded_at")
                }
                let tick = SwitchBench.now().adding(seconds: 20)
                await waits.add(seconds, try await redbeat.claim(tick: tick, run: "p/\(seconds)", policy: .every))
            }
            guard case .done = outcome else {
                Issue.record("not given back: \(outcome)")
                return
            }
            // Forgotten once, and a tick claimed meanwhile: the window ends after that one.
            let claims = await waits.claims
            #expect(claims.count == 2)
            guard case .mine? = claims.first, case .shadow? = claims.last else {
                Issue.record("\(claims)")
                return
            }
            await redbeat.disconnect()
        }
    }

    @Test func legacyGoesOnInItsOwnZone() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            let paris = try bench.zones.zone("Europe/Paris")
            let plain = try bench.engine("rollback")
            func engine(_ zone: Zone?) -> CutoverEngine {
                CutoverEngine(
                    redbeat: plain.redbeat,
                    journal: plain.journal,
                    zones: bench.zones,
                    applicationZone: { zone },
                    now: SwitchBench.now,
                    sleep: { _ in },
                    tell: { _ in }
                )
            }
            func named(_ zone: String) -> [UInt8] {
                Array(
                    #"{"last_run_at": {"__type__": "datetime", "year": 2026, "month": 6, "day": 1, "timezone": \#(zone)}}"#
                        .utf8
                )
            }
            // 2026-11-01 06:30 UTC is 01:30 for the second time in New York; 2026-10-25 00:30 UTC is 02:30 for the first time in Paris.
            let (second, first) = (Instant(seconds: 1_793_514_600), Instant(seconds: 1_792_888_200))
            let cases: [(meta: [UInt8]?, zone: Zone?, at: Instant, text: String)] = [
                (
                    named(#""America/New_York""#), paris, second,
                    #""hour": 1, "minute": 30, "second": 0, "microsecond": 0, "timezone": -18000.0}"#
                ),
                (
                    named("-18000.0"), paris, first,
                    #""hour": 2, "minute": 30, "second": 0, "microsecond": 0, "timezone": "Europe/Paris"}"#
                ),
                (
                    nil, paris, first,
                    #""hour": 2, "minute": 30, "second": 0, "microsecond": 0, "timezone": "Europe/Paris"}"#
                ),
                (
                    named("-18000.0"), nil, first,
                    #""hour": 19, "minute": 30, "second": 0, "microsecond": 0, "timezone": -18000.0}"#
                ),
                (nil, nil, first, #""hour": 0, "minute": 30, "second": 0, "microsecond": 0, "timezone": "UTC"}"#),
            ]
            for one in cases {
                #expect(engine(one.zone).time(one.at, like: one.meta).text.hasSuffix(one.text))
            }
            await plain.redbeat.disconnect()
        }
    }
}
