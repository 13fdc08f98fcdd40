import Migration
import Postgres

/// What keeps rows of a queue's table from being seen, and what there is where none was found.
extension QueueSource {
    /// Notes of what may not have been read: hidden by row security, or nothing there at all.
    ///
    /// - Parameter found: how many job types were read.
    func absences(_ connection: PostgresConnection, found: Int) async throws -> [EntryNote] {
        var notes: [EntryNote] = []
        let hidden = try await connection.query(
            "SELECT row_security_active($1::text::regclass) AS active",
            [.text(profile.quotedTable)]
        )
        if try hidden.first?.bool("active") == true {
            notes.append(
                EntryNote(
                    .incompleteReading,
                    "row security of \(profile.table) is in force for this role, so rows may be hidden from it (\(found) job types were seen). Use a role with BYPASSRLS, or the table's owner"
                )
            )
        }
        guard found == 0 else { return notes }
        let here = try await connection.query(
            "SELECT current_database() AS name, current_user AS role, (SELECT count(*) FROM \(profile.quotedTable)) AS rows"
        )
        let place = try here.first.map { "database \(try $0.text("name")) as \(try $0.text("role"))" } ?? "the database"
        // What autovacuum has counted: near enough to show where jobs are.
        let others = try await connection.query(
            """
            SELECT schemaname || '.' || relname AS name, n_live_tup AS rows,
                   has_table_privilege(relid, 'SELECT') AS readable
            FROM pg_stat_user_tables WHERE relid <> $1::text::regclass AND n_live_tup > 0
            ORDER BY n_live_tup DESC, 1 LIMIT 5
            """,
            [.text(profile.quotedTable)]
        )
        let seen = try others.map { row in
            "\(try row.text("name")) about \(try row.int("rows"))\(try row.bool("readable") ? "" : " (not readable)")"
        }
        let instead = seen.isEmpty ? "no other table has rows" : "tables with rows: \(seen.joined(separator: ", "))"
        notes.append(
            EntryNote(
                .incompleteReading,
                "nothing was found: \(profile.table) has no row that can be seen in \(place); \(instead). Correct “url” or “table” of source \(name)"
            )
        )
        return notes
    }
}
