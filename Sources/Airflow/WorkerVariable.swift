import Migration

/// The text of an environment variable as `bailey.yaml` has it: `${NAME}` and `${NAME:-text}` stand for variables of the machine that runs the
/// body, so that what they hold is in no file; `$${` is a plain `${`.
struct WorkerVariable {
    /// What it says where it names no variable; nil where it does.
    let plain: String?
    /// The variables it names that have no default.
    let needed: Set<String>

    init(_ text: String) {
        var plain = ""
        var needed: Set<String> = []
        var isTemplate = false
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            let before = rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            if before.hasSuffix("$") {
                plain += before.dropLast() + "${"
                continue
            }
            isTemplate = true
            let inside = rest.prefix { $0 != "}" }
            if inside.firstRange(of: ":-") == nil { needed.insert(String(inside)) }
            rest = rest[inside.endIndex...].dropFirst()
        }
        self.plain = isTemplate ? nil : plain + rest
        self.needed = needed
    }

    /// A text that means itself.
    static func escaped(_ text: String) -> String { text.replacing("${", with: "$${") }
}

extension DAGWriter {
    /// The variables of a body's environment: what files may say, and what the worker fills in.
    private func split(_ body: TaskBody) -> (plain: [String: String], templates: [String: String]) {
        var plain: [String: String] = [:]
        var templates: [String: String] = [:]
        for (name, text) in environment(body)?.variables ?? [:] {
            if let value = WorkerVariable(text).plain { plain[name] = value } else { templates[name] = text }
        }
        if let path = environment(body)?.path, !path.isEmpty { plain["PYTHONPATH"] = path.joined(separator: ":") }
        return (plain, templates)
    }

    /// The arguments by which a gated file gives a body its variables.
    func gatedVariables(_ body: TaskBody) -> [(name: String, value: PythonExpression)] {
        let (plain, templates) = split(body)
        return (plain.isEmpty ? [] : [("environment", dictionary(plain))])
            + (templates.isEmpty ? [] : [("variables", dictionary(templates))])
    }

    /// The same for a file that imports nothing of Bailey's.
    func ungatedVariables(_ body: TaskBody) -> PythonExpression {
        let (plain, templates) = split(body)
        guard !templates.isEmpty else { return dictionary(plain) }
        let all = plain.mapValues(WorkerVariable.escaped).merging(templates) { $1 }
        return .call("_filled", [dictionary(all)], [])
    }

    /// Whether a body's variables are filled in by the worker.
    func fillsVariables(_ body: TaskBody) -> Bool {
        let filled = !split(body).templates.isEmpty
        if case .queue(let drain) = body { return filled || fillsVariables(drain.runs) }
        return filled
    }

    /// The variables that workers must have.
    var workerVariables: Set<String> {
        dag.tasks.reduce(into: []) { found, task in
            let body = task.body.drain?.runs ?? task.body
            for text in (environment(body)?.variables ?? [:]).values { found.formUnion(WorkerVariable(text).needed) }
        }
    }
}
