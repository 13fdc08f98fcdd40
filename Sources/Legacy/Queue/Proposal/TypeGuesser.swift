import LosslessJSON
import Migration
import Postgres

/// What names the sort of work of a job: a column, something that its payload holds, a row of another table, its queue; or nothing.
struct TypeGuesser {
    /// The type as a profile says it.
    struct Kind: Sendable {
        var column: TableFacts.Column?
        var sql: String?
        var guess: ProfileProposal.Guess
        var unknown: String?
    }

    let facts: TableFacts
    let payload: ColumnGuesser.Part?
    let queue: ColumnGuesser.Part?
    /// Columns that mean something else.
    let taken: Set<String>

    private static let names = [
        "job_type", "task_type", "task_name", "job_name", "type", "kind", "job_class", "task", "class_name", "handler",
        "event_type",
        "message_type", "job_kind", "task_kind", "work_type", "entrypoint", "func", "function", "function_name",
        "func_name", "method",
        "action", "operation", "command", "job", "worker", "worker_class", "class", "event", "event_name", "procedure",
        "name", "op",
        "workflow", "topic", "subject", "category", "template", "identifier", "activity", "target",
    ]

    private static let keys = [
        "task", "type", "job_type", "task_type", "kind", "job", "job_class", "function", "func", "name", "event",
        "event_type", "action",
        "class", "handler", "method", "op", "operation", "command", "topic", "task_name", "displayName", "__class__",
        "jobType", "taskName",
        "eventType", "@type", "template", "worker",
    ]

    func kind() -> Kind {
        column() ?? inPayload() ?? elsewhere() ?? byQueue() ?? none()
    }

    private func column() -> Kind? {
        let fitting = facts.columns.filter {
            ($0.isText || $0.category == "E") && !taken.contains($0.name) && !$0.isKey && !$0.isUnique
        }
        let ranked = fitting.compactMap { column -> (TableFacts.Column, Int)? in
            let name = ColumnGuesser.plain(column.name)
            if let exact = TypeGuesser.names.firstIndex(of: name) { return (column, exact) }
            let suffix = ["_type", "_kind", "_name", "_class"].contains { name.hasSuffix($0) }
            return suffix && !name.hasPrefix("queue") && !name.hasPrefix("mime") && !name.hasPrefix("content")
                && !name.hasPrefix("host") && !name.hasPrefix("worker_name") ? (column, 100) : nil
        }.filter { column, rank in
            // A column whose rows nearly all differ names no sort of work.
            let seen = facts.values[column.name] ?? []
            let rows = seen.reduce(0) { $0 + $1.count }
            return rows < 10 || seen.count * 2 <= rows || rank < 8
        }
        guard let (column, rank) = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
        let seen = (facts.values[column.name] ?? []).compactMap(\.text)
        var evidence = ["it is called “\(column.name)” and is \(column.type)"]
        if !seen.isEmpty {
            evidence.append("rows hold \(seen.count) values, such as \(seen.prefix(3).joined(separator: ", "))")
        }
        return Kind(
            column: column,
            guess: ProfileProposal.Guess("type", column.name, rank < 20 ? .high : .medium, evidence)
        )
    }

    private func inPayload() -> Kind? {
        guard let payload, payload.column.isJSON || payload.column.isText || payload.column.base == "bytea" else {
            return nil
        }
        let column = payload.column
        let isBytes = column.base == "bytea"
        let texts = facts.rows.compactMap { $0[column.name]?.string }.map { isBytes ? TypeGuesser.text(ofHex: $0) : $0 }
        let objects = texts.compactMap { (try? JSON(parsing: $0))?.object }
        guard !objects.isEmpty, objects.count * 2 >= texts.count else { return nil }
        for key in TypeGuesser.keys {
            let found = objects.compactMap { $0[key]?.string }
            guard found.count * 10 >= objects.count * 8, Set(found).count * 2 <= max(4, found.count) else { continue }
            let name = PostgresConnection.identifier(column.name)
            let literal = PostgresConnection.literal(key)
            let guarded = "CASE WHEN strpos(\(name)::text, chr(92) || 'u0000') = 0 THEN \(name)::jsonb->>\(literal) END"
            let sql: String
            switch column.base {
            case "jsonb": sql = "\(name)->>\(literal)"
            case "json": sql = guarded
            default:
                // A text that is no JSON must not end the reading of the others.
                guard key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }), !isBytes else { continue }
                sql = "substring(\(name) from '\"\(key)\"[[:space:]]*:[[:space:]]*\"([^\"]*)\"')"
            }
            return Kind(
                sql: sql,
                guess: ProfileProposal.Guess(
                    "type",
                    sql,
                    .medium,
                    [
                        "\(found.count) of \(objects.count) sampled payloads name it as “\(key)”, such as \(Set(found).sorted().prefix(3).joined(separator: ", "))"
                    ]
                )
            )
        }
        return nil
    }

    private static func text(ofHex hex: String) -> String {
        let digits = Array(hex.dropFirst(2))
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A row of another table that names it.
    private func elsewhere() -> Kind? {
        let pointing = facts.columns.filter { column in
            let name = ColumnGuesser.plain(column.name)
            return column.target?.naming != nil && !column.isKey
                && ["type", "kind", "task", "job", "handler", "queue", "event", "action", "class"].contains {
                    name.contains($0)
                }
        }
        if let column = pointing.first, let target = column.target, let naming = target.naming {
            func name(_ text: String) -> String { PostgresConnection.identifier(text) }
            let sql =
                "(SELECT named.\(name(naming))::text FROM \(name(target.schema)).\(name(target.table)) named WHERE named.\(name(target.column)) = jobs.\(name(column.name)))"
            return Kind(
                sql: sql,
                guess: ProfileProposal.Guess(
                    "type",
                    sql,
                    .medium,
                    ["\(column.name) points to \(target.schema).\(target.table), whose \(naming) names it"]
                )
            )
        }
        // A number that stands for it.
        let numbers = [
            "job_type", "task_type", "type", "kind", "type_id", "job_type_id", "task_type_id", "kind_id", "action",
            "event_type",
        ]
        guard
            let column = facts.columns.first(where: {
                $0.isNumber && numbers.contains(ColumnGuesser.plain($0.name)) && !taken.contains($0.name)
                    && (facts.values[$0.name] ?? []).count <= 40
            })
        else { return nil }
        return Kind(
            column: column,
            guess: ProfileProposal.Guess(
                "type",
                column.name,
                .medium,
                ["it is called “\(column.name)” and is \(column.type)"]
            ),
            unknown: "which work each number of \(column.name) stands for: that is in the worker's code"
        )
    }

    private func byQueue() -> Kind? {
        guard let queue else { return nil }
        return Kind(
            column: queue.column,
            guess: ProfileProposal.Guess(
                "type",
                queue.column.name,
                .low,
                ["no column or payload names the sort of work, and jobs of one queue are taken for one sort"]
            ),
            unknown: "whether all jobs of a queue are of one sort"
        )
    }

    private func none() -> Kind {
        Kind(
            sql: PostgresConnection.literal(facts.name),
            guess: ProfileProposal.Guess(
                "type",
                PostgresConnection.literal(facts.name),
                .low,
                ["nothing names the sort of work, and all jobs are taken for one"]
            ),
            unknown: "whether the table holds jobs of several sorts, and what tells them apart"
        )
    }
}
