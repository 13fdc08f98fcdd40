import Migration
import Schedules
import Testing

@Suite("Rollback by policy, and clean ticks") struct LiveTicksTests {
    private func tick(_ hour: Int, _ state: Known<RunState>, late seconds: Int64 = 1, ranTasks: Bool = true) -> LiveTick
    {
        LiveTick(
            tick: at(hour),
            run: "sync/r\(hour)",
            claimedAt: at(hour).adding(seconds: seconds),
            ranTasks: ranTasks,
            state: state
        )
    }

    private func reasons(
        _ set: (inout RollbackConditions) -> Void,
        now: Instant = at(12, 30),
        due: [Int] = Array(9...12),
        _ ticks: [LiveTick] = [],
        _ comparisons: [Comparison] = []
    ) -> [RollbackReason] {
        var policy = CutoverPolicy()
        set(&policy.rollback)
        return policy.rollbackReasons(
            LiveEvidence(pipeline: "sync", now: now, due: due.map { at($0) }, ticks: ticks, comparisons: comparisons)
        )
    }

    @Test func nothingIsGivenBackUnlessSomebodyAskedForIt() {
        let bad = [tick(11, .known(.failed)), tick(12, .known(.failed), late: 9999)]
        #expect(reasons({ _ in }, bad, [comparison(hour: 12, [difference(.result)])]).isEmpty)
        #expect(RollbackConditions().isEmpty)
    }

    @Test func failedRunsAreCountedFromTheNewestThatEnded() {
        let table: [([Known<RunState>], Int, Bool)] = [
            ([.known(.failed)], 1, true), ([.known(.failed), .known(.success)], 1, false),
            ([.known(.success), .known(.failed)], 1, true),
            ([.known(.success), .known(.failed)], 2, false), ([.known(.failed), .known(.failed)], 2, true),
            ([.known(.failed), .known(.failed), .known(.running)], 2, true),
            ([.known(.failed), .unknown("away"), .known(.failed)], 2, false), ([.unknown("away")], 1, false),
            ([], 1, false),
        ]
        for (states, limit, fulfilled) in table {
            let ticks = states.enumerated().map { tick(6 + $0.offset, $0.element) }
            let found = reasons({ $0.failedRuns = limit }, ticks.reversed())
            #expect(found.map(\.kind) == (fulfilled ? [.failedRuns] : []), "\(states), \(limit)")
        }
        // A dropped tick ran nothing.
        #expect(
            reasons({ $0.failedRuns = 1 }, [tick(11, .known(.failed)), tick(12, .unknown(""), ranTasks: false)]).count
                == 1
        )
    }

    @Test func aTickThatNobodyClaimsIsLate() {
        let before = [tick(9, .known(.success)), tick(10, .known(.success)), tick(11, .known(.success))]
        let found = reasons({ $0.lateBy = 600 }, before)
        #expect(found.map(\.event) == ["2026-11-23T12:00:00Z"] && found.first?.text.contains("within 10 min") == true)
        #expect(reasons({ $0.lateBy = 3600 }, before).isEmpty)
        #expect(reasons({ $0.lateBy = 600 }, before + [tick(12, .known(.running))]).isEmpty)
        // A later claim stands for those before it.
        #expect(reasons({ $0.lateBy = 600 }, [tick(12, .known(.running))]).isEmpty)
        #expect(reasons({ $0.lateBy = 600 }, []).map(\.event) == ["2026-11-23T09:00:00Z"])
        // One that was claimed, but too late.
        #expect(reasons({ $0.lateBy = 600 }, [tick(12, .known(.success), late: 601)]).count == 1)
        #expect(reasons({ $0.lateBy = 600 }, [tick(12, .known(.success), late: 600)]).isEmpty)
    }

    @Test func aMismatchGivesBackUnlessItIsTolerated() {
        let bad = comparison(hour: 12, [difference(.result)])
        #expect(reasons({ $0.onMismatch = true }, [tick(12, .known(.success))], [bad]).map(\.kind) == [.mismatch])
        var policy = CutoverPolicy()
        policy.rollback.onMismatch = true
        policy.tolerated = [ToleratedDifference(kind: .result, approval: Approval(approver: "Ada", because: "noise"))]
        let live = LiveEvidence(pipeline: "sync", now: at(13), due: [], ticks: [], comparisons: [bad])
        #expect(policy.rollbackReasons(live).isEmpty)
    }

    @Test func cleanTicksAreKnownSuccessesInARow() {
        var policy = CutoverPolicy()
        policy.cleanTicks = 3
        let coming = (13...20).map { at($0) }
        let table: [([Known<RunState>], PolicyVerdict, Instant?)] = [
            ([.known(.success), .known(.success), .known(.success)], .pass, nil),
            ([.known(.failed), .known(.success), .known(.success), .known(.success)], .pass, nil),
            ([.known(.success), .known(.success), .known(.success), .known(.running)], .pass, nil),
            ([.known(.success), .known(.success)], .insufficient, at(13)),
            ([], .insufficient, at(15)), ([.known(.success), .known(.failed), .known(.success)], .fail, at(14)),
            (
                [.known(.success), .unknown("Airflow does not answer"), .known(.success), .known(.success)],
                .insufficient, nil
            ),
        ]
        for (states, verdict, when) in table {
            let ticks = states.enumerated().map { tick(5 + $0.offset, $0.element) }
            let line = policy.cleanTicksLine(.known(ticks), next: coming)
            #expect(line.verdict == verdict && line.when == when, "\(states): \(line)")
        }
        #expect(policy.cleanTicksLine(.unknown("Redis does not answer"), next: coming).verdict == .broken)
        #expect(policy.cleanTicksLine(.known([]), next: [at(13)]).when == nil)
    }

    @Test func jobsAreCountedByTheirAttempts() {
        func job(_ hour: Int, _ succeeded: Bool) -> LiveJob {
            LiveJob(type: "export", job: "j\(hour)", run: "sync/r\(hour)", endedAt: at(hour), succeeded: succeeded)
        }
        func reasons(
            _ set: (inout RollbackConditions) -> Void,
            _ jobs: [LiveJob],
            oldest: (job: String, since: Instant)? = nil,
            _ comparisons: [Comparison] = []
        ) -> [String] {
            var policy = CutoverPolicy()
            set(&policy.rollback)
            let live = LiveJobEvidence(
                pipeline: "sync",
                now: at(12, 30),
                jobs: jobs,
                oldest: oldest,
                comparisons: comparisons
            )
            return policy.rollbackReasons(live).map { "\($0.kind.rawValue) \($0.event)" }
        }
        let row = [job(9, true), job(11, false), job(10, false)]
        #expect(reasons({ $0.failedRuns = 2 }, row) == ["failed-runs sync/r11 j11"])
        #expect(reasons({ $0.failedRuns = 3 }, row).isEmpty)
        #expect(reasons({ $0.failedRuns = 1 }, row + [job(12, true)]).isEmpty)
        let waiting = (job: "j1", since: at(12, 10))
        #expect(reasons({ $0.lateBy = 600 }, [], oldest: waiting) == ["late j1"])
        #expect(reasons({ $0.lateBy = 1200 }, [], oldest: waiting).isEmpty)
        #expect(reasons({ $0.onMismatch = true }, [], [comparison(hour: 12, [difference(.result)])]).count == 1)
        #expect(reasons({ _ in }, row, oldest: waiting, [comparison(hour: 12, [difference(.result)])]).isEmpty)
    }
}
