import Settings

/// A table beside a queue's own that tells what becomes of its jobs: a row for each step, as the queue's own software writes it.
public struct QueueLog: Sendable, Hashable {
    /// A column and the SQL expression that fills it.
    public struct Column: Sendable, Hashable {
        public var name: String
        /// An expression over the job's row and two columns more: `bailey_step` (`running`, `success`, `failed`, or `queued` for one that waits
        /// again) and `bailey_error` (a text, or NULL).
        public var sql: String
    }

    /// Its name, in the schema of the queue's table.
    public var table: String
    /// What is written.
    public var columns: [Column]

    static let keys = ["table", "columns"]

    init?(_ node: YAMLNode, problems: Problems) {
        guard let fields = YAMLFields(node, known: QueueLog.keys, problems: problems) else { return nil }
        table = fields.required("table") ?? ""
        columns = (fields.members("columns") ?? []).compactMap { member in
            guard case .scalar(let sql, _) = member.value.content else {
                problems.note(member.value, "“\(member.key)” must be an SQL expression")
                return nil
            }
            if let fault = QueueExpression.fault(sql) {
                problems.note(member.value, "“\(member.key)” is no expression: \(fault)")
            }
            return Column(name: member.key, sql: sql)
        }
        if columns.isEmpty { problems.note(node, "“columns” is missing: what is written into “\(table)”") }
    }
}

/// What may be true of a database so that jobs cannot be held there, although the table looks fit.
public struct QueueObstacle: Sendable, Hashable {
    /// An SQL condition, which is asked before a cutover and by `watch`; it is read and never written.
    public var condition: String
    /// Why nothing can be held then, and what to do, as two sentences.
    public var reason: String
    public var advice: String

    static let keys = ["when", "because", "advice"]

    static func all(_ node: YAMLNode?, problems: Problems) -> [QueueObstacle] {
        guard let node else { return [] }
        guard case .sequence(let items) = node.content else {
            problems.note(node, "“refuse” must be a list of “when”, “because” and “advice”")
            return []
        }
        return items.compactMap { item in
            guard let fields = YAMLFields(item, known: keys, problems: problems),
                let condition = fields.required("when"), let reason = fields.required("because"),
                let advice = fields.required("advice")
            else { return nil }
            if let fault = QueueExpression.fault(condition) {
                problems.note(item, "“when” is no condition: \(fault)")
            }
            return QueueObstacle(condition: condition, reason: reason, advice: advice)
        }
    }
}
