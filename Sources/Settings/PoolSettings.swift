import LosslessJSON

/// An Airflow pool as it is declared, in `bailey.yaml` or in a mapping.
public struct PoolSettings: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// How many slots its tasks share, 1 or more.
    public var slots: Int
    /// What people say of it; nil if nothing.
    public var summary: String?
    /// The file it stands in.
    public var file: String
    /// The line.
    public var line: Int

    /// The pools of `pools: {NAME: {slots, description?}}`; `NAME: 3` is short for `{slots: 3}`.
    public static func read(_ fields: YAMLFields, _ problems: Problems) -> [PoolSettings] {
        (fields.members("pools") ?? []).compactMap { PoolSettings($0, problems) }
    }

    private init?(_ member: YAMLNode.Member, _ problems: Problems) {
        name = member.key
        file = member.value.file
        line = member.line
        func refuse(_ text: String) { problems.note(Problem(file: member.value.file, line: member.line, text)) }
        if name.isEmpty || name.unicodeScalars.count > 256 {
            refuse("a pool's name has 1 to 256 characters")
            return nil
        }
        var given: Int?
        if case .scalar = member.value.content, !member.value.isNull {
            given = member.value.json.int
        } else {
            guard let fields = YAMLFields(member.value, known: ["slots", "description"], problems: problems) else {
                return nil
            }
            summary = fields.string("description")
            if fields.node("slots") != nil {
                given = fields.int("slots")
                // What is no integer was noted.
                if given == nil { return nil }
            }
        }
        guard let given else {
            refuse("“\(name)” is a pool; write how many slots it has: {slots: 2}")
            return nil
        }
        guard (1...1_000_000).contains(given) else {
            refuse(
                given == 0
                    ? "the pool “\(name)” has 0 slots, so that none of its tasks would ever run; write 1 or more"
                    : "the pool “\(name)” has \(given) slots; write 1 to 1000000"
            )
            return nil
        }
        slots = given
    }
}
