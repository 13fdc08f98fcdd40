import Airflow
import LosslessJSON
import Migration
import Postgres
import Schedules
import Store
import Warehouse

/// The runs of pipelines in Airflow. Airflow deletes old ones, so what was written of them stays.
extension HistoryExporting {
    /// Seconds that a change may take until Airflow shows it.
    private static let overlap: Int64 = 120
    /// How many runs a transaction has.
    private static let runs = 20

    func writeAirflow(_ warehouse: Warehouse, executes: Bool, _ report: inout HistoryReport) async throws {
        guard request.asksAirflow else {
            report.notes.append("Airflow was not asked for its runs (--no-airflow)")
            return
        }
        guard let inventory = try workspace.store().latestInventory() else { return }
        do {
            guard try workspace.airflowAccess() != nil else {
                report.notes.append("no Airflow is configured (target.airflow.url), so there is none of its runs")
                return
            }
            let plan = try workspace.plan(inventory)
            try await workspace.withAirflow("history export") { client in
                for pipeline in plan.pipelines {
                    do {
                        try await write(pipeline.dag, client, warehouse, executes: executes, &report)
                    } catch let error as AirflowError where error.code == .notFound {
                        report.notes.append("Airflow has no DAG “\(pipeline.dag.id)”")
                    }
                }
            }
        } catch let error as AirflowError {
            report.unknowns.append("what ran in Airflow: \(error)")
        }
    }

    private func write(
        _ dag: DAGDefinition,
        _ client: AirflowClient,
        _ warehouse: Warehouse,
        executes: Bool,
        _ report: inout HistoryReport
    ) async throws {
        let mark = "airflow \(dag.id)"
        let since = try await warehouse.kept(mark).flatMap { Instant(iso8601: $0) }
        // By Airflow's clock, and early enough for what was being written while it was asked.
        let now = workspace.surroundings.now().adding(microseconds: Int64((client.clockAhead ?? 0) * 1e6))
        let asked = now.adding(seconds: -HistoryExporting.overlap)
        let runs = try await client.runs(dag.id, changedSince: since)
        var line = HistoryReport.Line(mark, records: runs.count, changed: executes ? 0 : runs.count)
        defer { report.lines.append(line) }
        guard executes else { return }
        var rest = runs[...]
        while !rest.isEmpty {
            try checkTime(report)
            let some = Array(rest.prefix(HistoryExporting.runs))
            rest = rest.dropFirst(some.count)
            var found: [(part: WarehousePart, rows: [WarehouseRow])] = []
            for run in some { found.append(try await rows(of: run, dag, client)) }
            let known = try await warehouse.parts(named: found.map(\.part.name))
            found = found.filter { known[$0.part.name]?.digest != $0.part.digest }
            guard !found.isEmpty else { continue }
            try await warehouse.replace(
                found.compactMap { known[$0.part.name] },
                by: found.map(\.part),
                in: [.run, .taskRun]
            ) { stage in
                for row in found.flatMap(\.rows) { try await stage.add(row) }
            }
            line.changed += found.count
            line.written += found.count
            report.recordsWritten += found.count
            workspace.tell("\(mark): \(line.written) runs written, \(rest.count) to look at")
        }
        try await warehouse.keep(mark, asked.iso8601)
    }

    /// A run with its tasks. Its part is the run, so that one that changes is replaced whole.
    private func rows(of run: AirflowRun, _ dag: DAGDefinition, _ client: AirflowClient) async throws -> (
        part: WarehousePart, rows: [WarehouseRow]
    ) {
        let tasks = try await client.taskInstances(dag.id, run.id)
        let answer = try await client.value(dag.id, run.id, .returned(by: "gate"))
        // A DAG without a gate has no answer, and each of its runs is live.
        let isGated = tasks.contains { $0.task == "gate" }
        let mode = answer?["mode"]?.string ?? (isGated ? nil : "live")
        let day = HistoryRows.day(run.start ?? run.logicalDate ?? workspace.surroundings.now())
        let name = "airflow \(dag.id) \(run.id)"
        let place: [(String, JSON)] = [
            ("day", .string(day)), ("part", .string(name)), ("pipeline", .string(dag.id)), ("run", .string(run.id)),
        ]
        func seconds(_ start: Instant?, _ end: Instant?) -> JSON {
            guard let start, let end else { return .null }
            return JSON(max(0, end.seconds(since: start)))
        }
        var rows = [
            WarehouseRow(
                .run,
                JSONObject(
                    place + [
                        ("side", "airflow"), ("tick", JSON(run.logicalDate?.iso8601)),
                        ("started_at", JSON(run.start?.iso8601)),
                        ("ended_at", JSON(run.end?.iso8601)), ("seconds", seconds(run.start, run.end)),
                        ("state", JSON(run.state?.rawValue)), ("mode", JSON(mode)), ("standing", .string(run.kind)),
                    ]
                )
            )
        ]
        for task in tasks.sorted(by: { ($0.task, $0.mapIndex) < ($1.task, $1.mapIndex) }) {
            let planned = dag.tasks.first { task.task == $0.id || task.task.hasSuffix("." + $0.id) }
            rows.append(
                WarehouseRow(
                    .taskRun,
                    JSONObject(
                        place + [
                            ("task", .string(task.task)), ("entry", JSON(planned?.entry?.description)),
                            ("map_index", .number(JSONNumber(task.mapIndex))), ("state", JSON(task.state)),
                            ("attempt", .number(JSONNumber(task.attempt))), ("started_at", JSON(task.start?.iso8601)),
                            ("ended_at", JSON(task.end?.iso8601)), ("seconds", seconds(task.start, task.end)),
                        ]
                    )
                )
            )
        }
        let text = rows.map { JSON.object($0.values).text() }.joined(separator: "\n")
        let part = WarehousePart(
            name: name,
            stream: "airflow",
            day: day,
            digest: StableDigest(text).description,
            rows: rows.count
        )
        return (part, rows)
    }
}
