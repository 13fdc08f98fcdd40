import LosslessJSON
import Migration
import Planning
import Schedules
import Settings
import Testing

@Suite("What the plan says of an entry by itself") struct JudgementTests {
    private func plan(_ entries: [LegacyEntry]) -> Plan {
        Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            now: Samples.now
        )
        .plan(files: [])
    }

    private func codes(_ schedule: JSON, _ zone: String) throws -> (EntryJudgement, Set<FindingCode>) {
        let plan = plan([try Samples.entry("it", schedule, timezone: zone)])
        let judgement = try #require(plan.judgements.first)
        return (judgement, Set(plan.findings.map(\.code)))
    }

    @Test func findingsFollowFromTheSchedule() throws {
        let table: [(JSON, String, EntryJudgement.Verdict, Set<FindingCode>)] = [
            (Samples.crontab("0 2 * * *"), "UTC", .migrate, []),
            (Samples.crontab("0 9 * * mon-fri"), "Europe/Berlin", .migrate, [.legacyFallBack]),
            (Samples.crontab("30 * * * *"), "UTC", .migrate, [.onceAnHour]),
            (Samples.crontab("* 3 * * *"), "UTC", .migrate, [.minuteStar]),
            (Samples.crontab("* * * * *"), "UTC", .migrate, []),
            (Samples.crontab("30 2 25-31 * sun"), "UTC", .migrate, [.crontabDayAnd, .baileyTimetable]),
            (
                Samples.crontab("30 2 * * *"), "Europe/Berlin", .migrate, [.dstFold, .legacyFallBack, .baileyTimetable]
            ),
            (
                [
                    "__type__": "rrule", "dtstart": 1_500_000_000, "freq": 3, "interval": 1, "count": 2,
                ], "UTC", .keep, [.scheduleNeverDue, .keptOnLegacy]
            ),
            (Samples.crontab("0 2 * * *"), "Nowhere/Land", .unsupported, [.zoneUnknown, .untranslatable]),
            (Samples.interval(90), "UTC", .migrate, [.intervalDrift]),
            (Samples.interval(5), "UTC", .keep, [.intervalDrift, .subMinute, .keptOnLegacy]),
        ]
        for (schedule, zone, verdict, expected) in table {
            let (judgement, codes) = try codes(schedule, zone)
            #expect(judgement.verdict == verdict, "\(schedule.text()) in \(zone)")
            #expect(codes == expected, "\(schedule.text()) in \(zone)")
        }
    }

    @Test func aMinuteLeftAtStarSaysHowManyRunsItMeans() throws {
        let plan = plan([try Samples.entry("it", Samples.crontab("* 3 * * *"))])
        let finding = try #require(plan.findings.first { $0.code == .minuteStar })
        #expect(finding.severity == .warning)
        #expect(finding.text.contains("60 runs"))
        #expect(plan.judgements.first?.runsPerDay == 60)
    }

    @Test func theNextFiveTicksAreThoseOfTheZone() throws {
        let plan = plan([try Samples.entry("it", Samples.crontab("0 9 * * *"), timezone: "Europe/Berlin")])
        #expect(
            plan.judgements.first?.nextTicks.map(\.iso8601) == [
                "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z", "2026-11-25T08:00:00Z", "2026-11-26T08:00:00Z",
                "2026-11-27T08:00:00Z",
            ]
        )
    }

    @Test func anIntervalIsDueFromItsLastRunOn() throws {
        var entry = try Samples.entry("it", Samples.interval(600))
        entry.lastRun = Samples.now.adding(seconds: -100)
        #expect(plan([entry]).judgements.first?.nextTicks.first == Samples.now.adding(seconds: 500))
    }

    @Test func everyEntryIsJudgedAndOneThatMovesHasAPipeline() throws {
        let plan = plan([
            try Samples.entry("a b", Samples.crontab("0 2 * * *")),
            try Samples.entry("a_b", Samples.crontab("0 2 * * *")),
            try Samples.entry("a\"b", Samples.crontab("0 2 * * *")), Samples.jobType("export"),
            try Samples.entry("fast", Samples.interval(2)),
        ])
        #expect(plan.judgements.count == 5)
        let ids = plan.pipelines.map(\.dag.id)
        #expect(Set(ids).count == 4, "names that look alike must not share a DAG: \(ids)")
        for judgement in plan.judgements {
            #expect((judgement.verdict == .keep) == (judgement.pipeline == nil))
        }
        // The job type's function is not in the database, so its task must fail and say why.
        let export = try #require(plan.pipelines.first { $0.dag.entries == [EntryID(source: "jobs", name: "export")] })
        guard case .untranslatable(let reason)? = export.dag.tasks.first?.body else {
            Issue.record("a job type without a mapping has no body")
            return
        }
        #expect(reason.contains("export"))
    }

    @Test func unreadRecordsAreFindings() {
        var inventory = Samples.inventory([])
        inventory.unread = [
            UnreadRecord(
                source: "scheduler",
                key: "redbeat:x",
                reason: "malformed-json",
                detail: "…",
                fate: .stops
            ),
            UnreadRecord(source: "scheduler", key: "redbeat:y", reason: "dangling", detail: "…"),
        ]
        let plan = Planner(
            inventory: inventory,
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            now: Samples.now
        )
        .plan(files: [])
        #expect(plan.findings.map(\.code) == [.stopsBeat, .unreadRecord])
        #expect(!plan.holds)
    }

    @Test func whatABaileyYamlIgnoresIsSetAsideAndCounted() throws {
        var inventory = Samples.inventory([
            try Samples.entry("odd-one", Samples.crontab("0 2 * * *")),
            try Samples.entry("good", Samples.crontab("0 3 * * *")),
        ])
        inventory.unread = [
            UnreadRecord(source: "scheduler", key: "redbeat:bad", reason: "malformed-json", detail: "…", fate: .stops)
        ]
        let rules = [
            SetAsideRule(pattern: "scheduler/odd-*", reason: "goes away", line: 7),
            SetAsideRule(pattern: "scheduler/bad", reason: "nobody knows it", line: 8),
            SetAsideRule(pattern: "scheduler/gone", reason: "x", line: 9),
        ]
        let aside = SettingAside(rules, file: "bailey.yaml", prefixes: ["scheduler": "redbeat:"])
        let planner = Planner(
            inventory: inventory,
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            aside: aside,
            now: Samples.now
        )
        let plan = planner.plan(files: [])
        #expect(plan.holds)
        #expect(plan.setAside.map(\.entry.name).sorted() == ["odd-one", "redbeat:bad"])
        #expect(plan.pipelines.flatMap(\.dag.entries).map(\.name) == ["good"])
        #expect(plan.judgements.map(\.verdict) == [.migrate, .keep])
        #expect(plan.findings.filter { $0.code == .setAside && $0.severity == .warning }.count == 1)
    }

    @Test func anErrorBlocksItsOwnPipelineOnly() throws {
        var bad = try Samples.entry("bad", Samples.crontab("0 2 * * *"))
        bad.notes = [EntryNote(.zoneContradicted, "two zones")]
        let plan = plan([bad, try Samples.entry("good", Samples.crontab("0 3 * * *"))])
        #expect(!plan.holds)
        #expect(plan.blocked.count == 1)
        let blocked = plan.pipelines.filter { plan.blocked[$0.dag.id] != nil }
        #expect(blocked.flatMap(\.dag.entries).map(\.name) == ["bad"])
    }

    @Test func adviceAboutMinutesIsTrue() throws {
        func advice(_ minute: Int) throws -> String {
            plan([try Samples.entry("a", Samples.crontab("\(minute) * * * *"))]).findings.first {
                $0.code == .onceAnHour
            }?.text ?? ""
        }
        #expect(try advice(30).contains("every 30 minutes would be “*/30”"))
        #expect(try advice(36).contains("is due at the minutes 0, 36 of each hour"))
        #expect(try advice(36).contains("would be") == false)
    }
}
