import LosslessJSON
import Migration
import Settings

/// The pipeline of a workflow that an application keeps in tables: a request to each agent, in the order of the stages, the first with what
/// was asked for, each other with what the one before has answered.
struct WorkflowPipeline {
    let entry: LegacyEntry

    /// The parameters of a request.
    var parameters: [RunParameter] {
        (entry.options["params"]?.array ?? []).compactMap { given in
            guard let name = given["name"]?.string else { return nil }
            let kind = given["type"]?.string.flatMap { RunParameter.Kind(rawValue: $0) } ?? .string
            return RunParameter(name: name, kind: kind, standard: nil)
        }
    }

    /// The tasks, one a stage.
    var tasks: [TaskDefinition] {
        var tasks: [TaskDefinition] = []
        var taken: Set<String> = ["gate"]
        for agent in (entry.args.array ?? []).compactMap(\.string) {
            let plain = WorkflowPipeline.identifier(agent)
            var id = plain
            var number = 2
            while !taken.insert(id).inserted {
                id = "\(plain)_\(number)"
                number += 1
            }
            var call = HTTPCall(
                method: entry.options["method"]?.string ?? "POST",
                url: (entry.options["path"]?.string ?? "").replacing("{agent}", with: WorkflowPipeline.encoded(agent)),
                connection: entry.options["connection"]?.string
            )
            var inputs: [TaskInput] = []
            if let before = tasks.last {
                inputs = [
                    TaskInput(place: [.key("json")], source: .result(task: before.id, path: [.key("json")]))
                ]
            } else {
                call.body = .object(JSONObject(parameters.map { ($0.name, .null) }))
                inputs = parameters.map {
                    TaskInput(place: [.key("json"), .key($0.name)], source: .parameter($0.name))
                }
            }
            var task = TaskDefinition(id: id, body: .http(call), after: tasks.last.map { [$0.id] } ?? [])
            task.inputs = inputs
            tasks.append(task)
        }
        return tasks
    }

    private static func identifier(_ agent: String) -> String {
        let plain = String(
            agent.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_-.".contains($0)) ? $0 : "_" }.prefix(150)
        )
        return plain.isEmpty ? "_" : plain
    }

    /// A name as one part of a URL's path.
    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-_.~".utf8.contains(byte)
            if isPlain { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
    }
}

extension WorkflowStand {
    /// Reads `workflow` of a mapping: `source/name`, or that as `entry` with the tasks of its `stages`.
    init?(_ node: YAMLNode, _ problems: Problems) {
        var text: String?
        var stages: [String] = []
        if case .scalar(let plain, _) = node.content {
            text = plain
        } else if let fields = YAMLFields(node, known: ["entry", "stages"], problems: problems) {
            text = fields.required("entry")
            stages = fields.strings("stages") ?? []
        }
        guard let text, let entry = EntryID(text) else {
            problems.note(node, "“workflow” is “\(text ?? "")”; write source/name, as bailey plan does")
            return nil
        }
        self.init(entry: entry, stages: stages)
    }

    /// With a task for each stage: those that are named, or else those that are called as the agents are.
    ///
    /// - Throws: `WorkflowStandError` where they do not fit.
    func completed(_ mapping: Mapping, _ entry: LegacyEntry?) throws(WorkflowStandError) -> WorkflowStand {
        guard let entry else {
            throw WorkflowStandError(
                "there is no entry “\(self.entry)” in the inventory; run bailey import if it is new"
            )
        }
        guard entry.kind == .workflow else { throw WorkflowStandError("“\(entry.id)” is no workflow") }
        guard mapping.isManual else {
            throw WorkflowStandError("a workflow runs on request, so that its pipeline has “manual: true”")
        }
        let agents = (entry.args.array ?? []).compactMap(\.string)
        let named = stages.isEmpty ? agents : stages
        guard named.count == agents.count else {
            throw WorkflowStandError("“stages” names \(named.count) tasks, and the workflow has \(agents.count) stages")
        }
        let ids = Set(mapping.tasks.map(\.definition.id))
        if let missing = named.first(where: { !ids.contains($0) }) {
            throw WorkflowStandError(
                "no task is called “\(missing)”: name the tasks that stand for \(agents.joined(separator: ", ")) under “stages”"
            )
        }
        return WorkflowStand(entry: self.entry, stages: named)
    }
}

/// Why a pipeline cannot stand for a workflow.
struct WorkflowStandError: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
