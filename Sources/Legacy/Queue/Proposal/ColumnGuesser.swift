import LosslessJSON
import Migration
import Postgres

/// Which column plays which part, by its name, its type, and what the sampled rows hold.
struct ColumnGuesser {
    /// A guess at a part.
    struct Part: Sendable, Hashable {
        let column: TableFacts.Column
        /// What it holds; nil where the profile need not say.
        let kind: QueueKind?
        /// An expression in place of the column; nil for the column itself.
        var sql: String?
        let confidence: ProfileProposal.Confidence
        let evidence: [String]
    }

    let facts: TableFacts

    // MARK: Names

    /// The name in words: `retryCount` and `retry count` are `retry_count`.
    static func plain(_ name: String) -> String {
        var result = ""
        var last: Character = "_"
        for character in name {
            if character.isUppercase, last.isLowercase || last.isNumber { result.append("_") }
            result.append(contentsOf: character.isLetter || character.isNumber ? character.lowercased() : "_")
            last = character
        }
        return result.split(separator: "_").joined(separator: "_")
    }

    /// The first name of a list that a column has, as a number: a smaller one is better; nil if it has none.
    static func rank(_ column: TableFacts.Column, _ names: [String]) -> Int? {
        let name = plain(column.name)
        if let exact = names.firstIndex(of: name) { return exact }
        // A name that begins or ends with one of them, after those that are one.
        return names.firstIndex { name.hasSuffix("_" + $0) || name.hasPrefix($0 + "_") }.map { names.count + $0 }
    }

    private func best(_ names: [String], _ fits: (TableFacts.Column) -> Bool) -> (
        column: TableFacts.Column, exact: Bool
    )? {
        facts.columns.filter(fits).compactMap { column in
            ColumnGuesser.rank(column, names).map { (column, $0) }
        }.min { $0.1 < $1.1 }.map { ($0.0, $0.1 < names.count) }
    }

    private func named(_ names: [String], _ what: String, _ fits: (TableFacts.Column) -> Bool) -> Part? {
        guard let (column, exact) = best(names, fits) else { return nil }
        return Part(
            column: column,
            kind: nil,
            confidence: exact ? .high : .medium,
            evidence: ["it is called “\(column.name)” and is \(column.type)\(what)"]
        )
    }

    // MARK: Identity

    /// The row's id: a column, for rows are found again by it.
    func id() -> Part? {
        if let key = facts.columns.first(where: \.isKey) {
            return Part(column: key, kind: nil, confidence: .high, evidence: ["it is the primary key"])
        }
        let names = ["id", "job_id", "task_id", "uuid", "guid", "key", "msg_id", "message_id", "event_id", "pk", "jid"]
        if let unique = best(names, \.isUnique)
            ?? facts.columns.first(where: { $0.isUnique && $0.isRequired }).map({ ($0, false) })
        {
            return Part(column: unique.column, kind: nil, confidence: .high, evidence: ["it is unique"])
        }
        if let inKey = best(names, \.isInKey) {
            return Part(
                column: inKey.column,
                kind: nil,
                confidence: .medium,
                evidence: ["it is part of the primary key; whether it alone tells rows apart is not known"]
            )
        }
        if let (column, _) = best(names, { _ in true }) {
            let (distinct, rows) = spread(column)
            guard rows == 0 || distinct == rows else { return nil }
            return Part(
                column: column,
                kind: nil,
                confidence: rows == 0 ? .low : .medium,
                evidence: [
                    "it is called “\(column.name)”; no index says that it is unique, and \(rows) sampled rows have \(distinct) values"
                ]
            )
        }
        return nil
    }

    /// How many values, and how many rows, the sample has of a column.
    private func spread(_ column: TableFacts.Column) -> (distinct: Int, rows: Int) {
        let values = facts.rows.compactMap { $0[column.name] }.filter { !$0.isNull }
        return (Set(values).count, values.count)
    }

    /// The application's own key of a job.
    func key(but id: TableFacts.Column?) -> Part? {
        named(
            [
                "idempotency_key", "dedupe_key", "dedup_key", "unique_key", "singleton_key", "job_id", "external_id",
                "job_key", "key", "jid", "reference",
            ],
            ""
        ) { ($0.isText || $0.base == "uuid") && $0 != id }
    }

    // MARK: The rest

    func payload() -> Part? {
        let names = [
            "payload", "job_data", "data", "args", "arguments", "params", "parameters", "kwargs", "body", "message",
            "input", "context", "options", "job", "event", "content", "task_args", "request", "details", "props",
            "properties", "attributes", "spec", "config",
        ]
        if let part = named(names, "", { $0.isJSON || $0.base == "bytea" || $0.base == "xml" || $0.base == "hstore" }) {
            return part
        }
        // A text of such a name is the name of the work.
        let ofTexts =
            names.filter { !["job", "event", "content", "message"].contains($0) } + ["message_body", "job_payload"]
        if let part = named(ofTexts, "", \.isText) { return part }
        let other = facts.columns.filter { column in
            column.isJSON
                && ColumnGuesser.plain(column.name).firstMatch(of: /result|output|error|meta|header|tags|return|log/)
                    == nil
        }
        return other.first.map {
            Part(
                column: $0,
                kind: nil,
                confidence: .low,
                evidence: ["it is \($0.type), and no column has a name for it"]
            )
        }
    }

    func attempts() -> Part? {
        named(
            [
                "retry_count", "retries", "attempts", "attempt", "attempt_count", "tries", "try_count", "num_attempts",
                "num_retries", "times_tried", "failures", "error_count", "run_count", "retry", "read_ct",
            ],
            ""
        ) {
            $0.isNumber
                && ColumnGuesser.plain($0.name).firstMatch(
                    of: /max|limit|delay|after|interval|allowed|_at$|_ms$|seconds/
                ) == nil
        }
    }

    func mostAttempts() -> Part? {
        named(
            [
                "max_retries", "max_attempts", "max_tries", "retry_limit", "max_retry", "attempts_limit",
                "maximum_attempts", "max_retry_count", "allowed_attempts", "retries_max",
            ],
            ""
        ) { $0.isNumber }
    }

    func error() -> Part? {
        guard
            var part = named(
                [
                    "error", "last_error", "error_message", "errors", "exception", "failure_reason", "err", "error_msg",
                    "err_msg", "traceback", "fail_reason", "error_text", "last_error_message", "failure",
                    "error_details", "reason", "stacktrace",
                ],
                "",
                { $0.isText || $0.isJSON }
            )
        else { return nil }
        if part.column.isJSON {
            part = Part(column: part.column, kind: .json, confidence: part.confidence, evidence: part.evidence)
        }
        return part
    }

    func result() -> Part? {
        named(["result", "results", "output", "return_value", "response", "outcome_data", "returned"], "") {
            $0.isText || $0.isJSON
        }
    }

    func queue() -> Part? {
        named(["queue", "queue_name", "channel", "lane", "topic", "stream", "worker_queue", "pool"], "") {
            $0.isText || $0.category == "E"
        }
    }
}
