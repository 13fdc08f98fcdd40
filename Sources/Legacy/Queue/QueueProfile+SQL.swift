import Postgres

/// The SQL by which a profile's columns are read and written. The only place that makes it of names and values; all are quoted here.
extension QueueProfile {
    /// What a column or an expression may mean.
    public static var meanings: [String] { columnNames }

    /// The quoted table.
    public var quotedTable: String {
        table.split(separator: ".").map { PostgresConnection.identifier(String($0)) }.joined(separator: ".")
    }

    /// What its jobs are read from: the table, or the profile's query.
    public var relation: String { view.map { "(\(filled($0)))" } ?? quotedTable }

    /// SQL of a profile, with the table's own names in place of `{table}` and `{schema}`.
    func filled(_ sql: String) -> String {
        let parts = table.split(separator: ".").map(String.init)
        let schema = parts.count > 1 ? PostgresConnection.identifier(parts[0]) + "." : ""
        return sql.replacing("{schema}.", with: schema).replacing("{table}", with: quotedTable)
    }

    /// What a row says of a meaning; nil where the table does not say it.
    ///
    /// - Parameter row: the name that the row goes by.
    public func value(_ meaning: String, of row: String) -> String? {
        if let column = columns[meaning] { return "\(row).\(PostgresConnection.identifier(column))" }
        if let function = guards[meaning] { return "\(function)(\(row))" }
        // In a query of its own, so that its names are the row's and no others.
        return expressions[meaning].map { "(SELECT (\(filled($0))) FROM (SELECT \(row).*) AS jobs)" }
    }

    /// What a row says of a meaning as text; typed NULL where the table does not say it.
    public func text(_ meaning: String, of row: String) -> String {
        value(meaning, of: row).map { "\($0)::text" } ?? "NULL::text"
    }

    /// A moment as `timestamptz` in the session's zone; NULL for one that is infinite, or outside the years 1 to 9999.
    public func instant(_ meaning: String, of row: String) -> String {
        guard let value = value(meaning, of: row) else { return "NULL::timestamptz" }
        switch kind(meaning) {
        case .epoch:
            return "CASE WHEN \(value) BETWEEN -62135596800 AND 253402300799 THEN to_timestamp(\(value)::float8) END"
        case .epochMilliseconds:
            return
                "CASE WHEN \(value) BETWEEN -62135596800000 AND 253402300799000 THEN to_timestamp(\(value)::float8 / 1000) END"
        default:
            // The sum is there to refuse a column that holds no times.
            return
                "CASE WHEN \(value) BETWEEN '0001-01-03' AND '9999-12-29' THEN (\(value) + interval '0')::timestamptz END"
        }
    }

    /// Attempts from 0 to a million; 0 where the row does not say, or says something else.
    public func count(_ meaning: String, of row: String) -> String? {
        value(meaning, of: row).map { "least(greatest(coalesce(\($0)::numeric, 0), 0), 1000000)::integer" }
    }

    /// How far attempts are counted: a `smallint` holds no more, and would refuse all that is written with them.
    public static let mostAttempts = 32_767

    /// Attempts and one more, to be written into their column; a row that says so many that nobody counts further keeps what it says.
    public func countedUp(_ meaning: String, of row: String) -> String? {
        guard let value = value(meaning, of: row), let count = count(meaning, of: row) else { return nil }
        let more = "\(count) < \(QueueProfile.mostAttempts)"
        return "CASE WHEN \(more) THEN (\(count) + 1)::numeric ELSE \(value)::numeric END"
    }

    /// A moment, given as `timestamptz`, as a kind of column holds it.
    ///
    /// - Parameter naive: how a moment becomes one without a zone; by the session's if nothing is said.
    public func moment(_ instant: String, as kind: QueueKind, naive: (String) -> String = { $0 }) -> String {
        switch kind {
        case .epoch: "extract(epoch FROM \(instant))"
        case .epochMilliseconds: "extract(epoch FROM \(instant)) * 1000"
        case .date: "(\(naive(instant)))::date"
        default: naiveTimestamps ? naive(instant) : instant
        }
    }

    /// Assignments that write a status.
    ///
    /// - Parameters:
    ///   - state: `queued`, `running`, `success` or `failed`.
    ///   - instant: the moment, as `timestamptz`.
    public func writing(_ state: String, at instant: String, naive: (String) -> String = { $0 }) -> [String] {
        var changes: [String] = []
        var written: Set<String> = []
        for write in writes[state] ?? [] {
            let value =
                switch write.value {
                case .null: "NULL"
                case .text(let text): PostgresConnection.literal(text)
                case .now(let kind): moment(instant, as: kind ?? columnKind(write.column), naive: naive)
                }
            changes.append("\(PostgresConnection.identifier(write.column)) = \(value)")
            written.insert(write.column)
        }
        if let column = columns["status"], writes[state] == nil, let word = statuses[state]?.first {
            changes.append("\(PostgresConnection.identifier(column)) = \(PostgresConnection.literal(word))")
        }
        let meaning = ["running": "started", "success": "finished", "failed": "finished"][state]
        if let meaning, let column = columns[meaning], !written.contains(column) {
            let value = moment(instant, as: kind(meaning), naive: naive)
            changes.append("\(PostgresConnection.identifier(column)) = \(value)")
        }
        return changes
    }

    /// An assignment that writes an error's text, given as an expression; none where no column is for it.
    public func writingError(_ text: String) -> [String] {
        columns["error"].map {
            let value = kind("error") == .json ? "to_jsonb(left(\(text), 2000))" : "left(\(text), 2000)"
            return ["\(PostgresConnection.identifier($0)) = \(value)"]
        } ?? []
    }

    /// What a column holds, by whatever it means.
    private func columnKind(_ column: String) -> QueueKind {
        columns.first { $0.value == column }.map { kind($0.key) } ?? .timestamp
    }
}
