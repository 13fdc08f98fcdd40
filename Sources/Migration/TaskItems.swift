public import LosslessJSON

extension TaskDefinition {
    /// Whether Airflow has any number of instances of it in a run: for items, or for jobs.
    public var isMapped: Bool {
        if case .queue = body { return true }
        return items != nil
    }
}

/// The list, known only when the run comes to it, for each item of which a task runs once.
public struct TaskItems: Sendable, Hashable {
    /// The most items that there may be: what Airflow takes (`core.max_map_length`), if nobody has set it otherwise.
    public static let most = 1024

    /// The earlier task whose result has the list.
    public var task: String
    /// Where it lies there.
    public var path: [TaskCondition.Step]

    /// The list at a path of an earlier task's result.
    public init(task: String, path: [TaskCondition.Step]) {
        (self.task, self.path) = (task, path)
    }

    /// The items in the earlier task's result.
    ///
    /// - Throws: `TaskInputError`, in the words of the runtime in Airflow.
    public func items(in result: JSON) throws(TaskInputError) -> [JSON] {
        let found = try path.value(in: result, of: task)
        guard let items = found.array else {
            throw TaskInputError("the result of “\(task)” has \(found.shape) at \(path.text), and a list is wanted")
        }
        guard items.count <= TaskItems.most else {
            throw TaskInputError(
                "the result of “\(task)” has \(found.shape) at \(path.text); a task runs for at most \(TaskItems.most) items"
            )
        }
        return items
    }

    /// As the runtime reads it: `{"from":"list","path":["rows"]}`.
    public var json: JSON { ["from": .string(task), "path": .array(path.map(\.json))] }
}
