import LosslessJSON
public import Migration
import Postgres
public import Schedules
public import Settings

/// The jobs that APScheduler 3 keeps in a table of PostgreSQL (`SQLAlchemyJobStore`). What a job calls and when it is due is pickled, and no pickle
/// is opened: a job's id and its next run are all that is read.
public struct APSchedulerSystem: LegacySystem {
    private let settings: SourceSettings

    /// The system of a source.
    public init(_ settings: SourceSettings) { self.settings = settings }

    public var name: String { settings.name }

    private var table: String { settings.table ?? "apscheduler_jobs" }

    public func rights() -> [NeededRights] {
        // The pickles need no right.
        let line = "GRANT SELECT (id, next_run_time) ON \(APSchedulerSystem.quoted(table)) TO bailey;"
        return [NeededRights(commands: "import, doctor", lines: [line])]
    }

    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        let url = try PostgresURL(settings.url)
        let connection = try await PostgresConnection(to: url, statementTimeout: 60)
        let version = try await connection.serverVersion(atLeast: 10)
        let rows = try await connection.query(
            "SELECT id::text AS id, next_run_time::float8 AS due FROM \(APSchedulerSystem.quoted(table)) ORDER BY id"
        )
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "apscheduler",
                system: "PostgreSQL \(version)",
                address: url.address,
                found: rows.count
            ),
            entries: [],
            unread: []
        )
        for row in rows {
            let id = try row.text("id")
            guard !id.isEmpty, !id.contains("\u{FFFD}") else {
                reading.unread.append(
                    UnreadRecord(source: name, key: id, reason: "no-name", detail: "the job's id is empty or no UTF-8")
                )
                continue
            }
            var entry = LegacyEntry(id: EntryID(source: name, name: id), kind: .pickled, task: id)
            let due = try row.double("due").flatMap { Instant(timestamp: $0) }
            // APScheduler writes no next run for a job that is paused.
            entry.enabled = row["due"] != nil
            entry.options = ["next_run": due.map { .string($0.iso8601) } ?? .null]
            let next = due.map { "it runs next at \($0.iso8601)" } ?? "it is paused"
            entry.notes = [
                EntryNote(
                    .scheduleUnsupported,
                    "what it calls and when it is due is pickled, and Bailey opens no pickles; \(next)"
                )
            ]
            reading.entries.append(entry)
        }
        reading.entries.sort { $0.id < $1.id }
        if rows.isEmpty {
            reading.summary.notes.append(
                EntryNote(.incompleteReading, "\(table) has no row that this role may see")
            )
        }
        return reading
    }

    /// Nothing records its runs.
    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        throw UnusableSource("source \(name): APScheduler records no runs, so that there is nothing to compare with")
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        unobserved(inventory, "APScheduler records no runs")
    }

    public var dagSource: DAGSource { .unswitched }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        try SourceConnection(postgres: settings.url, source: name)
    }

    public var secrets: [String] { passwords(of: settings.url) }

    public func byHand(_ entries: [LegacyEntry]) -> String? {
        let names = entries.map { "“\($0.id.name)”" }.joined(separator: ", ")
        return "pause the jobs \(names) in the application (scheduler.pause_job)"
    }

    private static func quoted(_ table: String) -> String {
        table.split(separator: ".").map { PostgresConnection.identifier(String($0)) }.joined(separator: ".")
    }

    // MARK: Discovery

    static let signature = PostgresCatalogue.Signature("APScheduler 3", ["id", "next_run_time", "job_state"])

    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        return look.tables.filter { $0.marks.first == signature.name }.map { table in
            var one = DiscoveredSystem(
                what: "APScheduler 3",
                kind: "apscheduler",
                address: look.url.address,
                place: table.full,
                certainty: .likely,
                evidence: ["\(table.full) has its columns"] + look.counted(table),
                amount: table.rows,
                unit: "jobs",
                outlook: .readOnly,
                advice:
                    "Its jobs are listed by name and next run; what they call is pickled, and Bailey opens no pickles: mappings say what runs, and when"
            )
            one.writers = look.writers(of: table)
            one.settings = [DiscoveredSystem.Setting("table", table.full)]
            if !table.canBeNamed {
                one.blocked = "its name holds a dot or a character that “table” cannot name"
            } else if !table.isReadable {
                one.blocked = "this role may not read \(table.full): GRANT SELECT (id, next_run_time) ON it"
            }
            return one
        }
    }
}
