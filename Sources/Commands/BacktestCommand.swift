import ArgumentParser
import LosslessJSON
import Migration
import Operations
import Reports
import Schedules

struct BacktestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Compare legacy's ticks with the DAGs' over a span, changes of the clock included.",
        discussion: """
            Ends with status 1 if a DAG would be due at another time than its schedule means, or than beat really runs it. Where the import
            found recorded runs, it also says where legacy itself missed a tick, was late or ran twice; that is legacy's defect, and does
            not change the status.
            """
    )

    @OptionGroup var common: CommonOptions

    @Option(help: "Days back from now.")
    var days = 365

    @Option(help: "Days ahead from now.")
    var ahead = 730

    @Argument(help: "The pipelines; all with a schedule if none is named.")
    var pipelines: [String] = []

    private struct Line {
        var pipeline: PlannedPipeline
        var intended: Backtest
        var run: Backtest
        var legacy: LegacyDefects?
    }

    func validate() throws {
        guard days >= 0, ahead >= 0, days + ahead > 0 else {
            throw ValidationError("--days and --ahead must give a span.")
        }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        let now = currentInstant()
        let from = max(.earliest, now.adding(seconds: -Int64(days) * 86_400))
        let until = min(.latest, now.adding(seconds: Int64(ahead) * 86_400))
        var lines: [Line] = []
        for pipeline in try workspace.chosen(pipelines, of: plan) {
            guard let schedule = pipeline.dag.clock.schedule, let timetable = pipeline.dag.clock.timetable else {
                if pipelines.isEmpty { continue }
                throw OperationFailure(.usage, "“\(pipeline.dag.id)” has no schedule whose ticks could be compared")
            }
            let zone = try workspace.zones.zone(pipeline.dag.clock.timezone)
            try Task.checkCancellation()
            let readings = Backtest.readings(of: schedule, in: zone, timetable: timetable, from: from, until: until)
            let ended = pipeline.dag.clock.driver.flatMap { inventory[$0]?.history?.ended } ?? []
            lines.append(
                Line(
                    pipeline: pipeline,
                    intended: readings.intended,
                    run: readings.run,
                    legacy: LegacyDefects(schedule: schedule, in: zone, ended: ended)
                )
            )
        }
        if common.json { Console.print(document(lines, from, until)) } else { Console.print(text(lines, from, until)) }
        if lines.contains(where: { !$0.intended.differences.isEmpty || !$0.run.differences.isEmpty }) {
            throw ExitCode(ExitStatus.doesNotHold.rawValue)
        }
    }

    private func text(_ lines: [Line], _ from: Instant, _ until: Instant) -> [String] {
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
        return texts + ledger(lines)
    }

    /// What legacy's recorded runs say of legacy itself.
    private func ledger(_ lines: [Line]) -> [String] {
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

    private func document(_ lines: [Line], _ from: Instant, _ until: Instant) -> JSON {
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
