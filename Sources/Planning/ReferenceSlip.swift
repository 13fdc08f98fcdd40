import Settings

/// What a mapping has names for.
struct MappingNames {
    var tasks: Set<String> = []
    var parameters: Set<String> = []

    init() {}

    init(_ mapping: YAMLFields) {
        func keys(_ key: String) -> Set<String> {
            guard case .mapping(let members)? = mapping.node(key)?.content else { return [] }
            return Set(members.map(\.key))
        }
        (tasks, parameters) = (keys("tasks"), keys("params"))
    }
}

/// Tells a reference that was misspelt (`{form: load, path: $.rows}`, `{prev_tick: iso}`) from a value of that form, which would be handed on as it is.
enum ReferenceSlip {
    /// Whether the members are those of a reference, spelt as it is.
    static func isReference(_ members: [YAMLNode.Member]) -> Bool {
        switch Set(members.map(\.key)) {
        case ["tick"], ["previous_tick"], ["window"]: isForm(members[0].value)
        case ["from", "path"]: members.contains { $0.key == "path" && isPath($0.value) }
        default: false
        }
    }

    /// The reference that was meant; nil where it is a value.
    static func meant(by members: [YAMLNode.Member], _ names: MappingNames) -> String? {
        if members.count == 1 {
            let (key, value) = (members[0].key, members[0].value)
            guard let text = text(value) else { return nil }
            if isForm(value) {
                let ticks = ["tick", "previous_tick", "window"]
                let longer = ["prev_tick": "previous_tick", "last_tick": "previous_tick"]
                guard let meant = longer[plain(key)] ?? ticks.first(where: { isLike(key, $0) }) else { return nil }
                return "\(meant): \(text.lowercased())"
            }
            if isLike(key, "from"), names.tasks.contains(text) { return "from: \(text)" }
            if isLike(key, "param") || plain(key) == "parameter", names.parameters.contains(text) {
                return "param: \(text)"
            }
            return isLike(key, "item") && isPath(value) ? "item: \(text)" : nil
        }
        guard members.count == 2 else { return nil }
        for (from, path) in [(members[0], members[1]), (members[1], members[0])]
        where isLike(from.key, "from") && isLike(path.key, "path") && isPath(path.value) {
            return "from: \(text(from.value) ?? "TASK"), path: \(text(path.value) ?? "$")"
        }
        return nil
    }

    private static func text(_ node: YAMLNode) -> String? {
        if case .scalar(let text, _) = node.content { text } else { nil }
    }

    private static func isForm(_ node: YAMLNode) -> Bool {
        ["iso", "date"].contains(text(node)?.lowercased())
    }

    private static func isPath(_ node: YAMLNode) -> Bool { text(node)?.hasPrefix("$") == true }

    private static func plain(_ key: String) -> String { key.lowercased().replacing("-", with: "_") }

    /// One letter more, less or other, two that changed places, or other capitals.
    private static func isLike(_ key: String, _ word: String) -> Bool {
        let key = plain(key)
        return editDistance(key, word) <= 1 || (key.count == word.count && key.sorted() == word.sorted())
    }
}
