import LosslessJSON
import Migration
import Postgres
import Schedules

/// The tables of `django_celery_beat` and `django_celery_results` in a Django application's database. Only reads, by read-only sessions.
struct DjangoBeatTables: Sendable {
    let source: String
    let url: PostgresURL
    /// The zone of schedules that have none of their own; nil where nobody said.
    let timezone: String?

    static let tasks = "django_celery_beat_periodictask"
    static let results = "django_celery_results_taskresult"

    /// A session.
    func connect() async throws(PostgresError) -> PostgresConnection { try await PostgresConnection(to: url) }

    /// Reads every row in one statement, so that what it gives is of one moment.
    ///
    /// - Throws: `PostgresError`, or `UnusableSource` where there is no such table.
    func read(zones: ZoneDatabase) async throws -> SourceReading {
        let connection = try await connect()
        let version = try await connection.serverVersion(atLeast: 10)
        var reading = SourceReading(
            summary: SourceSummary(
                name: source,
                kind: "django_celery_beat",
                system: "django_celery_beat in PostgreSQL \(version)",
                address: url.address,
                found: 0
            ),
            entries: [],
            unread: []
        )
        let there = try await tables(connection)
        guard there.contains(DjangoBeatTables.tasks) else { throw try await absent(connection) }
        for row in try await connection.query(DjangoBeatTables.statement(there)) {
            reading.summary.found += 1
            let made = DjangoBeatRow(
                task: try JSON(parsing: row.text("task")),
                schedules: try DjangoBeatTables.schedules(row),
                source: source,
                zone: timezone ?? "UTC",
                zones: zones
            )
            switch made.read() {
            case .success(let entry): reading.entries.append(entry)
            case .failure(let unread): reading.unread.append(unread.record)
            }
        }
        reading.entries.sort { $0.id < $1.id }
        reading.summary.notes = try await notes(connection, found: reading.summary.found)
        return reading
    }

    /// A row for each periodic task: itself and its schedules as JSON.
    private static func statement(_ there: Set<String>) -> String {
        var columns = ["to_jsonb(p)::text AS task"]
        var joins = ""
        for kind in DjangoBeatRow.Kind.allCases {
            let table = "django_celery_beat_\(kind.rawValue)schedule"
            guard there.contains(table) else { continue }
            columns.append("to_jsonb(\(kind.rawValue))::text AS \(kind.rawValue)")
            // A version without the column has no such schedules.
            joins +=
                " LEFT JOIN \(table) \(kind.rawValue) ON \(kind.rawValue).id = (to_jsonb(p)->>'\(kind.rawValue)_id')::bigint"
        }
        return
            "SELECT \(columns.joined(separator: ", ")) FROM \(tasks) p\(joins) WHERE p.task IS DISTINCT FROM 'bailey.witness' ORDER BY p.id"
    }

    private static func schedules(_ row: PostgresRow) throws -> [DjangoBeatRow.Kind: JSON] {
        var found: [DjangoBeatRow.Kind: JSON] = [:]
        for kind in DjangoBeatRow.Kind.allCases {
            if let text = row[kind.rawValue] { found[kind] = try JSON(parsing: text) }
        }
        return found
    }

    /// Those of the package's tables that the session sees.
    private func tables(_ connection: PostgresConnection) async throws(PostgresError) -> Set<String> {
        let names =
            [DjangoBeatTables.tasks, DjangoBeatTables.results]
            + DjangoBeatRow.Kind.allCases.map { "django_celery_beat_\($0.rawValue)schedule" }
        let rows = try await connection.query(
            "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
            [.texts(names)]
        )
        return Set(rows.compactMap { $0["name"] })
    }

    /// Whether results are kept in the database too.
    func hasResults(_ connection: PostgresConnection) async throws(PostgresError) -> Bool {
        try await tables(connection).contains(DjangoBeatTables.results)
    }

    private func absent(_ connection: PostgresConnection) async throws -> UnusableSource {
        let elsewhere = try await connection.query(
            "SELECT schemaname AS name FROM pg_tables WHERE tablename = $1 ORDER BY 1",
            [.text(DjangoBeatTables.tasks)]
        ).compactMap { $0["name"] }
        let place =
            try await connection.query("SELECT current_database() AS name").first.map { try $0.text("name") } ?? ""
        return UnusableSource(
            elsewhere.isEmpty
                ? "source \(source): the database \(place) has no table \(DjangoBeatTables.tasks), so its schedule is unknown. Name the database of the Django application that runs beat with “-S django”"
                : "source \(source): \(DjangoBeatTables.tasks) lies in the schema \(elsewhere.joined(separator: ", ")), which is not searched; add ?schema=\(elsewhere[0]) to the URL"
        )
    }

    private func notes(_ connection: PostgresConnection, found: Int) async throws -> [EntryNote] {
        var notes: [EntryNote] = []
        let state = try await connection.query(
            """
            SELECT row_security_active($1::text::regclass) AS hidden,
                   (SELECT count(*) FROM information_schema.columns WHERE table_name = $1 AND table_schema = ANY(current_schemas(false))
                    AND data_type = 'timestamp without time zone') AS naive
            """,
            [.text(DjangoBeatTables.tasks)]
        ).first
        if try state?.bool("hidden") == true {
            notes.append(
                EntryNote(
                    .incompleteReading,
                    "row security of \(DjangoBeatTables.tasks) is in force for this role, so rows may be hidden from it (\(found) were seen). Use a role with BYPASSRLS, or the table's owner"
                )
            )
        }
        if try state?.int("naive") ?? 0 > 0 {
            notes.append(
                EntryNote(
                    .zoneUnknown,
                    "its times have no zone (USE_TZ is False), and are read as UTC: last_run_at, start_time and expires may be hours off"
                )
            )
        }
        if found == 0 {
            notes.append(
                EntryNote(
                    .incompleteReading,
                    "\(DjangoBeatTables.tasks) is there and has no row: is this the database of the application whose beat runs?"
                )
            )
        }
        return notes
    }
}
