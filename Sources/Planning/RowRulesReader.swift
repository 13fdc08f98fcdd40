import LosslessJSON
import Migration
import Settings

extension RowRules {
    /// Reads what stands under `effects`.
    ///
    /// - Parameter body: the task's; nil where it could not be read.
    init(_ node: YAMLNode, _ body: TaskBody?, _ problems: Problems) {
        self.init()
        // That nothing else stands there is seen to by `EffectRules`.
        guard
            let fields = YAMLFields(
                node,
                known: ["tables", "copy", "files", "http", "http_legacy"],
                problems: Problems()
            ),
            fields.node("tables") != nil || fields.node("copy") != nil
        else { return }
        var own: String?
        if case .sql(let call)? = body { own = call.connection }
        for item in fields.items("tables") ?? [] {
            if let table = TableEffect(item, connection: own, problems) { tables.append(table) }
        }
        if let place = fields.node("copy") { copy = DatabaseCopy(place, isSQL: own != nil, problems) }
        if tables.isEmpty { problems.note(node, "“effects” names no “tables”, so that there is nothing to compare") }
        switch body {
        case .sql(let call)? where fields.node("copy") == nil:
            if !call.isTransaction {
                problems.note(
                    node,
                    "“transaction: false” cannot be rolled back: give “effects” a “copy” of the database, or leave it out"
                )
            }
            for table in tables where table.connection != call.connection {
                problems.note(
                    node,
                    "\(table.name) is not in “\(call.connection)”, where the SQL runs and is rolled back; give “effects” a “copy”"
                )
            }
        case .sql?, nil: break
        case .python?, .command?:
            if fields.node("copy") == nil {
                problems.note(
                    node,
                    "what a program did cannot be rolled back: give “effects” a “copy” of the database that it writes to"
                )
            }
        case .celery?, .copy?, .http?, .wait?, .queue?, .own?, .untranslatable?:
            problems.note(
                node,
                "“effects” are those of “sql”, “python” and “command”; no other body runs in shadow on a copy"
            )
        }
    }
}

extension TableEffect {
    fileprivate init?(_ node: YAMLNode, connection own: String?, _ problems: Problems) {
        let known = ["connection", "table", "key", "ignore", "where"]
        guard let fields = YAMLFields(node, known: known, problems: problems),
            let connection = fields.string("connection") ?? own ?? fields.required("connection"),
            let table = fields.required("table")
        else { return nil }
        let names = table.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if names.count > 2 || names.contains("") { problems.note(node, "“table” is “\(table)”; write schema.table") }
        let key = fields.strings("key") ?? []
        if key.isEmpty { problems.note(node, "“key” is missing: the columns that tell the rows of \(table) apart") }
        self.init(connection: connection, table: names, key: key)
        ignore = fields.strings("ignore") ?? []
        for name in Set(ignore).intersection(key).sorted() {
            problems.note(node, "“\(name)” is part of the key, and cannot be ignored")
        }
        guard let text = fields.string("where") else { return }
        let statements = SQLStatement.all(text)
        if statements.count == 1 {
            condition = statements.first
        } else {
            problems.note(node, "“where” is one condition, such as day = :date")
        }
    }
}

extension DatabaseCopy {
    fileprivate init?(_ node: YAMLNode, isSQL: Bool, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["connection", "template", "variable"], problems: problems),
            let connection = fields.required("connection"), let template = fields.required("template")
        else { return nil }
        let variable = fields.string("variable")
        if isSQL, variable != nil {
            problems.note(node, "“sql” goes where its connection leads, which is the copy; leave “variable” out")
        } else if !isSQL, variable == nil {
            problems.note(node, "“variable” is missing: it leads the body to its copy, such as DATABASE_URL")
        }
        self.init(connection: connection, template: template, variable: variable)
    }
}
