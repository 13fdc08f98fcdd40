import Migration
import Settings

extension OwnDAG {
    /// What `dag` may say.
    private static let keys = ["file", "without_gate", "environment"]
    /// What a mapping of such a pipeline may say beside it: everything else stands in the file.
    private static let mappingKeys: Set<String> = [
        "pipeline", "dag_id", "description", "clock", "schedule", "every", "manual", "missed_ticks", "late_after",
        "policy", "absorbs",
        "tasks", "dag", "pools",
    ]
    private static let taskKeys: Set<String> = ["entry", "compare", "expected"]

    /// Reads `dag` of a mapping; nil, with a problem noted, where it is not whole.
    init?(_ node: YAMLNode, of mapping: YAMLFields, _ files: MappingFiles, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: OwnDAG.keys, problems: problems),
            let file = fields.required("file"), let environment = fields.required("environment"),
            let text = files.contents(file, node)
        else { return nil }
        self.init(file: file, text: text, environment: environment)
        if let other = fields.string("without_gate") { withoutGate = files.contents(other, node) }
        OwnDAG.refuse(mapping.node, allowed: OwnDAG.mappingKeys, problems)
        if case .mapping(let members)? = mapping.node("schedule")?.content,
            members.contains(where: { $0.key == "assets" })
        {
            problems.note(node, "a pipeline that assets start cannot have a “dag” of its own: nobody compares them")
        }
        for member in mapping.members("tasks") ?? [] {
            OwnDAG.refuse(member.value, allowed: OwnDAG.taskKeys, problems)
        }
    }

    private static func refuse(_ node: YAMLNode, allowed: Set<String>, _ problems: Problems) {
        guard case .mapping(let members) = node.content else { return }
        for member in members where !allowed.contains(member.key) {
            problems.note(
                Problem(
                    file: node.file,
                    line: member.line,
                    "“\(member.key)” stands in the file that “dag” names, and not here: leave it out"
                )
            )
        }
    }
}
