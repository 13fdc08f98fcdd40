import Legacy
import Postgres

/// The rows that tell, in a table beside the queue's own, what becomes of its jobs.
extension QueueRowSQL {
    /// The log, quoted; it lies in the schema of the queue's table.
    var logTable: String? {
        hold.log.map { "\(PostgresConnection.identifier(schema)).\(PostgresConnection.identifier($0.table))" }
    }

    var schema: String { profile.table.split(separator: ".").first.map(String.init) ?? "" }

    /// A statement that tells of a step, to be run before the row is changed; nil where nothing is told.
    ///
    /// - Parameters:
    ///   - step: `running`, `success`, `failed` or `queued`.
    ///   - error: the error's text, as SQL.
    ///   - place: what the rows `j` are read from, with its condition.
    func logging(_ step: String, error: String, from place: String) -> String? {
        guard let log = hold.log, let table = logTable else { return nil }
        let row = "j.*, \(QueueRowSQL.literal(step))::text AS bailey_step, (\(error))::text AS bailey_error"
        let values = log.columns.map { "\(QueueRowSQL.literal($0.name)), \(profile.asked($0.sql, of: row))" }
        let names = log.columns.map { PostgresConnection.identifier($0.name) }
        // Each value becomes one of its column's own type.
        return "INSERT INTO \(table) (\(names.joined(separator: ", ")))\n"
            + "SELECT \(names.map { "(l.r).\($0)" }.joined(separator: ", ")) FROM (SELECT jsonb_populate_record("
            + "NULL::\(table), jsonb_build_object(\(values.joined(separator: ", ")))) AS r FROM \(place)) l"
    }
}
