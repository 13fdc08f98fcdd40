import LosslessJSON
public import Settings

/// How a queue table is read: which columns and status words mean what.
public struct QueueProfile: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// `schema.table`.
    public var table: String
    /// The table's columns by what they mean.
    public var columns: [String: String]
    /// SQL expressions over a row by what they mean, where no column says it: they are read and never written.
    public var expressions: [String: String]
    /// What columns hold, by what they mean; `timestamp` of times and `text` of others where nothing is said.
    public var kinds: [String: QueueKind]
    /// The table's status words by what they mean: `queued`, `running`, `success`, `failed`.
    public var statuses: [String: [String]]
    /// What is written for a status, where that is not just its first word in the status column.
    public var writes: [String: [QueueWrite]]
    /// Whether the time columns have no zone.
    public var naiveTimestamps: Bool
    /// Why figures may mislead.
    public var caveats: [String]
    /// How rows are held; nil for a table that can only be read.
    public var hold: QueueHold?
    /// A query that gives the jobs in place of the table alone, where they stand in several; nil for the table.
    public var view: String?
    /// The columns of the table itself, by which its rows are held, where `view` reads others; nil where they are the same.
    var own: QueueColumns?
    /// Columns by which the table is told from others; empty where only its name tells it.
    public var detect: [String]
    /// Where it keeps what puts jobs in line again and again; nil where no table does.
    public var recurring: QueueRecurring?
    /// Functions of the database that say what an expression says of a row, and nothing of one that it cannot take; by what they mean. None
    /// where no switch is installed.
    public var guards: [String: String] = [:]

    static let keys = [
        "profile", "table", "detect", "view", "columns", "statuses", "writes", "naive_timestamps", "caveats", "hold",
        "recurring",
    ]
    static let columnNames = [
        "id", "key", "type", "payload", "status", "queued", "started", "finished", "due", "attempts", "max_attempts",
        "error", "result", "queue",
    ]
    static let columnKeys = ["column", "sql", "kind"]
    static let statusNames = ["queued", "running", "success", "failed"]
    /// The same, and words that mean none of them: cancelled, held back by the application.
    static let readStatusNames = statusNames + ["other"]

    /// Reads a profile.
    ///
    /// - Throws: `SettingsError` with every problem and its line.
    public init(yaml text: String, file: String) throws(SettingsError) {
        let problems = Problems()
        let root = try YAMLNode(yaml: text, file: file)
        root.refuseControlCharacters(except: ["caveats"], problems)
        name = ""
        table = ""
        columns = [:]
        expressions = [:]
        kinds = [:]
        statuses = [:]
        writes = [:]
        detect = []
        naiveTimestamps = false
        caveats = []
        if let fields = YAMLFields(root, known: QueueProfile.keys, problems: problems) {
            name = fields.required("profile") ?? ""
            table = fields.required("table") ?? ""
            naiveTimestamps = fields.bool("naive_timestamps") ?? false
            caveats = fields.strings("caveats") ?? []
            readColumns(fields, root, problems)
            if let node = fields.node("statuses"),
                let inner = YAMLFields(node, known: QueueProfile.readStatusNames, problems: problems)
            {
                for status in QueueProfile.readStatusNames { statuses[status] = inner.strings(status) }
            } else {
                problems.note(root, "“statuses” is missing")
            }
            detect = fields.strings("detect") ?? []
            if let text = fields.string("view"), let node = fields.node("view") {
                if let fault = QueueExpression.fault(text) { problems.note(node, "“view” is no query: \(fault)") }
                view = text
            }
            readWrites(fields, problems)
            if let node = fields.node("recurring") { recurring = QueueRecurring(node, problems: problems) }
            if let node = fields.node("hold") {
                hold = QueueHold(node, problems: problems)
                readOwn(node, problems)
                hold?.check(ofTable, at: node, problems: problems)
            }
        }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    /// The profile of the table alone: what a switch writes, and by what it decides.
    public var ofTable: QueueProfile {
        guard let own else { return self }
        var profile = self
        profile.view = nil
        profile.own = nil
        (profile.columns, profile.expressions, profile.kinds) = (own.columns, own.expressions, own.kinds)
        return profile
    }

    private mutating func readOwn(_ node: YAMLNode, _ problems: Problems) {
        let fields = YAMLFields(node, known: QueueHold.keys, problems: Problems())
        guard let view else {
            if let columns = fields?.node("columns") {
                problems.note(
                    columns,
                    "“columns” belongs to a profile with “view”: without one they are the profile's own"
                )
            }
            return
        }
        guard let fields, fields.node("columns") != nil else {
            problems.note(
                node,
                "“view” (\(view.prefix(20))…) is only read: to hold rows, “columns” under “hold” must name the table's own"
            )
            return
        }
        var table = self
        (table.columns, table.expressions, table.kinds) = ([:], [:], [:])
        table.readColumns(fields, node, problems)
        own = QueueColumns(columns: table.columns, expressions: table.expressions, kinds: table.kinds)
    }

    private mutating func readColumns(_ fields: YAMLFields, _ root: YAMLNode, _ problems: Problems) {
        guard let node = fields.node("columns"),
            let inner = YAMLFields(node, known: QueueProfile.columnNames, problems: problems)
        else {
            problems.note(root, "“columns” is missing")
            return
        }
        for meaning in QueueProfile.columnNames {
            guard let value = inner.node(meaning) else { continue }
            guard case .mapping = value.content,
                let column = YAMLFields(value, known: QueueProfile.columnKeys, problems: problems)
            else {
                columns[meaning] = inner.string(meaning)
                continue
            }
            kinds[meaning] = column.choice("kind", QueueKind.self)
            columns[meaning] = column.string("column")
            if let sql = column.string("sql") {
                // What a due time says may be another thing than what is written into its column.
                if columns[meaning] != nil, meaning != "due" { problems.note(value, "say “column” or “sql”, not both") }
                if let fault = QueueExpression.fault(sql) { problems.note(value, "“sql” is no expression: \(fault)") }
                expressions[meaning] = sql
            } else if columns[meaning] == nil {
                problems.note(value, "“\(meaning)” needs “column” or “sql”")
            }
        }
        for needed in ["id", "type", "status"] where !has(needed) {
            problems.note(node, "“\(needed)” is missing from the columns")
        }
        if expressions["id"] != nil { problems.note(node, "“id” must be a column: rows are found again by it") }
    }

    private mutating func readWrites(_ fields: YAMLFields, _ problems: Problems) {
        guard let node = fields.node("writes"),
            let inner = YAMLFields(node, known: QueueProfile.statusNames, problems: problems)
        else { return }
        for status in QueueProfile.statusNames {
            guard let members = inner.members(status) else { continue }
            writes[status] = members.compactMap { member in
                if member.value.isNull { return QueueWrite(column: member.key, value: .null) }
                guard case .scalar(let text, let plain) = member.value.content else {
                    problems.note(member.value, "“\(member.key)” must be a value, now, or null")
                    return nil
                }
                guard plain, text == "now" || text.hasPrefix("now ") else {
                    return QueueWrite(column: member.key, value: .text(text))
                }
                let kind = text == "now" ? nil : QueueKind(rawValue: String(text.dropFirst(4)))
                if text != "now", kind == nil {
                    problems.note(member.value, "“\(text)” is no moment: say now, or now epoch")
                }
                return QueueWrite(column: member.key, value: .now(kind))
            }
        }
    }

    /// Whether the table says what is meant, by a column or an expression.
    public func has(_ meaning: String) -> Bool { columns[meaning] != nil || expressions[meaning] != nil }

    /// What the column of a meaning holds.
    public func kind(_ meaning: String) -> QueueKind {
        kinds[meaning] ?? (["queued", "started", "finished", "due"].contains(meaning) ? .timestamp : .text)
    }

    /// Why the jobs of a table that can only be read are not taken over.
    public var unverified: String {
        "the profile “\(name)” reads its jobs only: holding, taking and giving them back was not verified for it"
    }

    /// What a status word of the table means; nil for one the profile does not know.
    public func meaning(of word: String?) -> String? {
        guard let word else { return nil }
        return statuses.first { $0.value.contains(word) }?.key
    }
}
