import Migration
import Schedules
import Testing

@Suite("Whether the bridge may be taken away") struct RetirementTests {
    private func record(_ set: (inout SwitchRecord) -> Void = { _ in }) -> SwitchRecord {
        var record = SwitchRecord(state: .airflow, fence: 1, pipeline: "sync", drives: true, hasEntryClock: true)
        record.windows = [Window(from: at(0))]
        set(&record)
        return record
    }

    private func ticks(_ hours: [Int], failed: Set<Int> = []) -> [LiveTick] {
        hours.map { hour in
            LiveTick(
                tick: at(hour),
                run: "sync/r\(hour)",
                claimedAt: at(hour),
                ranTasks: true,
                state: failed.contains(hour) ? .known(.failed) : .known(.success)
            )
        }
    }

    private func verdicts(
        _ record: SwitchRecord?,
        _ ticks: [LiveTick],
        missed: MissedTickPolicy = .coalesce,
        now: Instant = at(12, 30),
        override: PolicyOverride? = nil,
        _ set: (inout RetirementEvidence) -> Void = { _ in }
    ) -> (PolicyEvaluation, [PolicyRule: PolicyVerdict]) {
        var policy = CutoverPolicy()
        policy.cleanTicks = 4
        var evidence = RetirementEvidence(
            pipeline: "sync",
            now: now,
            record: .known(record),
            ticks: .known(ticks),
            missedTicks: missed,
            timetable: .delta(3_600_000_000),
            deployment: .running("it is there"),
            inCode: .known([])
        )
        set(&evidence)
        let found = policy.retirement(evidence, override: override)
        return (found, Dictionary(uniqueKeysWithValues: found.lines.map { ($0.rule, $0.verdict) }))
    }

    @Test func everyRuleHolds() {
        let (found, _) = verdicts(record(), ticks(Array(8...12)))
        #expect(found.holds, "\(found.lines)")
    }

    @Test func whoOwnsTheTicks() {
        let clean = ticks(Array(8...12))
        let table: [(SwitchRecord?, String)] = [
            (nil, "legacy owns"), (record { $0.state = .legacy }, "legacy owns"),
            (record { $0.state = .closing }, "it is closing"), (record { $0.ticksLeft = 3 }, "window ends"),
            (record { $0.until = at(20) }, "window ends"),
        ]
        for (record, text) in table {
            let line = verdicts(record, clean).0.lines[0]
            #expect(line.rule == .owner && line.verdict == .fail && line.evidence.contains(text), "\(line)")
        }
        let (_, disorder) = verdicts(record(), clean) { $0.disorder = ["the clock of a runs"] }
        #expect(disorder[.owner] == .fail)
        let (_, unread) = verdicts(record(), clean) { $0.record = .unknown("Redis is down") }
        #expect(unread[.owner] == .broken)
    }

    @Test func cleanTicksInARow() {
        #expect(verdicts(record(), ticks([10, 11, 12])).1[.cleanTicks] == .insufficient)
        #expect(verdicts(record(), ticks(Array(8...12), failed: [10])).1[.cleanTicks] == .fail)
        #expect(verdicts(record(), ticks(Array(7...12), failed: [7])).1[.cleanTicks] == .pass)
        #expect(verdicts(record(), []) { $0.ticks = .unknown("no Airflow") }.1[.cleanTicks] == .broken)
    }

    @Test func aTickThatNobodyClaimed() {
        // A later run stands for it, unless each is to be run.
        #expect(verdicts(record(), ticks([8, 10, 11, 12])).1[.everyTick] == .pass)
        #expect(verdicts(record(), ticks([8, 10, 11, 12]), missed: .every).1[.everyTick] == .fail)
        // Nothing stands for the newest, once its gate has had its time.
        #expect(verdicts(record(), ticks([8, 9, 10, 11]), now: at(12, 4)).1[.everyTick] == .pass)
        #expect(verdicts(record(), ticks([8, 9, 10, 11]), now: at(12, 6)).1[.everyTick] == .fail)
    }

    @Test func whatCannotBeOverridden() {
        let few = ticks([11, 12])
        let ada = PolicyOverride(by: "Ada", reason: "monthly")
        #expect(verdicts(record(), few, override: ada).0.permits)
        #expect(!verdicts(record(), few).0.permits)
        #expect(!verdicts(record { $0.ticksLeft = 1 }, few, override: ada).0.permits)
        #expect(!verdicts(record(), few, override: ada) { $0.needsGate = "jobs" }.0.permits)
        #expect(!verdicts(record(), few, override: ada) { $0.inCode = .known(["sync"]) }.0.permits)
        #expect(!verdicts(record(), few, override: ada) { $0.deployment = .unknown("no Airflow") }.0.permits)
    }

    @Test func onceItsGateIsGoneTheProofStands() {
        let (found, verdicts) = verdicts(record { $0.isRetiring = true }, [], now: at(23))
        #expect(found.holds && verdicts[.cleanTicks] == .pass && verdicts[.everyTick] == nil)
    }
}
