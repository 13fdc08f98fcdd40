import Postgres

/// What the server finds wrong in a statement about the table, told by what the profile says and what the table has.
extension QueueSource {
    /// Runs a statement; an error about a table or a column names both, and what a profile should say.
    func explaining<Value>(
        _ connection: PostgresConnection,
        _ body: () async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        do {
            return try await body()
        } catch {
            throw await explained(error, connection)
        }
    }

    func explained(_ error: PostgresError, _ connection: PostgresConnection) async -> PostgresError {
        // What a value is, and not what the table is: all rows hold such, or nobody could look which.
        if QueueSource.isAboutValues(error) {
            let explained = await explainedByValue(error, connection)
            if explained != error || error.state != "22P02" { return explained }
        }
        // No such table or schema, no such column, no such function or operator for its type, a type that does not fit.
        guard let state = error.state, ["42P01", "3F000", "42703", "42883", "42804", "42846", "22P02"].contains(state)
        else { return error }
        let columns = """
            SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 100
            """
        guard let rows = try? await connection.query(columns, [.text(profile.quotedTable)]) else { return error }
        guard !rows.isEmpty else {
            let tables = """
                SELECT schemaname || '.' || tablename AS name FROM pg_tables
                WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 20
                """
            let there = ((try? await connection.query(tables)) ?? []).compactMap { $0["name"] }
            let shown = there.isEmpty ? "no table that this user can see" : there.joined(separator: ", ")
            let known = ((try? await QueueDetection.tables(of: connection)) ?? []).map {
                "\($0.table) (profile \($0.profile))"
            }
            let hint = known.isEmpty ? "" : "; of queues that Bailey knows: \(known.joined(separator: ", "))"
            return error.explained(
                "there is no table \(profile.table) in this database; it has \(shown)\(hint)",
                "Write the right one as “table” of source \(name) in bailey.yaml (or of the profile “\(profile.name)”), and see whether the URL names the right database"
            )
        }
        let names = Set(rows.compactMap { $0["name"] })
        let has = rows.map { "\($0["name"] ?? "") (\($0["type"] ?? ""))" }.joined(separator: ", ")
        guard profile.view == nil else {
            return error.explained(
                "\(error.found): the table \(profile.table) is not as the profile “\(profile.name)” has it, or is of another version; it has \(has)",
                "Write a profile of your own for it (mappings/profiles)"
            )
        }
        let lacking = profile.columns.filter { !names.contains($0.value) }.sorted { $0.key < $1.key }
        guard !lacking.isEmpty else {
            return error.explained(
                "\(error.found); the table \(profile.table) has \(has)",
                "Under “columns” of the profile “\(profile.name)” name columns of the sort that their meaning needs: times for queued, started and finished, numbers for attempts"
            )
        }
        let missing = lacking.map { "“\($0.value)”, which the profile “\(profile.name)” has as “\($0.key)”" }
        return error.explained(
            "the table \(profile.table) has no column \(missing.joined(separator: "; nor "))",
            "Write the right name under “columns” of the profile, or leave out what the table does not have. It has \(has)"
        )
    }

    /// A row that an expression of the profile cannot take ends the statement for all: which expression it is, and how it lets that row be.
    private func explainedByValue(_ error: PostgresError, _ connection: PostgresConnection) async -> PostgresError {
        var at: [String] = []
        for (meaning, sql) in profile.expressions.sorted(by: { $0.key < $1.key }) {
            let all = "SELECT count(\(profile.text(meaning, of: "j"))) FROM \(profile.quotedTable) j"
            do { _ = try await connection.query(all) } catch { at.append("“\(meaning)” (\(sql.prefix(200)))") }
        }
        guard !at.isEmpty else { return error }
        return error.explained(
            "\(error.found), where the profile “\(profile.name)” has \(at.joined(separator: ", ")): a row of \(profile.table) holds what that cannot take",
            "Let the expression answer NULL for such a row: CASE WHEN … THEN … END. Of a json column whose text holds \\u0000 PostgreSQL can take nothing out: "
                + "CASE WHEN strpos(payload::text, chr(92) || 'u0000') = 0 THEN payload->>'type' END"
        )
    }
}
