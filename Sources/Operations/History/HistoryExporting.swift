import Foundation
import LosslessJSON
import Migration
import Postgres
import Schedules
import Store
import Warehouse

/// Writing what Bailey has seen into a database of somebody's, for analyses.
package struct HistoryExporting {
    /// What is asked for.
    package struct Request: Sendable {
        /// A database's URL, or the name of an environment variable that holds one.
        package var target: String
        package var schema: String
        /// Whether tables that are made in a PostgreSQL get a partition a month.
        package var isMonthly: Bool
        /// Whether Airflow is asked for its runs.
        package var asksAirflow: Bool
        /// How long all of it may take.
        package var seconds: Double

        package init(target: String, schema: String, isMonthly: Bool, asksAirflow: Bool, seconds: Double) {
            (self.target, self.schema, self.isMonthly) = (target, schema, isMonthly)
            (self.asksAirflow, self.seconds) = (asksAirflow, seconds)
        }
    }

    /// How many records a transaction has, about.
    static let batch = 5000
    /// How many records are read of Bailey's state at once: a comparison may be megabytes.
    private static let page = 100

    let workspace: Workspace
    let request: Request
    private let url: PostgresURL
    private let store: StateStore
    private let end: Instant

    /// - Throws: `OperationFailure`, `PostgresError` or `StoreError` where the target's URL or Bailey's state cannot be read.
    package init(_ workspace: Workspace, _ request: Request, environment: [String: String]) throws {
        self.workspace = workspace
        self.request = request
        url = try PostgresURL(Discovering.Server(request.target, number: 1, environment: environment).url)
        store = try workspace.store()
        end = workspace.surroundings.now().adding(microseconds: Int64(request.seconds * 1e6))
    }

    private var today: String { HistoryRows.day(workspace.surroundings.now()) }

    private func open(writes: Bool) async throws -> Warehouse {
        try await Warehouse.open(
            url,
            schema: request.schema,
            isMonthly: request.isMonthly,
            identity: store.identity(),
            writes: writes
        )
    }

    /// The SQL that makes the schema and all of its tables, in the words of that server. Nothing is changed.
    ///
    /// - Throws: `PostgresError`, `WarehouseError`.
    package func script() async throws -> String {
        let warehouse = try await open(writes: false)
        guard let month = WarehouseMonth(day: today) else { return "" }
        return warehouse.layout.script(schema: request.schema, from: month)
    }

    /// Does it, or says what would be done.
    ///
    /// - Throws: `PostgresError`, `WarehouseError`, `StoreError`; `OperationFailure` when the time is over. What was written by then stays, and
    ///   the next export goes on from there.
    package func run(executes: Bool) async throws -> HistoryReport {
        let warehouse = try await open(writes: executes)
        var report = HistoryReport(warehouse, executed: executes)
        if executes {
            do {
                try await warehouse.prepare(identity: store.identity(), day: today)
            } catch let error as PostgresError where Warehouse.isMadeMeanwhile(error) {
                // Whose they are is looked at once they are opened.
                workspace.tell("another export has made the tables meanwhile")
            }
        }
        let there = executes && warehouse.isNew ? try await open(writes: true) : warehouse
        do {
            for stream in HistoryStream.allCases {
                try await write(stream, there, executes: executes, &report)
            }
            try await writeDimensions(there, executes: executes, &report)
            try await writeAirflow(there, executes: executes, &report)
        } catch let error as PostgresError where executes {
            throw error.explained(
                error.found,
                "\(report.recordsWritten) records were written and stay; the next export goes on with the rest. \(error.advice)"
            )
        }
        return report
    }

    // MARK: What Bailey has seen

    private func write(
        _ stream: HistoryStream,
        _ warehouse: Warehouse,
        executes: Bool,
        _ report: inout HistoryReport
    ) async throws {
        let parts = try store.hours(of: stream).map { hour in
            WarehousePart(
                name: "\(stream.rawValue) \(hour.begins.iso8601.prefix(13))",
                stream: stream.rawValue,
                day: HistoryRows.day(hour.begins),
                digest: hour.digest,
                rows: hour.records
            )
        }
        let known = try await warehouse.parts(of: stream.rawValue)
        let changed = parts.filter { known[$0.name]?.digest != $0.digest }
        let names = Set(parts.map(\.name))
        let gone = known.values.filter { !names.contains($0.name) }.sorted { $0.name < $1.name }
        var line = HistoryReport.Line(
            stream.rawValue,
            records: parts.reduce(0) { $0 + $1.rows },
            changed: changed.reduce(0) { $0 + $1.rows },
            gone: gone.reduce(0) { $0 + $1.rows }
        )
        defer { report.lines.append(line) }
        guard executes else { return }
        let tables = HistoryRows.tables(of: stream)
        if !gone.isEmpty { try await warehouse.replace(gone, by: [], in: tables) { _ in } }
        var rest = changed[...]
        while !rest.isEmpty {
            try checkTime(report)
            var some: [WarehousePart] = []
            var records = 0
            while let next = rest.first,
                some.isEmpty || (records + next.rows <= HistoryExporting.batch && some.count < 200)
            {
                some.append(rest.removeFirst())
                records += next.rows
            }
            var unreadable: [String] = []
            try await warehouse.replace(some.compactMap { known[$0.name] }, by: some, in: tables) { stage in
                for part in some { unreadable += try await fill(part, stream, stage) }
            }
            line.unreadable += unreadable
            line.written += records
            report.recordsWritten += records
            workspace.tell("\(stream.rawValue): \(line.written) of \(line.changed) written")
        }
    }

    /// Stages the records of an hour; those that cannot be read, in words.
    private func fill(_ part: WarehousePart, _ stream: HistoryStream, _ stage: WarehouseStage) async throws -> [String]
    {
        guard let hour = Instant(iso8601: part.name.suffix(13) + ":00:00Z") else { return [] }
        var unreadable: [String] = []
        var offset = 0
        while true {
            let records = try store.history(stream, hour: hour, offset: offset, limit: HistoryExporting.page)
            for record in records {
                if case .unreadable(let why) = record { unreadable.append(why) }
                for row in HistoryRows.rows(record, part: part) { try await stage.add(row) }
            }
            offset += records.count
            guard records.count < HistoryExporting.page else { continue }
            // The journal only grows: what was counted and is not found has a time that nobody can read.
            if stream == .journal, offset < part.rows {
                unreadable.append(
                    "\(part.rows - offset) lines of the journal have a time that this version cannot read"
                )
            }
            return unreadable
        }
    }

    // MARK: What is now

    private func writeDimensions(_ warehouse: Warehouse, executes: Bool, _ report: inout HistoryReport) async throws {
        guard let inventory = try store.latestInventory() else {
            report.notes.append("nothing was imported yet, so pipelines, entries and sources are left as they are")
            return
        }
        let dimensions = HistoryDimensions(
            inventory: inventory,
            plan: try workspace.plan(inventory),
            gaps: try store.gaps()
        )
        let known = try await warehouse.parts(of: "now")
        for (table, rows) in dimensions.all {
            let text = rows.map { JSON.object($0.values).text() }.joined(separator: "\n")
            let part = WarehousePart(
                name: table.rawValue,
                stream: "now",
                day: today,
                digest: StableDigest(text).description,
                rows: rows.count
            )
            let isChanged = known[part.name]?.digest != part.digest
            var line = HistoryReport.Line(table.rawValue, records: rows.count, changed: isChanged ? rows.count : 0)
            if executes, isChanged {
                try checkTime(report)
                try await warehouse.replace(known[part.name].map { [$0] } ?? [], by: [part], in: [table]) { stage in
                    for row in rows { try await stage.add(row) }
                }
                line.written = rows.count
                report.recordsWritten += rows.count
            }
            report.lines.append(line)
        }
    }

    /// - Throws: `OperationFailure` when the time is over; `CancellationError`.
    func checkTime(_ report: HistoryReport) throws {
        try Task.checkCancellation()
        guard workspace.surroundings.now() >= end else { return }
        throw OperationFailure(
            .unreachable,
            "the export is not done within \(Int(request.seconds)) s: \(report.recordsWritten) records were written and stay; the next export goes on with the rest, and --wait gives it longer"
        )
    }
}
