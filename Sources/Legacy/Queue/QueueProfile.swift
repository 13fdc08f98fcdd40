public import Settings

/// How a queue table is read: which columns and status words mean what.
public struct QueueProfile: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// `schema.table`.
    public var table: String
    /// The table's columns by what they mean.
    public var columns: [String: String]
    /// The table's status words by what they mean: `queued`, `running`, `success`, `failed`.
    public var statuses: [String: [String]]
    /// Whether the time columns have no zone.
    public var naiveTimestamps: Bool
    /// Why figures may mislead.
    public var caveats: [String]
    /// How rows are held; nil for a table that can only be read.
    public var hold: QueueHold?

    static let keys = ["profile", "table", "columns", "statuses", "naive_timestamps", "caveats", "hold"]
    static let columnNames = [
        "id", "key", "type", "payload", "status", "queued", "started", "finished", "due", "attempts", "max_attempts",
        "error", "result", "queue",
    ]
    private static let statusNames = ["queued", "running", "success", "failed"]

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
        statuses = [:]
        naiveTimestamps = false
        caveats = []
        if let fields = YAMLFields(root, known: QueueProfile.keys, problems: problems) {
            name = fields.required("profile") ?? ""
            table = fields.required("table") ?? ""
            naiveTimestamps = fields.bool("naive_timestamps") ?? false
            caveats = fields.strings("caveats") ?? []
            if let node = fields.node("columns"),
                let inner = YAMLFields(node, known: QueueProfile.columnNames, problems: problems)
            {
                for column in QueueProfile.columnNames { columns[column] = inner.string(column) }
                for needed in ["id", "type", "status", "payload"] where columns[needed] == nil {
                    problems.note(node, "“\(needed)” is missing from the columns")
                }
            } else {
                problems.note(root, "“columns” is missing")
            }
            if let node = fields.node("statuses"),
                let inner = YAMLFields(node, known: QueueProfile.statusNames, problems: problems)
            {
                for status in QueueProfile.statusNames { statuses[status] = inner.strings(status) }
            } else {
                problems.note(root, "“statuses” is missing")
            }
            if let node = fields.node("hold") {
                hold = QueueHold(node, problems: problems)
                hold?.check(self, at: node, problems: problems)
            }
        }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    /// What a status word of the table means; nil for one the profile does not know.
    public func meaning(of word: String?) -> String? {
        guard let word else { return nil }
        return statuses.first { $0.value.contains(word) }?.key
    }
}
