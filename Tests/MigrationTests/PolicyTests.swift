import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("Policy: evidence in, one line per rule out") struct PolicyTests {
    /// A pipeline of one hourly entry, at 12:30, with hourly ticks compared until 12:00.
    private struct Case {
        var policy = CutoverPolicy()
        var evidence: PolicyEvidence

        init(_ comparisons: [Comparison] = (1...12).map { comparison(hour: $0) }) throws {
            let hourly = Schedule.crontab(try Crontab(cronOrder: "0 * * * *"))
            evidence = PolicyEvidence(
                pipeline: "sync",
                now: at(12, 30),
                entries: [PolicyEvidence.Entry(id: entry, schedule: hourly, zone: .utc)],
                comparisons: .known(comparisons),
                deployment: .unknown("no Airflow is configured"),
                gate: .asked(at(12)),
                timetable: .exact(hourly, zone: .utc)
            )
            var coverage = Coverage(entry: MigrationTests.entry)
            (coverage.fired, coverage.seen, coverage.compared) = (12, 12, 12)
            evidence.coverage = .known([coverage])
        }

        func line(_ rule: PolicyRule) throws -> PolicyLine {
            try #require(policy.evaluate(evidence).lines.first { $0.rule == rule })
        }

        var verdicts: [PolicyRule: PolicyVerdict] {
            Dictionary(policy.evaluate(evidence).lines.map { ($0.rule, $0.verdict) }, uniquingKeysWith: { a, _ in a })
        }
    }

    @Test func whatWasComparedAndDoesNotDifferPasses() throws {
        let sample = try Case()
        #expect(
            sample.verdicts == [
                .plan: .pass, .observer: .pass, .comparedTicks: .pass, .inARow: .pass, .coverage: .pass,
                .deployed: .pass,
            ]
        )
        #expect(sample.policy.evaluate(sample.evidence).holds)
    }

    @Test func nothingMissingIsEverAPass() throws {
        var sample = try Case([])
        #expect(sample.verdicts[.comparedTicks] == .insufficient && sample.verdicts[.inARow] == .insufficient)
        sample.evidence.comparisons = .unknown("the state database cannot be read")
        #expect(sample.verdicts[.observer] == .broken)
        #expect(sample.verdicts[.comparedTicks] == .broken && sample.verdicts[.inARow] == .broken)
        sample = try Case()
        sample.evidence.gate = .unknown("Redis does not answer")
        #expect(sample.verdicts[.deployed] == .insufficient)
        sample.evidence.gate = .none
        #expect(sample.verdicts[.deployed] == .insufficient)
        sample = try Case()
        sample.evidence.entries = []
        #expect(sample.verdicts[.comparedTicks] == .insufficient)
        sample = try Case()
        sample.policy.rehearsalWithin = 86_400
        sample.evidence.rehearsals = .unknown("the state database cannot be read")
        #expect(sample.verdicts[.rehearsal] == .broken)
        sample.policy.slowestRatio = 2
        #expect(sample.verdicts[.slowestRatio] == .insufficient)
    }

    @Test func coverageCountsWhatWasThereAndNotWhatWasCompared() throws {
        var sample = try Case()
        var coverage = Coverage(entry: entry)
        (coverage.fired, coverage.compared, coverage.lost, coverage.unseen) = (100, 94, 4, 2)
        coverage.gaps = [ObservationGap(source: "s", from: at(3), until: at(4), reason: "the connection was lost")]
        sample.evidence.coverage = .known([coverage])
        let line = try sample.line(.coverage)
        #expect(line.verdict == .fail)
        #expect(line.evidence.hasPrefix("94 % of s/e: 94 of 100 compared, 4 lost to a gap, 2 not seen"))
        #expect(
            line.evidence.contains(
                "from 2026-11-23T03:00:00Z until 2026-11-23T04:00:00Z: the connection was lost; 95 % is wanted"
            )
        )
        // What may yet end is no part of it; 94.99 % is not rounded up.
        (coverage.fired, coverage.compared, coverage.pending) = (10_003, 9499, 3)
        sample.evidence.coverage = .known([coverage])
        #expect(try sample.line(.coverage).verdict == .fail)
        coverage.compared = 9500
        sample.evidence.coverage = .known([coverage])
        #expect(try sample.line(.coverage).verdict == .pass)
        sample.policy.coverage = 1
        #expect(try sample.line(.coverage).verdict == .fail)
        sample.evidence.coverage = .known([])
        #expect(try sample.line(.coverage).verdict == .insufficient)
        sample.evidence.coverage = .unknown("the state database cannot be read")
        #expect(try sample.line(.coverage).verdict == .broken)
        // Where nothing has to be compared, nothing has to be covered either.
        (sample.policy.comparedTicks, sample.policy.inARow, sample.policy.coverage) = (0, 0, nil)
        #expect(sample.verdicts[.coverage] == nil)
    }

    @Test func whatWasLostIsTheObserversUntilTheNewestRowIsMadeOfLaterOnes() throws {
        var sample = try Case()
        var coverage = Coverage(entry: entry)
        (coverage.fired, coverage.compared, coverage.lost) = (1000, 999, 1)
        coverage.gaps = [ObservationGap(source: "s", from: at(7), until: at(8), reason: "the connection was lost")]
        sample.evidence.coverage = .known([coverage])
        let lost = try sample.line(.observer)
        #expect(lost.verdict == .broken && lost.evidence.hasPrefix("1 run of s/e lost to a gap, the last from"))
        // 9, 10, 11 and 12 o'clock are later; with 8 they are five.
        coverage.gaps[0].until = at(7, 30)
        sample.evidence.coverage = .known([coverage])
        #expect(try sample.line(.observer).verdict == .pass)
        // A gap in which nothing was lost is none.
        coverage.lost = 0
        coverage.gaps[0].until = at(12)
        sample.evidence.coverage = .known([coverage])
        #expect(try sample.line(.observer).verdict == .pass)
        (coverage.unreadable, coverage.lastUnreadable) = (2, at(11))
        sample.evidence.coverage = .known([coverage])
        let unread = try sample.line(.observer)
        #expect(unread.verdict == .broken && unread.evidence.hasPrefix("2 records of s could not be read"))
        coverage.lastUnreadable = at(6)
        sample.evidence.coverage = .known([coverage])
        #expect(try sample.line(.observer).verdict == .pass)
    }

    @Test func theDateOfEnoughDataIsThatOfTheSchedule() throws {
        var sample = try Case((10...12).map { comparison(hour: $0) })
        // Two are missing: 13:00 and 14:00.
        #expect(
            try sample.line(.comparedTicks)
                == PolicyLine(
                    .comparedTicks,
                    .insufficient,
                    "3 of 5 ticks of s/e compared",
                    when: at(14)
                )
        )
        sample.evidence.entries[0].schedule = nil
        let jobs = try sample.line(.comparedTicks)
        #expect(jobs.verdict == .insufficient && jobs.when == nil)
        #expect(jobs.evidence.contains("3 of 5 jobs") && jobs.evidence.contains("nobody can say"))
    }

    @Test func theEntryThatLacksMostDecides() throws {
        let other = EntryID(source: "s", name: "weekly")
        var sample = try Case()
        sample.evidence.entries.append(
            PolicyEvidence.Entry(id: other, schedule: .crontab(try Crontab(cronOrder: "0 0 * * 0")), zone: .utc)
        )
        let line = try sample.line(.comparedTicks)
        #expect(line.verdict == .insufficient && line.evidence.contains("0 of 5 ticks of s/weekly"))
        // 2026-11-23 is a Monday: the fifth Sunday after it is 27 December.
        #expect(line.when == Instant(iso8601: "2026-12-27T00:00:00Z"))
    }

    @Test func aDifferenceInTheNewestRowFailsAndAnOlderOneDoesNot() throws {
        for (hour, verdict) in [(12, PolicyVerdict.fail), (8, .fail), (7, .pass), (1, .pass)] {
            let sample = try Case((1...12).map { comparison(hour: $0, $0 == hour ? [difference(.result)] : []) })
            #expect(try sample.line(.inARow).verdict == verdict, "difference at \(hour):00")
            #expect(try sample.line(.comparedTicks).verdict == .pass)
        }
        let sample = try Case((1...12).map { comparison(hour: $0, $0 == 11 ? [difference(.result)] : []) })
        let line = try sample.line(.inARow)
        // One clean tick since: four more, until 16:00.
        #expect(line.when == at(16))
        #expect(line.evidence.contains("1 of 5") && line.evidence.contains("the result differs"))
    }

    @Test func theOrderIsThatOfTheTicksWhateverTheOrderOfTheStore() throws {
        let hours = [12, 3, 7, 1, 9, 11, 5, 2, 10, 4, 8, 6]
        let sample = try Case(hours.map { comparison(hour: $0, $0 == 3 ? [difference(.state)] : []) })
        #expect(try sample.line(.inARow).verdict == .pass)
        // One of which nobody knows when it ran counts as the newest if it differs.
        var stray = comparison(hour: 0, [difference(.state)])
        stray.key = Outcome.Key(entry: entry, job: "j")
        #expect(try Case((1...12).map { comparison(hour: $0) } + [stray]).line(.inARow).verdict == .fail)
    }

    @Test func toleratedDifferencesNameTheirApprover() throws {
        var sample = try Case((1...12).map { comparison(hour: $0, [difference(.duration)]) })
        #expect(sample.verdicts[.inARow] == .fail)
        let approval = Approval(approver: "Ada", because: "other machines")
        sample.policy.tolerated = [ToleratedDifference(kind: .duration, approval: approval)]
        let line = try sample.line(.inARow)
        #expect(line.verdict == .pass)
        #expect(line.evidence.contains("5 duration differences tolerated, approved by Ada (other machines)"))
        // Of that kind only, at that path only, and never together with another.
        sample.policy.tolerated = [ToleratedDifference(kind: .duration, path: "$.other", approval: approval)]
        #expect(sample.verdicts[.inARow] == .fail)
        sample.policy.tolerated = [ToleratedDifference(kind: .duration, approval: approval)]
        sample.evidence.comparisons = .known(
            (1...12).map { comparison(hour: $0, [difference(.duration), difference(.result)]) }
        )
        #expect(sample.verdicts[.inARow] == .fail)
        // A run that one side did not make at all has no difference that could be tolerated.
        var lost = comparison(hour: 12)
        lost.verdict = .mismatch
        sample.evidence.comparisons = .known((1...11).map { comparison(hour: $0) } + [lost])
        #expect(sample.verdicts[.inARow] == .fail)
    }

    @Test func observedTicksCountOnlyIfSomebodyApproved() throws {
        let observed = (1...12).map { hour in
            var made = comparison(hour: hour)
            made.verdict = .insufficient
            made.shadow?.state = .observed
            return made
        }
        var sample = try Case(observed)
        let line = try sample.line(.comparedTicks)
        #expect(line.verdict == .insufficient && line.evidence.contains("12 more had too little to tell by"))
        sample.policy.observedCounts = Approval(approver: "Ada", because: "the body only sends a mail")
        #expect(sample.verdicts[.comparedTicks] == .pass)
        #expect(try sample.line(.inARow).evidence.contains("5 only observed, approved by Ada"))
        // What has too little to tell for another reason still does not count.
        sample.evidence.comparisons = .known(
            observed.map { comparison in
                var other = comparison
                other.shadow?.state = .success
                return other
            }
        )
        #expect(sample.verdicts[.comparedTicks] == .insufficient)
    }

    @Test func aBrokenObserverIsNoFailureAndNoPass() throws {
        var bad = comparison(hour: 10)
        bad.verdict = .broken
        bad.reason = "the shadow's interpreter is gone"
        var sample = try Case((1...12).map { $0 == 10 ? bad : comparison(hour: $0) })
        let line = try sample.line(.observer)
        #expect(line.verdict == .broken && line.evidence.contains("interpreter is gone"))
        // Five clean ticks later it is history.
        sample = try Case((1...17).map { $0 == 10 ? bad : comparison(hour: $0) })
        #expect(sample.verdicts[.observer] == .pass)
        sample.evidence.observerDefects = ["The task events of scheduler do not arrive."]
        #expect(sample.verdicts[.observer] == .broken)
        #expect(!sample.policy.evaluate(sample.evidence).holds)
    }

    @Test func theSlowestRatioIsThatOfTheMedians() throws {
        // One outlier among twelve does not decide.
        var sample = try Case((1...12).map { comparison(hour: $0, seconds: (10, $0 == 9 ? 500 : 15)) })
        for (limit, verdict) in [(1.4, PolicyVerdict.fail), (1.5, .pass), (3, .pass)] {
            sample.policy.slowestRatio = limit
            #expect(sample.verdicts[.slowestRatio] == verdict, "\(limit)")
        }
    }

    @Test func absorbedEntriesNeedANamedPerson() throws {
        var sample = try Case()
        let absorbed = EntryID(source: "s", name: "old")
        sample.evidence.absorbed = [absorbed]
        #expect(try sample.line(.approvals).verdict == .fail)
        sample.policy.approvals[absorbed] = Approval(approver: "Ada", because: "hourly is enough")
        #expect(try sample.line(.approvals) == PolicyLine(.approvals, .pass, "s/old by Ada (hourly is enough)"))
    }

    @Test func aRehearsalMustHavePassedLately() throws {
        var sample = try Case()
        sample.policy.rehearsalWithin = 86_400
        func rehearsal(_ hour: Int, day: Int64 = 0, passed: Bool = true) -> Rehearsal {
            let step = Rehearsal.Step(name: "settle", seconds: 1, passed: passed, detail: "it took too long.")
            return Rehearsal(pipeline: "sync", at: at(hour).adding(seconds: day * 86_400), steps: [step])
        }
        let table: [([Rehearsal], PolicyVerdict)] = [
            ([], .fail), ([rehearsal(10)], .pass), ([rehearsal(10), rehearsal(11, passed: false)], .fail),
            ([rehearsal(11), rehearsal(10, passed: false)], .pass), ([rehearsal(12, day: -1)], .fail),
            ([rehearsal(13, day: -1)], .pass), ([Rehearsal(pipeline: "sync", at: at(11), steps: [])], .fail),
        ]
        for (rehearsals, verdict) in table {
            sample.evidence.rehearsals = .known(rehearsals)
            #expect(sample.verdicts[.rehearsal] == verdict, "\(rehearsals)")
        }
        sample.evidence.rehearsals = .known([rehearsal(11, passed: false)])
        #expect(try sample.line(.rehearsal).evidence.contains("settle, it took too long;"))
    }

    @Test func theDAGMustBeSeenToRun() throws {
        typealias Deployment = PolicyEvidence.Deployment
        let running = Deployment.running("Airflow has the DAG, unpaused")
        let unknown = Deployment.unknown("no Airflow is configured")
        let faulty = Deployment.faulty("the DAG is paused")
        let table: [(Deployment, PolicyEvidence.Gate, PolicyVerdict)] = [
            (unknown, .asked(at(12)), .pass), (unknown, .asked(at(11)), .fail), (unknown, .asked(nil), .insufficient),
            (running, .asked(nil), .insufficient), (running, .asked(at(12)), .pass), (running, .asked(at(9)), .fail),
            (running, .none, .pass), (unknown, .none, .insufficient), (faulty, .none, .fail),
            (faulty, .asked(at(12)), .fail), (running, .unknown("away"), .insufficient),
        ]
        for (deployment, gate, verdict) in table {
            var sample = try Case()
            sample.evidence.deployment = deployment
            sample.evidence.gate = gate
            #expect(sample.verdicts[.deployed] == verdict, "\(deployment), \(gate)")
        }
        // Two minutes after a tick its gate may not have started yet.
        var sample = try Case()
        sample.evidence.gate = .asked(at(11))
        sample.evidence.now = at(12, 2)
        #expect(sample.verdicts[.deployed] == .pass)
        sample.evidence.gate = .asked(nil)
        #expect(try sample.line(.deployed).when == at(13))
    }

    @Test func findingsOfErrorSeverityFail() throws {
        var sample = try Case()
        sample.evidence.findings = [
            Finding(.unknownTask, text: "There is no task x."), Finding(.minuteStar, text: "…"),
        ]
        #expect(try sample.line(.plan).verdict == .fail)
        sample.evidence.findings.removeFirst()
        #expect(try sample.line(.plan) == PolicyLine(.plan, .pass, "no finding of error severity, 1 warning"))
    }

    @Test func anOverridePermitsAndChangesNoVerdict() throws {
        let sample = try Case([])
        #expect(PolicyOverride(by: " ", reason: "x") == nil && PolicyOverride(by: "Ada", reason: "\n") == nil)
        let override = try #require(PolicyOverride(by: "Ada", reason: "the queue is on fire"))
        let evaluation = sample.policy.evaluate(sample.evidence, override: override)
        #expect(!evaluation.holds && evaluation.permits)
        #expect(!sample.policy.evaluate(sample.evidence).permits)
        #expect(evaluation.waitsFor?.rule == .comparedTicks)
    }
}

let entry = EntryID(source: "s", name: "e")

/// A time of 2026-11-23 in UTC, a Monday.
func at(_ hour: Int, _ minute: Int = 0) -> Instant {
    Instant(seconds: 1_795_392_000 + Int64(hour * 3600 + minute * 60))
}

func difference(_ kind: Difference.Kind) -> Difference {
    Difference(kind: kind, legacy: nil, shadow: nil, text: "the \(kind.rawValue) differs")
}

/// A comparison of the tick at an hour.
func comparison(hour: Int, _ differences: [Difference] = [], seconds: (Double, Double)? = nil) -> Comparison {
    let key = Outcome.Key(entry: entry, tick: at(hour))
    func outcome(_ side: Outcome.Side, _ seconds: Double?) -> Outcome {
        var made = Outcome(key: key, side: side, run: "r\(hour)", state: .success)
        made.start = seconds == nil ? nil : at(hour)
        made.end = seconds.map { at(hour).adding(microseconds: Int64($0 * 1_000_000)) }
        return made
    }
    return Comparison(
        key: key,
        pipeline: "sync",
        legacy: outcome(.legacy, seconds?.0),
        shadow: outcome(.shadow, seconds?.1),
        verdict: differences.isEmpty ? .match : .mismatch,
        differences: differences
    )
}
