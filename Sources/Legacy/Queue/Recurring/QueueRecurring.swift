import Settings

/// Where a queue keeps what puts jobs in line again and again, and how it writes when.
public struct QueueRecurring: Sendable, Hashable {
    /// Whose words the times are written in.
    public enum Dialect: String, Sendable, Hashable, CaseIterable {
        /// Python's croniter: five fields, or six of which the last holds seconds.
        case croniter
        /// Node's cron-parser.
        case cronParser = "cron_parser"
        /// Ruby's fugit: cron, or some words of English.
        case fugit
        /// django-q2: a letter for the sort of schedule, with `cron` and `minutes` beside it.
        case djangoQ = "django_q"
        /// The times stand in the application's code, and the rows say no more than that there is something.
        case code
    }

    /// The table: its name in the schema of the jobs' table.
    public var table: String
    /// A query that gives `name`, `type` and `schedule` of each row, and where it knows them `zone`, `enabled`, `next`, `last`, `minutes`, `cron`
    /// and `repeats`; of the dialect `code` without `schedule`.
    public var query: String
    /// How `schedule` is written.
    public var dialect: Dialect
    /// The zone of rows that name none; nil where it is the application's.
    public var timezone: String?

    static let keys = ["table", "query", "dialect", "timezone"]

    /// What stands before the name of an entry, so that it is no job type's.
    static let prefix = "schedule:"

    /// Reads the part of a profile; nil, with a problem noted, if it is wrong.
    init?(_ node: YAMLNode, problems: Problems) {
        guard let fields = YAMLFields(node, known: QueueRecurring.keys, problems: problems),
            let table = fields.required("table"), let query = fields.required("query"),
            let dialect = fields.choice("dialect", Dialect.self)
        else {
            problems.note(node, "“recurring” needs “table”, “query” and “dialect”")
            return nil
        }
        if let fault = QueueExpression.fault(query) { problems.note(node, "“query” is no query: \(fault)") }
        (self.table, self.query, self.dialect, timezone) = (table, query, dialect, fields.string("timezone"))
    }
}
