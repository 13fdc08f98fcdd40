import Migration
import Settings

extension TaskItems {
    /// Reads `for_each` of a task: `{from: TASK, path: $.rows}`.
    init?(_ node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["from", "path"], problems: problems),
            let task = fields.required("from")
        else { return nil }
        let text = fields.string("path") ?? "$"
        guard let path = TaskCondition.steps(of: text) else {
            problems.note(node, "“path” is “\(text)”; write $, $.alerts or $.rows[0].id")
            return nil
        }
        self.init(task: task, path: path)
    }

    /// Why a task cannot run once for each item, one sentence each.
    static func lacking(
        _ fields: YAMLFields,
        _ body: TaskBody?,
        _ entry: EntryID?,
        defaults: [YAMLNode.Member]
    ) -> [String] {
        var found: [String] = []
        switch body {
        case .python?, .command?: break
        default: found.append("“for_each” runs a “python” or a “command” once for each item, and no other body")
        }
        if entry != nil {
            found.append(
                "a task with “for_each” stands for no entry, of which there is one run at a tick: name the entry at the task that makes the list, or at one after"
            )
        }
        for key in ["effects", "sla", "limit"]
        where fields.node(key) != nil && !defaults.contains(where: { $0.key == key }) {
            found.append("“\(key)” does not go with “for_each”")
        }
        if fields.string("shadow") == "sandbox" {
            found.append("“shadow: sandbox” does not go with “for_each”: leave it out, and the items are observed")
        }
        return found
    }
}
