package import LosslessJSON
import Migration
import Reports
package import Schedules

/// Compares the ticks of pipelines' schedules with those of their DAGs over a span.
package struct Backtesting {
    private let workspace: Workspace

    package init(_ workspace: Workspace) { self.workspace = workspace }

    /// Does it; instants outside the years 1 to 9999 are cut.
    ///
    /// - Parameter pipelines: which; all with a schedule if none is named.
    /// - Throws: `OperationFailure` for one that is not there or has no schedule, `ScheduleError`, `CancellationError`.
    package func run(_ pipelines: [String], from: Instant, until: Instant) throws -> BacktestReport {
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        var report = BacktestReport(from: max(.earliest, from), until: min(.latest, until))
        for pipeline in try workspace.chosen(pipelines, of: plan) {
            guard let schedule = pipeline.dag.clock.schedule, let timetable = pipeline.dag.clock.timetable else {
                if pipelines.isEmpty { continue }
                throw OperationFailure(.usage, "“\(pipeline.dag.id)” has no schedule whose ticks could be compared")
            }
            let zone = try workspace.zones.zone(pipeline.dag.clock.timezone)
            try Task.checkCancellation()
            let readings = Backtest.readings(
                of: schedule,
                in: zone,
                timetable: timetable,
                from: report.from,
                until: report.until
            )
            let ended = pipeline.dag.clock.driver.flatMap { inventory[$0]?.history?.ended } ?? []
            report.lines.append(
                BacktestReport.Line(
                    pipeline: pipeline,
                    intended: readings.intended,
                    run: readings.run,
                    legacy: LegacyDefects(schedule: schedule, in: zone, ended: ended)
                )
            )
        }
        return report
    }
}

/// What `backtest` prints.
package struct BacktestReport {
    fileprivate struct Line {
        var pipeline: PlannedPipeline
        var intended: Backtest
        var run: Backtest
        var legacy: LegacyDefects?
    }

    fileprivate let from: Instant
    fileprivate let until: Instant
    fileprivate var lines: [Line] = []

    fileprivate init(from: Instant, until: Instant) {
        self.from = from
        self.until = until
    }

    /// Whether every DAG is due when its schedule is, and when beat runs it.
    package var holds: Bool { lines.allSatisfy { $0.intended.differences.isEmpty && $0.run.differences.isEmpty } }

    /// For a terminal.
    package var textLines: [String] {
        var table = TextTable([
            "PIPELINE", "LEGACY TICKS", "DAG TICKS", "DIFFER (MEANT)", "DIFFER (AS BEAT RUNS IT)", "TIMETABLE",
        ])
        for line in lines {
            table.add([
                line.pipeline.dag.id, "\(line.intended.legacyTicks)", "\(line.intended.airflowTicks)",
                count(line.intended), count(line.run),
                line.pipeline.dag.clock.timetable?.shortText ?? "",
            ])
        }
        var texts = ["From \(from.iso8601) until \(until.iso8601):"] + table.lines()
        for line in lines {
            texts += line.intended.differences.map { "\(line.pipeline.dag.id): \($0.reason)" }
            texts += line.run.differences.prefix(3).map { "\(line.pipeline.dag.id), as beat runs it: \($0.reason)" }
        }
        return texts + ledger
    }

    /// What legacy's recorded runs say of legacy itself.
    private var ledger: [String] {
        let known = lines.compactMap { line in line.legacy.map { (line.pipeline.dag.id, $0) } }
        guard !known.isEmpty else { return ["", "No recorded runs of legacy to check its own punctuality by."] }
        var table = TextTable(["LEGACY ITSELF", "TICKS", "RUNS", "MISSED", "LATE", "TWICE"])
        for (id, legacy) in known {
            let kinds = Dictionary(legacy.defects.map { ($0.kind, 1) }, uniquingKeysWith: +)
            table.add(
                [id, "\(legacy.ticks)", "\(legacy.runs)"]
                    + ["missed", "late", "duplicate"].map { "\(kinds[$0] ?? 0)" }
            )
        }
        return [""] + table.lines()
            + known.flatMap { id, legacy in legacy.defects.prefix(5).map { "\(id): \(words($0))" } }
    }

    private func words(_ defect: LegacyDefects.Defect) -> String {
        switch defect {
        case .missed(let tick): "legacy has no run for \(tick.iso8601)"
        case .late(let tick, let seconds): "the run for \(tick.iso8601) ended \(Int(seconds)) s later than usual"
        case .duplicate(let tick, let runs): "\(runs) runs for \(tick.iso8601)"
        }
    }

    private func document(_ defects: LegacyDefects) -> JSON {
        [
            "ticks": .number(JSONNumber(defects.ticks)), "runs": .number(JSONNumber(defects.runs)),
            "defects": .array(
                defects.defects.map { defect in
                    var late = JSON.null
                    if case .late(_, let seconds) = defect { late = .number(JSONNumber(seconds)) }
                    return ["kind": .string(defect.kind), "tick": .string(defect.tick.iso8601), "late_seconds": late]
                }
            ),
        ]
    }

    private func count(_ backtest: Backtest) -> String {
        let count = backtest.differences.count
        return count == 20 ? "20 or more" : "\(count)"
    }

    /// The document; see docs/json.md.
    package var json: JSON {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        func side(_ backtest: Backtest) -> JSON {
            [
                "legacy_ticks": number(backtest.legacyTicks), "dag_ticks": number(backtest.airflowTicks),
                "differences": .array(backtest.differences.map(\.document)),
            ]
        }
        return [
            "bailey": "backtest", "version": 1, "from": .string(from.iso8601), "until": .string(until.iso8601),
            "pipelines": .array(
                lines.map { line in
                    [
                        "id": .string(line.pipeline.dag.id), "intended": side(line.intended), "run": side(line.run),
                        "legacy": line.legacy.map(document) ?? .null,
                    ]
                }
            ),
        ]
    }
}
