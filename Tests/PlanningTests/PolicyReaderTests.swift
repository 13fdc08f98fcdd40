import Migration
import Planning
import Schedules
import Settings
import Testing

@Suite("Policies as people write them") struct PolicyReaderTests {
    private let zones = ZoneDatabase()

    private func policy(_ yaml: String, over general: CutoverPolicy = CutoverPolicy()) throws -> CutoverPolicy {
        try CutoverPolicy(try YAMLNode(yaml: yaml, file: "p.yaml"), over: general, zones: zones)
    }

    private let whole = """
        compared_ticks: 20
        in_a_row: 10
        tolerate:
          - {kind: duration, approver: Ada, because: other machines}
          - {kind: result, path: $.at, approver: Ben, because: a clock}
        observed_counts: {approver: Ada, because: it only sends a mail}
        slowest_ratio: 2.5
        rehearsal: {within: 2d}
        hours: {zone: Europe/Berlin, days: [mon-thu, sun], from: "09:00", until: "15:30"}
        approvals:
          - {entry: scheduler/old, approver: Ada, because: hourly is enough}
        rollback: {failed_runs: 2, late_by: 15m, mismatch: true}
        clean_ticks: 50
        """

    @Test func everyKeyIsRead() throws {
        let read = try policy(whole)
        #expect(read.comparedTicks == 20 && read.inARow == 10 && read.cleanTicks == 50 && read.slowestRatio == 2.5)
        #expect(read.tolerated.map(\.kind) == [.duration, .result] && read.tolerated.map(\.path) == [nil, "$.at"])
        #expect(read.tolerated[1].approval == Approval(approver: "Ben", because: "a clock"))
        #expect(read.observedCounts?.approver == "Ada" && read.rehearsalWithin == 172_800)
        #expect(read.hours?.days == [0, 1, 2, 3, 4] && read.hours?.from == 540 && read.hours?.until == 930)
        #expect(read.approvals[EntryID(source: "scheduler", name: "old")]?.because == "hourly is enough")
        #expect(read.rollback.failedRuns == 2 && read.rollback.lateBy == 900 && read.rollback.onMismatch)
    }

    @Test func aMappingChangesOnlyWhatItSays() throws {
        let general = try policy(whole)
        let own = try policy(
            "in_a_row: 3\nrehearsal: {required: false}\napprovals: [{entry: s/x, approver: Ben, because: y}]",
            over: general
        )
        var expected = general
        expected.inARow = 3
        expected.rehearsalWithin = nil
        expected.approvals[EntryID(source: "s", name: "x")] = Approval(approver: "Ben", because: "y")
        #expect(own == expected)
    }

    @Test func mistakesAreNamedWithTheirLine() {
        let table: [(String, Int, String)] = [
            ("compared_tick: 5", 1, "did you mean “compared_ticks”?"), ("compared_ticks: -1", 1, "must be 0 or more"),
            ("tolerate:\n  - {kind: duration, because: x}", 2, "“approver” is missing"),
            ("tolerate:\n  - {kind: duration, approver: Ada}", 2, "“because” is missing"),
            ("tolerate:\n  - {kind: duration, approver: ' ', because: x}", 2, "must name a person"),
            ("tolerate:\n  - {approver: Ada, because: x}", 2, "“kind” is missing"),
            ("tolerate:\n  - {kind: colour, approver: Ada, because: x}", 2, "it must be arguments, state"),
            ("hours: {zone: Mars/Base}", 1, "no time zone “Mars/Base”"),
            ("hours: {zone: UTC, days: [montag]}", 1, "“montag” is no weekday"),
            ("hours: {zone: UTC, from: \"9\"}", 1, "write a time of day"),
            ("hours: {zone: UTC, from: \"25:00\"}", 1, "write a time of day"),
            ("hours: {from: \"09:00\"}", 1, "“zone” is missing"),
            ("approvals: [{entry: old, approver: Ada, because: x}]", 1, "write source/name"),
            ("rollback: {failed_runs: 0}", 1, "must be 1 or more"),
            ("rollback: {late_by: soon}", 1, "a length of time"),
            ("slowest_ratio: 0", 1, "more than 0"), ("clean_ticks: 0", 1, "must be 1 or more"),
        ]
        for (yaml, line, text) in table {
            do {
                _ = try policy(yaml)
                Issue.record("read: \(yaml)")
            } catch let error as SettingsError {
                #expect(error.problems.contains { $0.line == line && $0.message.contains(text) }, "\(yaml): \(error)")
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    @Test func aPlanCarriesThePolicyOfEachPipeline() throws {
        let inventory = Samples.inventory([
            try Samples.entry("a", Samples.crontab("0 * * * *")), try Samples.entry("b", Samples.crontab("0 * * * *")),
        ])
        var general = CutoverPolicy()
        general.comparedTicks = 7
        let planner = Planner(
            inventory: inventory,
            zones: zones,
            environments: [],
            celery: Samples.celery,
            policy: general,
            now: Samples.now
        )
        func plan(_ text: String) -> Plan {
            planner.plan(files: [
                ("m.yaml", "pipeline: mine\npolicy:\n  \(text)\ntasks:\n  run: {entry: scheduler/a}\n")
            ])
        }
        let read = plan("in_a_row: 2")
        #expect(read.pipelines.map(\.dag.id).contains("mine"))
        for pipeline in read.pipelines {
            #expect(pipeline.policy.comparedTicks == 7)
            #expect(pipeline.policy.inARow == (pipeline.dag.id == "mine" ? 2 : 5))
        }
        let wrong = plan("in_a_rwo: 2")
        #expect(wrong.findings.contains { $0.code == .invalidMapping && $0.location?.line == 3 })
    }
}
