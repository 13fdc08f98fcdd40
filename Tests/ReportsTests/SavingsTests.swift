import LosslessJSON
import Migration
import Reports
import Schedules
import Testing

@Suite("Savings: what is recorded, projected and measured, and money only of given numbers") struct SavingsTests {
    private let now = Instant(seconds: 1_795_392_000)

    private func task(_ id: String, after: [String] = [], pool: String? = nil) -> TaskDefinition {
        TaskDefinition(id: id, body: .command(CommandLine(arguments: ["x"])), after: after, pool: pool)
    }

    private var tasks: [TaskDefinition] {
        [task("a"), task("b", pool: "one"), task("c", pool: "one"), task("d", after: ["a", "b", "c"])]
    }

    private func projection(_ seconds: [String: Double]) -> RunProjection {
        RunProjection(
            tasks,
            lengths: seconds.mapValues { RunProjection.Length(seconds: $0, origin: .stated) },
            declared: ["one": 1]
        )
    }

    private func row(_ measured: Known<PipelineSavings.Measured?> = .known(nil)) -> PipelineSavings {
        var row = PipelineSavings(
            pipeline: "p",
            projection: projection(["a": 600, "b": 600, "c": 600, "d": 600]),
            measured: measured
        )
        row.runsPerYear = 360
        return row
    }

    /// A run whose bodies took nine tenths of their tasks' time.
    private func run(_ seconds: Double, _ tasks: [String: Double]) -> PipelineSavings.Measured.Run {
        PipelineSavings.Measured.Run(seconds: seconds, tasks: tasks, bodies: tasks.mapValues { $0 * 0.9 })
    }

    private func report(
        _ rows: [PipelineSavings],
        _ work: [SavingsReport.Work] = [],
        run: Double? = nil,
        person: Double? = nil
    )
        -> SavingsReport
    {
        SavingsReport(
            rows: rows,
            work: work,
            currency: run ?? person == nil ? nil : "USD",
            runHour: run,
            personHour: person,
            madeAt: now
        )
    }

    @Test func runsOfWhichTasksWereSkippedAreMeasuredForWhatTheyAre() throws {
        func partial(_ seconds: Double, _ tasks: [String: Double], without skipped: Set<String>)
            -> PipelineSavings.Measured.Run
        {
            PipelineSavings.Measured.Run(seconds: seconds, tasks: tasks, skipped: skipped)
        }
        let all = [
            partial(700, ["a": 100, "b": 500], without: ["c", "d"]),
            partial(900, ["a": 100, "c": 600, "d": 100], without: ["b"]),
            partial(800, ["a": 100, "b": 500, "d": 100], without: ["c"]),
        ]
        let measured = try #require(PipelineSavings.Measured(all, of: tasks, unusable: 1))
        #expect(measured.runs == 3 && measured.runsWithSkips == 3 && measured.leftOut == 1)
        #expect(measured.skipped == ["b": 1, "c": 2, "d": 1])
        // 500 s, 700 s and 600 s: a lies beside b, c before d; of the path through c and d nothing of b counts.
        #expect(measured.seconds == 800 && measured.longestPath == 600 && measured.pathTasks == 2)
        var one = row(.known(measured))
        #expect(one.deviation == nil)
        // Against themselves: 700 s of tasks, and 800 s.
        #expect(one.before?.basis == .measured && one.after?.basis == .measured && one.saved == -100.0)
        one.recorded = 3000
        #expect(one.after?.basis == .projected && one.saved == 1200.0)
        let text = report([one]).textLines.joined(separator: "\n")
        #expect(text.contains("13 min 20 s (3 runs, tasks skipped)"), "\(text)")
        #expect(text.contains("b in 1, c in 2, d in 1") && text.contains("1 more that succeeded is not counted"))
        #expect(!text.contains("than projected"))
        // Where there is a whole run it alone counts, and the others are told.
        let whole = try #require(
            PipelineSavings.Measured(all + [run(1500, ["a": 600, "b": 500, "c": 600, "d": 600])], of: tasks)
        )
        #expect(whole.runs == 1 && whole.runsWithSkips == 0 && whole.skipped.isEmpty && whole.leftOut == 3)
        #expect(PipelineSavings.Measured([], of: tasks, unusable: 2) == nil)
    }

    @Test func aFigureSaysWhereItComesFrom() throws {
        var one = row()
        #expect(one.before?.seconds == 2400.0 && one.before?.basis == .projected)
        // b and c wait for each other: 20 minutes, then d.
        #expect(one.after?.seconds == 1800.0 && one.after?.basis == .projected)
        #expect(one.hoursPerYear == 60.0)
        one.recorded = 3000
        #expect(one.before?.basis == .recorded && one.saved == 1200.0)
        let measured = try #require(
            PipelineSavings.Measured(
                [
                    run(1500, ["a": 600, "b": 500, "c": 600, "d": 600]),
                    run(1300, ["a": 600, "b": 600, "c": 600, "d": 600]),
                    run(1900, ["a": 600, "b": 600, "c": 600, "d": 600]),
                ],
                of: tasks
            )
        )
        #expect(measured.runs == 3 && measured.seconds == 1500.0)
        #expect(measured.longestPath == 1200.0 && measured.waits == 300.0)
        #expect(measured.savedByParallelism == 1200.0)
        // Bodies 540 s and 540 s; of 1500 s the rest is for two tasks.
        #expect(measured.bodies == 1080.0 && measured.pathTasks == 2 && measured.overheadPerTask == 210.0)
        one.measured = .known(measured)
        #expect(one.after?.basis == .measured && one.saved == 1500.0)
        // 1080 s of bodies where 1800 s were projected.
        #expect(abs((one.deviation ?? 0) + 0.4) < 1e-9)
        one.recordedBy = .watching
        one.recordedRuns = 1
        let text = report([one]).textLines.joined(separator: "\n")
        #expect(text.contains("50 min 0 s (1 run, seen)") && text.contains("40 % less than projected"), "\(text)")
    }

    @Test func whatATaskWaitsForCountsWithItsBodies() throws {
        var one = run(900, ["a": 20, "b": 300, "c": 300, "d": 300])
        // It began to wait when what it waits for had nearly ended.
        one.bodies = ["b": 300, "c": 300, "d": 300]
        one.awaited = ["a": 600]
        let measured = try #require(PipelineSavings.Measured([one], of: tasks))
        #expect(measured.bodies == 900 && measured.pathTasks == 2 && measured.awaited == ["a": 600])
        // What Airflow has of the task stays what it is.
        #expect(measured.longestPath == 600 && measured.sequential == 920)
        let text = report([row(.known(measured))]).textLines.joined(separator: "\n")
        #expect(text.contains("a counts there with 10 min 0 s"), "\(text)")
    }

    @Test func aWholeRunIsForetoldByWhatShadowRunsShowedOfAirflow() throws {
        var skipping = run(60, ["b": 30, "d": 20])
        skipping.skipped = ["a", "c"]
        // 45 s of bodies and two tasks; 60 s and one of them; no task at all.
        let overhead = try #require(
            PipelineSavings.Overhead([skipping, run(60, ["b": 40]), run(9, [:])], of: tasks)
        )
        #expect(overhead.runs == 2 && overhead.seconds == 24)
        #expect(PipelineSavings.Overhead([], of: tasks) == nil)
        var one = row(
            .known(PipelineSavings.Measured([run(2000, ["a": 600, "b": 600, "c": 600, "d": 600])], of: tasks))
        )
        #expect(one.projectedRun == nil && one.runDeviation == nil)
        one.overhead = PipelineSavings.Overhead(runs: 2, seconds: 100)
        // b and c wait for each other in their pool: 1800 s; two tasks lie on the longest path.
        #expect(one.projectedRun?.seconds == 2000 && one.projectedRun?.tasks == 2 && one.runDeviation == 0)
        let text = report([one]).textLines.joined(separator: "\n")
        #expect(text.contains("33 min 20 s here: projected 30 min 0 s + 2 tasks × 1 min 40 s"), "\(text)")
        #expect(report([one]).json["pipelines"]?.array?.first?["projected"]?["run_seconds"]?.double == 2000)
    }

    @Test func whatAPersonStatesCountsWhereNothingIsRecorded() {
        var one = row()
        one.stated = 3000
        #expect(one.before?.seconds == 3000.0 && one.before?.basis == .stated && one.saved == 1200.0)
        #expect(report([one]).textLines.joined(separator: "\n").contains("50 min 0 s (stated)"))
        #expect(report([one]).json["pipelines"]?.array?.first?["before"] == "stated")
        one.recorded = 2600
        #expect(one.before?.basis == .recorded)
    }

    @Test func aTaskThatRecordedNothingCountsAsItsBody() throws {
        let half = PipelineSavings.Measured.Run(
            seconds: 100,
            tasks: ["a": 10, "b": 20, "c": 30, "d": 40],
            bodies: ["c": 25, "d": 45]
        )
        let measured = try #require(PipelineSavings.Measured([half], of: tasks))
        // A body is never longer than its task: clocks of two machines may say so.
        #expect(measured.bodies == 65.0 && measured.longestPath == 70.0 && measured.overheadPerTask == 17.5)
        #expect(PipelineSavings.Measured([], of: tasks) == nil)
    }

    @Test func whatIsNotKnownStaysUnknown() {
        var unknown = PipelineSavings(pipeline: "q", projection: projection(["a": 1]), measured: .unknown("no Airflow"))
        unknown.runsPerYear = 360
        #expect(unknown.saved == nil && unknown.hoursPerYear == nil)
        let report = report([unknown])
        #expect(report.moneyPerYear == nil && report.runHoursPerYear == nil)
        let text = report.textLines.joined(separator: "\n")
        #expect(text.contains("unknown") && text.contains("no Airflow") && text.contains("Money: not known"))
        #expect(report.json["total"]?["money_per_year"] == .null)
        #expect(report.json["total"]?["unknown"] == ["q"])
    }

    @Test func moneyIsGivenNumbersTimesHoursAndTheFormulaIsShown() {
        let work = [
            SavingsReport.Work(what: "find a fault", pipeline: nil, before: 10, after: 7, timesPerYear: 12)
        ]
        #expect(report([row()], work).moneyPerYear == nil)
        let priced = report([row()], work, run: 2, person: 50)
        #expect(priced.personHoursPerYear == 36.0)
        #expect(priced.moneyPerYear == 60.0 * 2 + 36 * 50)
        let text = priced.textLines.joined(separator: "\n")
        #expect(text.contains("60 h × 2 USD (run_hour) = 120 USD a year"), "\(text)")
        #expect(text.contains("(10 h − 7 h) × 12 a year = 36 person-hours × 50 USD (person_hour) = 1800 USD a year"))
        #expect(text.contains("In all: 1920 USD a year"))
    }
}
