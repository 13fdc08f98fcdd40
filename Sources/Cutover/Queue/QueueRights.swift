import Legacy
import Postgres

/// What may not be done with the table by those whose rights the switch's functions act with: found before anything is changed.
extension QueueSwitch {
    /// Why nothing can be held, taken or given back; nil if nothing is missing, or the switch or the table is not there.
    ///
    /// - Throws: `PostgresError`.
    func missingRights(_ operation: String) async throws -> Refusal? {
        var rows = try await connection.query(QueueRights.missing, [.text(queue), .text(sql.table)])
        if rows.isEmpty, !sql.endingRights.isEmpty {
            rows = try await connection.query(
                QueueRights.missingForEnds,
                [.texts(sql.endingRights.map(\.right)), .texts(sql.endingRights.map(\.table))]
            )
        }
        guard let first = rows.first else { return nil }
        let role = try first.text("role")
        let wants = try rows.map { row in "\(try row.text("what")) on \(try row.text("place"))" }
        let grants = try rows.map { row in
            let place = try row.text("what") == "USAGE" ? "SCHEMA \(row.text("place"))" : row.text("place")
            return "GRANT \(try row.text("what")) ON \(place) TO \(role);"
        }
        let lacks = wants.joined(separator: " and ")
        return Refusal(
            .noRights,
            queue: queue,
            operation: operation,
            found: "permission denied: \(role), with whose rights the switch acts, lacks \(lacks)",
            advice:
                "Run as the table's owner: \(grants.joined(separator: " ")) Then run it again; nothing was changed. To give jobs back without, give the output of bailey rollback --sql to the administrator"
        )
    }
}

enum QueueRights {
    /// The same of what writes a job's end, where that is more than its row's columns; of tables that are there.
    static let missingForEnds = """
        SELECT quote_ident(r.rolname) AS role, w.what, w.place FROM pg_proc p JOIN pg_namespace b ON b.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
            CROSS JOIN unnest($1::text[], $2::text[]) AS w (what, place)
        WHERE b.nspname = 'bailey' AND p.proname = 'give_back' AND to_regclass(w.place) IS NOT NULL
            AND NOT has_table_privilege(r.oid, to_regclass(w.place), w.what)
        """

    /// The rights that are missing, by the catalogue alone: who has no right to a schema may not even ask for its tables by name.
    static let missing = """
        WITH place AS (
            SELECT coalesce(
                (SELECT t.tgrelid FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
                    WHERE n.nspname = 'bailey' AND p.proname = 'arrival:' || $1 AND NOT t.tgisinternal AND t.tgparentid = 0 LIMIT 1),
                (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname = $2 LIMIT 1)
            ) AS id
        )
        SELECT quote_ident(r.rolname) AS role, w.what,
            CASE w.what WHEN 'USAGE' THEN quote_ident(n.nspname) ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname) END AS place
        FROM place JOIN pg_class c ON c.oid = place.id JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_roles r ON r.oid = (SELECT p.proowner FROM pg_proc p JOIN pg_namespace b ON b.oid = p.pronamespace
                WHERE b.nspname = 'bailey' AND p.proname = 'give_back' LIMIT 1)
            CROSS JOIN (VALUES (1, 'USAGE'), (2, 'SELECT'), (3, 'UPDATE')) w (place, what)
        WHERE NOT CASE w.what WHEN 'USAGE' THEN has_schema_privilege(r.oid, n.oid, 'USAGE')
            ELSE has_table_privilege(r.oid, c.oid, w.what) OR has_any_column_privilege(r.oid, c.oid, w.what) END
        ORDER BY w.place
        """
}
