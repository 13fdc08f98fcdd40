public import LosslessJSON
public import Migration
public import Schedules

/// What moving to Airflow saves: `bailey report --savings`. Money comes only from numbers that people gave.
public struct SavingsReport: Sendable {
    /// Work of people that takes another time than before.
    public struct Work: Sendable {
        /// What it is, in words.
        public var what: String
        /// The pipeline it is about; nil for all.
        public var pipeline: String?
        /// Hours it took and takes, each time.
        public var before: Double
        public var after: Double
        /// How many times a year.
        public var timesPerYear: Double

        /// Makes work.
        public init(what: String, pipeline: String?, before: Double, after: Double, timesPerYear: Double) {
            self.what = what
            self.pipeline = pipeline
            self.before = before
            self.after = after
            self.timesPerYear = timesPerYear
        }

        /// Person-hours a year that are saved.
        public var hoursPerYear: Double { (before - after) * timesPerYear }
    }

    /// The pipelines, by id.
    public var rows: [PipelineSavings]
    /// What people gave.
    public var work: [Work]
    /// The currency, and what an hour costs of a run and of a person; nil where nobody said.
    public var currency: String?
    public var runHour: Double?
    public var personHour: Double?
    /// When it was made.
    public var madeAt: Instant

    /// Makes a report.
    public init(
        rows: [PipelineSavings],
        work: [Work],
        currency: String?,
        runHour: Double?,
        personHour: Double?,
        madeAt: Instant
    ) {
        self.rows = rows
        self.work = work
        self.currency = currency
        self.runHour = runHour
        self.personHour = personHour
        self.madeAt = madeAt
    }

    /// Hours a year of run time, of the pipelines of which they are known; nil where there is none.
    public var runHoursPerYear: Double? { sum(rows.compactMap(\.hoursPerYear)) }

    /// Person-hours a year; nil where nobody gave any.
    public var personHoursPerYear: Double? { sum(work.map(\.hoursPerYear)) }

    /// Money a year: what of it can be told from what was given; nil where nothing can.
    public var moneyPerYear: Double? {
        sum([money(runHoursPerYear, runHour), money(personHoursPerYear, personHour)].compactMap { $0 })
    }

    private func money(_ hours: Double?, _ price: Double?) -> Double? {
        guard let hours, let price else { return nil }
        return hours * price
    }

    private func sum(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.reduce(0, +) }

    // MARK: For people

    /// For a terminal: what is known, how it is known, and the formula of each sum.
    public var textLines: [String] {
        var table = TextTable(["PIPELINE", "RECORDED", "PROJECTED", "MEASURED", "SAVED A RUN", "HOURS A YEAR"])
        for row in rows {
            let planned = row.projection.projected.map { projected in
                (row.projection.sequential.map { "\(seconds($0)) → " } ?? "") + seconds(projected)
            }
            var measured = "unknown"
            if case .known(let found) = row.measured {
                measured = found.map(measuredWords) ?? "no live run"
            }
            table.add([
                row.pipeline, recordedWords(row),
                planned ?? "unknown", measured, savedWords(row), row.hoursPerYear.map(decimal) ?? "unknown",
            ])
        }
        var lines = table.lines(width: 200)
        for row in rows { lines += details(row) }
        lines.append("")
        lines.append(
            "Recorded: the medians of legacy's entries one after another, those of runs that are waited for among them, by its own records or, “seen”, by what Bailey saw of them, “events” and “log”, by what workers told of the task. Projected: the tasks one after another → as a DAG with the pools as declared. Measured: live runs in Airflow."
        )
        return lines + totals
    }

    private func measuredWords(_ measured: PipelineSavings.Measured) -> String {
        let skips = measured.runsWithSkips > 0 ? ", tasks skipped" : ""
        return "\(seconds(measured.seconds)) (\(count(measured.runs))\(skips))"
    }

    private func count(_ runs: Int) -> String { "\(runs) \(runs == 1 ? "run" : "runs")" }

    /// What the figures rest on, where that is not all live runs.
    private func basis(_ measured: PipelineSavings.Measured) -> [String] {
        var lines: [String] = []
        if measured.runsWithSkips > 0 {
            let skipped = measured.skipped.sorted { $0.key < $1.key }.map { "\($0.key) in \($0.value)" }
            lines.append(
                "  in each of these \(count(measured.runs)) tasks were skipped (\(skipped.joined(separator: ", "))): what they take is in none of these figures, so that nothing is said of how far the projection is off"
            )
        }
        if measured.leftOut > 0 {
            lines.append(
                "  the figures rest on \(count(measured.runs)); \(measured.leftOut) more that succeeded \(measured.leftOut == 1 ? "is" : "are") not counted, for tasks were skipped or did not succeed"
            )
        }
        return lines
    }

    private func recordedWords(_ row: PipelineSavings) -> String {
        guard let recorded = row.recorded else { return row.stated.map { "\(seconds($0)) (stated)" } ?? "unknown" }
        let seen =
            switch row.recordedBy {
            case .watching: ", seen"
            case .events: ", events"
            case .log: ", log"
            case .records, nil: ""
            }
        return "\(seconds(recorded)) (\(row.recordedRuns) \(row.recordedRuns == 1 ? "run" : "runs")\(seen))"
    }

    private func savedWords(_ row: PipelineSavings) -> String {
        guard let saved = row.saved, let before = row.before, let after = row.after else { return "unknown" }
        let sign = saved < 0 ? "−" : ""
        return "\(sign)\(seconds(abs(saved))) (\(before.basis.rawValue) − \(after.basis.rawValue))"
    }

    private func details(_ row: PipelineSavings) -> [String] {
        var lines: [String] = []
        if let measured = row.measured.value ?? nil {
            lines.append(
                "  measured: its tasks one after another \(seconds(measured.sequential)), side by side at best \(seconds(measured.longestPath)): parallelism saved \(seconds(max(0, measured.savedByParallelism))), waiting cost \(seconds(max(0, measured.waits)))"
            )
            lines.append(
                "  of that the bodies alone, along the longest path of \(measured.pathTasks) tasks: \(seconds(measured.bodies))\(deviation(row)); Airflow itself and waits cost \(seconds(max(0, measured.overheadPerTask))) for each of them"
            )
            lines += awaited(measured) + whole(row) + basis(measured)
        } else if case .unknown(let why) = row.measured {
            lines.append("  measured: not known: \(why)")
        }
        if let sequential = row.projection.sequential, let unlimited = row.projection.unlimited,
            let projected = row.projection.projected
        {
            let pool = row.projection.narrowest.map { " (pool \($0.name))" } ?? ""
            lines.append(
                "  projected: parallelism saves \(seconds(sequential - projected)), waiting for slots costs \(seconds(max(0, projected - unlimited)))\(pool)"
            )
        }
        return lines.isEmpty ? [] : ["\(row.pipeline):"] + lines
    }

    private func awaited(_ measured: PipelineSavings.Measured) -> [String] {
        measured.awaited.sorted { $0.key < $1.key }.map { task, length in
            "  \(task) counts there with \(seconds(length)), what the bodies that it waits for took from this run's tick on, as in the projection: it began to wait when they had begun"
        }
    }

    /// The whole run, against what the plan and Airflow's own time in shadow runs foretold.
    private func whole(_ row: PipelineSavings) -> [String] {
        guard let projected = row.projection.projected, let run = row.projectedRun, let overhead = row.overhead else {
            return []
        }
        let off = row.runDeviation.map { "; measured is \(decimal(abs($0) * 100)) % \($0 < 0 ? "less" : "more")" } ?? ""
        return [
            "  the whole run was to take \(seconds(run.seconds)) here: projected \(seconds(projected)) + \(run.tasks) tasks × \(seconds(overhead.seconds)), which Airflow took for each beside its body in \(overhead.runs) shadow \(overhead.runs == 1 ? "run" : "runs")\(off)"
        ]
    }

    private func deviation(_ row: PipelineSavings) -> String {
        guard let deviation = row.deviation else { return "" }
        return ", \(decimal(abs(deviation) * 100)) % \(deviation < 0 ? "less" : "more") than projected"
    }

    private var totals: [String] {
        var lines: [String] = []
        let unknown = rows.filter { $0.hoursPerYear == nil }.map(\.pipeline)
        if let hours = runHoursPerYear {
            let more = unknown.isEmpty ? "" : "; not known of \(unknown.joined(separator: ", "))"
            lines.append("Run time: \(decimal(hours)) hours a year = Σ saved a run × runs a year\(more)")
            if let runHour, let currency {
                lines.append(
                    "  \(decimal(hours)) h × \(decimal(runHour)) \(currency) (run_hour) = \(decimal(hours * runHour)) \(currency) a year"
                )
            }
        } else {
            lines.append("Run time: not known of any pipeline")
        }
        for one in work {
            let place = one.pipeline.map { " (\($0))" } ?? ""
            var line =
                "\(one.what)\(place): (\(decimal(one.before)) h − \(decimal(one.after)) h) × \(decimal(one.timesPerYear)) a year = \(decimal(one.hoursPerYear)) person-hours"
            if let personHour, let currency {
                line +=
                    " × \(decimal(personHour)) \(currency) (person_hour) = \(decimal(one.hoursPerYear * personHour)) \(currency) a year"
            }
            lines.append(line)
        }
        if work.isEmpty { lines.append("Person-hours: not known; nobody gave any (savings.work in bailey.yaml)") }
        if let money = moneyPerYear, let currency {
            lines.append("In all: \(decimal(money)) \(currency) a year, of what is known")
        } else {
            lines.append("Money: not known; nobody said what an hour costs (savings in bailey.yaml)")
        }
        return lines
    }

    // MARK: JSON

    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "savings", "version": 1, "made_at": .string(madeAt.iso8601),
            "pipelines": .array(rows.map(document)),
            "work": .array(
                work.map {
                    [
                        "what": .string($0.what), "pipeline": $0.pipeline.map { .string($0) } ?? .null,
                        "before_hours": number($0.before), "after_hours": number($0.after),
                        "times_per_year": number($0.timesPerYear), "hours_per_year": number($0.hoursPerYear),
                        "money_per_year": number(money($0.hoursPerYear, personHour)),
                    ]
                }
            ),
            "total": [
                "run_hours_per_year": number(runHoursPerYear), "person_hours_per_year": number(personHoursPerYear),
                "money_per_year": number(moneyPerYear), "currency": currency.map { .string($0) } ?? .null,
                "run_hour": number(runHour), "person_hour": number(personHour),
                "unknown": .array(rows.filter { $0.hoursPerYear == nil }.map { .string($0.pipeline) }),
            ],
        ]
    }

    private func number(_ value: Double?) -> JSON { value.map { .number(JSONNumber($0)) } ?? .null }

    private func document(_ row: PipelineSavings) -> JSON {
        var measured = JSON.null
        var why = JSON.null
        switch row.measured {
        case .unknown(let text): why = .string(text)
        case .known(let found):
            if let found {
                measured = [
                    "runs": .number(JSONNumber(found.runs)), "seconds": number(found.seconds),
                    "sequential_seconds": number(found.sequential), "longest_path_seconds": number(found.longestPath),
                    "parallelism_saved_seconds": number(found.savedByParallelism), "waits_seconds": number(found.waits),
                    "bodies_seconds": number(found.bodies), "path_tasks": .number(JSONNumber(found.pathTasks)),
                    "overhead_per_task_seconds": number(found.overheadPerTask),
                    "runs_with_skips": .number(JSONNumber(found.runsWithSkips)),
                    "skipped": .object(
                        JSONObject(
                            found.skipped.sorted { $0.key < $1.key }.map { ($0.key, .number(JSONNumber($0.value))) }
                        )
                    ),
                    "runs_left_out": .number(JSONNumber(found.leftOut)),
                    "awaited_seconds": .object(
                        JSONObject(found.awaited.sorted { $0.key < $1.key }.map { ($0.key, number($0.value)) })
                    ),
                ]
            }
        }
        return [
            "id": .string(row.pipeline), "runs_per_year": number(row.runsPerYear),
            "recorded": [
                "seconds": number(row.recorded), "runs": .number(JSONNumber(row.recordedRuns)),
                "by": row.recordedBy.map { .string($0.rawValue) } ?? .null,
            ],
            "stated_seconds": number(row.stated), "deviation": number(row.deviation),
            "projected": [
                "sequential_seconds": number(row.projection.sequential),
                "unlimited_seconds": number(row.projection.unlimited), "seconds": number(row.projection.projected),
                "held_back_by": row.projection.narrowest.map { .string($0.name) } ?? .null,
                "path_tasks": row.projection.pathTasks.map { .number(JSONNumber($0)) } ?? .null,
                "overhead_per_task_seconds": number(row.overhead?.seconds),
                "overhead_runs": .number(JSONNumber(row.overhead?.runs ?? 0)),
                "run_seconds": number(row.projectedRun?.seconds),
            ],
            "run_deviation": number(row.runDeviation),
            "measured": measured, "unmeasured": why, "saved_seconds": number(row.saved),
            "before": row.before.map { .string($0.basis.rawValue) } ?? .null,
            "after": row.after.map { .string($0.basis.rawValue) } ?? .null,
            "hours_per_year": number(row.hoursPerYear), "money_per_year": number(money(row.hoursPerYear, runHour)),
        ]
    }
}
