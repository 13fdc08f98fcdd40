public import Postgres
public import Schedules

/// One look at a PostgreSQL database, in one read-only transaction in which each statement has a limit of time: the tables that are, or look
/// like, somebody's queue or schedule, and the sessions that are at work.
public struct PostgresLook: Sendable {
    /// A session's latest statement.
    struct Session: Sendable {
        let who: String
        let statement: String
    }

    /// The product and its version.
    public let product: String
    /// What was not looked at, and why.
    public let unseen: [String]
    /// How many tables there are, and those with the most rows.
    public let contents: [String]
    let url: PostgresURL
    let zones: ZoneDatabase
    let tables: [PostgresCatalogue.Table]
    let sessions: [Session]
    let workflows: [WorkflowTables]

    /// Seconds that each statement may take.
    static let patience = 5.0

    /// Looks.
    ///
    /// - Throws: `PostgresError`.
    public init(_ url: PostgresURL, zones: ZoneDatabase) async throws {
        self.url = url
        self.zones = zones
        let connection = try await PostgresConnection(to: url, statementTimeout: PostgresLook.patience)
        product = "PostgreSQL \(try await connection.serverVersion(atLeast: 10))"
        let signatures =
            try QueueDetection.signatures() + [
                DjangoBeatSystem.signature, PgCronSystem.signature, APSchedulerSystem.signature,
            ]
            + OtherSystem.all.map(\.signature)
        (tables, sessions, workflows, unseen, contents) = try await connection.transaction("READ ONLY") { connection in
            let tables = try await PostgresCatalogue(connection, signatures: signatures).tables
            let rows = try await connection.query(
                """
                SELECT coalesce(nullif(application_name, ''), 'a session') || ' as ' || coalesce(usename, '?')
                       || coalesce(' from ' || host(client_addr), '') AS who, coalesce(query, '') AS query
                FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                """
            )
            let workflows = try await WorkflowTables.all(connection)
            let sessions = try rows.map { Session(who: try $0.text("who"), statement: try $0.text("query")) }
            let largest = try await connection.query(
                """
                SELECT schemaname || '.' || relname || ': about ' || n_live_tup || ' rows' AS line, count(*) OVER () AS tables
                FROM pg_stat_user_tables ORDER BY n_live_tup DESC, 1 LIMIT 5
                """
            )
            let number = try largest.first?.int("tables") ?? 0
            let more = number > largest.count ? ["\(number - largest.count) more tables"] : []
            let hidden = sessions.filter { $0.statement == "<insufficient privilege>" }.count
            return (
                tables, sessions, workflows,
                hidden > 0
                    ? [
                        "the statements of \(hidden) other sessions, and so who writes what (it needs pg_read_all_stats)"
                    ]
                    : [],
                number == 0 ? ["no table"] : largest.compactMap { $0["line"] } + more
            )
        }
    }

    /// Who was seen to work on a table.
    func writers(of table: PostgresCatalogue.Table) -> [String] {
        let name = table.name.lowercased()
        let seen = sessions.filter { session in
            let words = session.statement.lowercased()
            return ["insert", "update", "delete", "for update"].contains { words.contains($0) }
                && words.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.contains { $0 == name }
        }
        return Set(seen.map(\.who)).sorted()
    }

    /// What the server has counted of a table, in words.
    func counted(_ table: PostgresCatalogue.Table) -> [String] {
        guard let added = table.added, let changed = table.changed, added + changed > 0 else { return [] }
        return ["\(added) rows were added and \(changed) changed since the server began to count"]
    }
}
