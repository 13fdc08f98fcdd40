import LosslessJSON
import Migration
import Postgres

/// A row that the profile cannot read: it holds what an expression or a column's kind does not take.
struct UnreadableRow: Sendable, Hashable {
    var id: String
    /// Which meanings of the profile it is about; empty where only all of them together say it.
    var meanings: [String]
    var why: String
    var state: String

    /// One line.
    var text: String { "\(meanings.map { "“\($0)”" }.joined(separator: ", ")): \(why) (SQLSTATE \(state))" }
}

/// One row that cannot be read is one line, and never the end of the reading of the others.
extension QueueSource {
    /// The classes of errors that a value makes, and not what the table is: data, cardinality, a domain, a routine of the application's.
    private static let valueErrors: Set<String> = ["21", "22", "23", "38", "39", "54", "P0"]

    static func isAboutValues(_ error: PostgresError) -> Bool {
        valueErrors.contains(String(error.state?.prefix(2) ?? ""))
    }

    /// Runs statements on the rows. Where one holds what the profile cannot take, runs them on all others, and tells of it.
    ///
    /// - Returns: what the statements gave, and the source without the rows that they cannot be run on.
    /// - Throws: `PostgresError`, in the profile's words.
    func sparing<Value>(
        _ connection: PostgresConnection,
        _ body: (QueueSource) async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> (Value, QueueSource) {
        do {
            return (try await body(self), self)
        } catch {
            guard QueueSource.isAboutValues(error), let less = await without(unreadableOn: connection) else {
                throw await explained(error, connection)
            }
            return try await less.explaining(connection) { () async throws(PostgresError) in
                (try await body(less), less)
            }
        }
    }

    /// What its jobs are read from: the profile's, but for what cannot be read.
    var relation: String {
        guard !unreadable.isEmpty else { return profile.relation }
        let ids = unreadable.map { PostgresConnection.literal($0.id) }.joined(separator: ", ")
        // Without OFFSET the server may ask for a row's values first, and whether the row counts afterwards.
        return
            "(SELECT * FROM \(profile.relation) b WHERE coalesce(\(profile.text("id", of: "b")), '') <> ALL (ARRAY[\(ids)]::text[]) OFFSET 0)"
    }

    /// The rows that cannot be read, as lines: one for each way in which they cannot.
    var unreadRecords: [UnreadRecord] {
        let groups = Dictionary(grouping: unreadable) { [$0.state] + $0.meanings }
        return groups.values.sorted { $0[0].id < $1[0].id }.map { rows in
            let shown = rows.prefix(5).map(\.id).joined(separator: ", ")
            let more = rows.count > 5 ? " and \(rows.count - 5) more" : ""
            return UnreadRecord(
                source: name,
                key: "\(profile.table) where \(profile.columns["id"] ?? "id") is \(shown)\(more)",
                reason: "unreadable-row",
                detail:
                    "\(rows.count) \(rows.count == 1 ? "row holds" : "rows hold") what the profile “\(profile.name)” cannot take as \(rows[0].text)"
            )
        }
    }

    /// The source without the rows that the profile cannot read; nil where that cannot be found out, or none of them can be read.
    private func without(unreadableOn connection: PostgresConnection) async -> QueueSource? {
        guard let found = try? await unreadableRows(connection), !found.isEmpty else { return nil }
        var less = self
        less.unreadable += found
        let some = "SELECT EXISTS (SELECT FROM \(less.relation) j) AS some"
        guard (try? await connection.query(some).first?.bool("some")) == true else { return nil }
        return less
    }

    /// At most so many rows are named one by one.
    private static let mostUnreadable = 10_000

    /// Tries each row by itself: in one anonymous block, which a session that may only read runs too.
    private func unreadableRows(_ connection: PostgresConnection) async throws -> [UnreadableRow] {
        let mark = "$bailey_rows$"
        guard let first = try await connection.query("SELECT * FROM \(relation) j LIMIT 1").first else { return [] }
        let copies = first.columns.map { column in
            let name = PostgresConnection.identifier(column)
            return "bailey_row.\(name) AS \(name)"
        }
        // The names of columns are a row's own, whatever else is called so here.
        let row = "(SELECT \(copies.joined(separator: ", "))) j"
        let tries = QueueSource.read.map { meaning in
            """
                        BEGIN
                            PERFORM \(column(meaning)) FROM \(row);
                        EXCEPTION WHEN OTHERS THEN
                            bailey_what := bailey_what || \(PostgresConnection.literal(meaning))::text;
                        END;
            """
        }
        let id = "bailey_row.\(PostgresConnection.identifier(profile.columns["id"] ?? "id"))::text"
        let block = """
            #variable_conflict use_column
            DECLARE
                bailey_row record;
                bailey_what text[];
                bailey_why text;
                bailey_state text;
                bailey_found json[] := '{}';
            BEGIN
                FOR bailey_row IN SELECT * FROM \(relation) j LOOP
                    BEGIN
                        PERFORM \(QueueSource.read.map(column).joined(separator: ", ")) FROM \(row);
                    EXCEPTION WHEN OTHERS THEN
                        GET STACKED DIAGNOSTICS bailey_why = MESSAGE_TEXT, bailey_state = RETURNED_SQLSTATE;
                        bailey_what := '{}';
            \(tries.joined(separator: "\n"))
                        bailey_found := bailey_found || json_build_array(coalesce(\(id), ''), bailey_what, bailey_why, bailey_state);
                        EXIT WHEN cardinality(bailey_found) > \(QueueSource.mostUnreadable);
                    END;
                END LOOP;
                PERFORM set_config('bailey.unreadable', array_to_json(bailey_found)::text, true);
            END
            """
        guard !block.contains(mark) else { return [] }
        let text = try await connection.transaction { connection in
            _ = try await connection.query("DO \(mark)\n\(block)\n\(mark)")
            return try await connection.query("SELECT current_setting('bailey.unreadable') AS found").first?.text(
                "found"
            )
        }
        let found = try JSON(parsing: text ?? "[]").array ?? []
        guard found.count <= QueueSource.mostUnreadable else { return [] }
        return found.compactMap { item in
            guard let parts = item.array, parts.count == 4, let id = parts[0].string, let why = parts[2].string else {
                return nil
            }
            let meanings = (parts[1].array ?? []).compactMap(\.string)
            return UnreadableRow(id: id, meanings: meanings, why: why, state: parts[3].string ?? "")
        }
    }
}
