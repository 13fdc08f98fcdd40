import LosslessJSON
import Migration
import Settings

extension TaskChoice {
    /// The conditions of `when`: one, `any` with a list of which one must hold, or a list of these that must hold all.
    static func all(_ node: YAMLNode, _ problems: Problems) -> [TaskChoice] {
        guard case .sequence(let items) = node.content else {
            return [TaskChoice(node, problems)].compactMap { $0 }
        }
        if items.isEmpty { problems.note(node, "“when” is an empty list; leave it out, or give conditions") }
        return items.compactMap { TaskChoice($0, problems) }
    }

    private init?(_ node: YAMLNode, _ problems: Problems) {
        guard let list = node.child("any") else {
            guard let condition = TaskCondition(node, problems) else { return nil }
            self.init(condition)
            return
        }
        guard let fields = YAMLFields(node, known: ["any"], problems: problems) else { return nil }
        guard let items = fields.items("any") else { return nil }
        let conditions = items.compactMap { TaskCondition($0, problems) }
        if items.isEmpty { problems.note(list, "“any” lists the conditions of which one must hold") }
        self.init(any: conditions)
    }
}

extension TaskCondition {
    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        let tests = ["equals", "differs", "in", "exists", "above", "below"]
        guard let fields = YAMLFields(node, known: ["task", "path"] + tests, problems: problems),
            let task = fields.required("task")
        else { return nil }
        guard let path = TaskCondition.steps(of: fields.string("path") ?? "$") else {
            problems.note(node, "“path” is “\(fields.string("path") ?? "")”; write $, $.alerts or $.rows[0].id")
            return nil
        }
        let given = tests.filter { fields.node($0) != nil }
        guard given.count == 1 else {
            problems.note(
                node,
                "a condition of “when” has one of \(tests.joined(separator: ", ")); where several must hold, write a list of conditions, and where one of several, {any: [...]}"
            )
            return nil
        }
        let test: TaskCondition.Test? =
            switch given[0] {
            case "equals": fields.json("equals").map { .equals($0) }
            case "differs": fields.json("differs").map { .differs($0) }
            case "in": fields.items("in").map { .isIn($0.map(\.json)) }
            case "exists": fields.bool("exists").map { .exists($0) }
            case "above": fields.double("above").map { .above($0) }
            default: fields.double("below").map { .below($0) }
            }
        switch test {
        case nil: return nil
        case .isIn(let values)? where values.isEmpty:
            problems.note(node, "“in” is an empty list, so that the task would never run")
            return nil
        case .isIn(let values)? where values.contains(.null):
            problems.note(node, "null under “in” is a value that is not there; write a condition with “exists: false”")
            return nil
        case .equals(.null)?, .differs(.null)?:
            problems.note(node, "null and a value that is not there are one; write “exists: false” or “exists: true”")
            return nil
        case let test?: self.init(task: task, path: path, test: test)
        }
    }
}
