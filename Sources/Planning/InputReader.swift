import LosslessJSON
import Migration
import Settings

/// Reads the input of a body: values as they are, and references (`{from: TASK, path: $.rows}`, `{tick: iso}`, `{previous_tick: date}`, `{window: iso}`, `{item: $.id}`,
/// `{param: NAME}`) whose values are known only when the task runs. `{literal: …}` is a value that only looks like one.
struct InputReader {
    /// The references found so far; where each stands is null in the value that was read.
    private(set) var inputs: [TaskInput] = []
    let problems: Problems
    /// What the mapping has, by which a slip is told from a value.
    let names: MappingNames

    init(_ problems: Problems, names: MappingNames = MappingNames()) {
        self.problems = problems
        self.names = names
    }

    /// A body's positional arguments; nil if the key is not there.
    mutating func list(_ fields: YAMLFields, _ key: String) -> JSON? {
        guard let node = fields.node(key) else { return nil }
        guard case .sequence = node.content else {
            problems.note(node, "“\(key)” is \(node.kind); it must be a list, one value alone too: [{from: load}]")
            return nil
        }
        return read(fields, key)
    }

    /// A body's named values; nil if the key is not there.
    mutating func named(_ fields: YAMLFields, _ key: String) -> JSON? {
        guard let node = fields.node(key) else { return nil }
        guard case .mapping(let members) = node.content else {
            problems.note(node, "“\(key)” is \(node.kind); it must be a mapping of names to values")
            return nil
        }
        if ReferenceSlip.isReference(members) {
            problems.note(
                node,
                "“\(key)” gives values names, and this is a value without one: write {NAME: {\(members[0].key): …}}, or {\(members[0].key): {literal: …}} if that is a name"
            )
        }
        return read(fields, key)
    }

    /// A body's list of positional arguments, or its object of named values; nil if the key is not there.
    ///
    /// - Parameter whole: whether the value as a whole may be a reference.
    mutating func read(_ fields: YAMLFields, _ key: String, as place: String? = nil, whole: Bool = false) -> JSON? {
        guard let node = fields.node(key) else { return nil }
        let path = [TaskCondition.Step.key(place ?? key)]
        return whole ? value(node, path) : inner(node, path)
    }

    private mutating func value(_ node: YAMLNode, _ place: [TaskCondition.Step]) -> JSON {
        guard case .mapping(let members) = node.content else { return inner(node, place) }
        switch Set(members.map(\.key)) {
        case ["literal"]: return members[0].value.json
        case ["from"], ["from", "path"], ["tick"], ["previous_tick"], ["window"], ["item"], ["param"]:
            if let source = source(node) { inputs.append(TaskInput(place: place, source: source)) }
            return .null
        default:
            if let meant = ReferenceSlip.meant(by: members, names) {
                problems.note(
                    node,
                    "{\(members.map(\.key).joined(separator: ", "))} is a value; did you mean {\(meant)}? Where it is a value, write {literal: …}"
                )
            }
            return inner(node, place)
        }
    }

    private mutating func inner(_ node: YAMLNode, _ place: [TaskCondition.Step]) -> JSON {
        switch node.content {
        case .scalar: return node.json
        case .sequence(let items):
            return .array(items.enumerated().map { value($0.element, place + [.index($0.offset)]) })
        case .mapping(let members):
            return .object(JSONObject(members.map { ($0.key, value($0.value, place + [.key($0.key)])) }))
        }
    }

    private func source(_ node: YAMLNode) -> TaskInput.Source? {
        let known = ["from", "path", "tick", "previous_tick", "window", "item", "param"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return nil }
        if let task = fields.string("from") {
            let text = fields.string("path") ?? "$"
            guard let path = TaskCondition.steps(of: text) else {
                problems.note(node, "“path” is “\(text)”; write $, $.alerts or $.rows[0].id")
                return nil
            }
            return .result(task: task, path: path)
        }
        if let text = fields.string("item") {
            guard let path = TaskCondition.steps(of: text) else {
                problems.note(node, "“item” is “\(text)”; write $, $.id or $.rows[0]")
                return nil
            }
            return .item(path: path)
        }
        if fields.node("tick") != nil { return fields.choice("tick", TaskInput.Form.self).map { .tick($0) } }
        if fields.node("previous_tick") != nil {
            return fields.choice("previous_tick", TaskInput.Form.self).map { .previousTick($0) }
        }
        if fields.node("window") != nil { return fields.choice("window", TaskInput.Form.self).map { .window($0) } }
        if let name = fields.string("param") { return .parameter(name) }
        problems.note(node, "this refers to nothing; where it is a value, write {literal: …}")
        return nil
    }
}

extension RunParameter {
    private static let keys = ["type", "default", "required", "choices", "description"]

    /// The parameters of a run, by name.
    static func all(_ fields: YAMLFields, _ problems: Problems) -> [RunParameter] {
        (fields.members("params") ?? []).compactMap { member in
            guard let inner = YAMLFields(member.value, known: keys, problems: problems) else { return nil }
            func note(_ text: String) {
                problems.note(
                    Problem(file: member.value.file, line: member.line, "the parameter “\(member.key)” \(text)")
                )
            }
            if !isIdentifier(member.key) || member.key.hasPrefix("bailey") {
                note("may hold only letters, digits, “_”, “-” and “.”, and not begin with “bailey”")
            }
            guard inner.node("type") != nil else {
                note("has no “type”: \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
                return nil
            }
            guard let kind = inner.choice("type", Kind.self) else { return nil }
            let parameter = RunParameter(
                name: member.key,
                kind: kind,
                standard: inner.json("default"),
                choices: (inner.items("choices") ?? []).map(\.json),
                summary: inner.string("description") ?? ""
            )
            let required = inner.bool("required") ?? false
            if inner.items("choices")?.isEmpty == true {
                note("has an empty list of choices; leave it out, or list them")
            }
            if required, parameter.standard != nil { note("is required, so that its default would never be taken") }
            if !required, parameter.standard == nil {
                note("has neither a “default” (null is none) nor “required: true”")
            }
            for choice in parameter.choices {
                var free = parameter
                free.choices = []
                if let why = free.refusal(of: choice) { note("has a choice \(choice.text(.canonical)), which \(why)") }
            }
            if let value = parameter.standard, let why = parameter.refusal(of: value) {
                note("has a default that \(why)")
            }
            return parameter
        }
    }
}
