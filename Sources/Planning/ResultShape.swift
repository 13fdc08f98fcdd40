import Migration

/// What is known of a task's result before it has ever run: Bailey's own bodies give results of a form that never changes.
indirect enum ResultShape {
    /// Only the body knows.
    case unknown
    /// A value with nothing in it, in words.
    case plain(String)
    case list([ResultShape])
    case object([(key: String, value: ResultShape)])

    init(_ body: TaskBody?) {
        switch body {
        case .sql(let call)?:
            let counts = call.statements.map { _ in ResultShape.plain("a number") }
            self = .object([("rows", .plain("a number")), ("statements", .list(counts))])
        case .copy?: self = .object([("rows", .plain("a number")), ("deleted", .plain("a number"))])
        case .http?: self = .object([("status", .plain("a number")), ("json", .unknown), ("text", .plain("a text"))])
        case .wait?: self = .object([("tick", .plain("a text")), ("run", .plain("a text"))])
        default: self = .unknown
        }
    }

    /// What lies at a path.
    ///
    /// - Throws: `TaskInputError` where nothing ever could, with the words that the run would have.
    func at(_ path: [TaskCondition.Step], of task: String) throws(TaskInputError) -> ResultShape {
        var shape = self
        for (number, step) in path.enumerated() {
            switch (shape, step) {
            case (.unknown, _): return .unknown
            case (.object(let members), .key(let key)) where members.contains { $0.key == key }:
                shape = members.first { $0.key == key }?.value ?? .unknown
            case (.list(let items), .index(let index)) where items.indices.contains(index): shape = items[index]
            default:
                let there = Array(path.prefix(number)).text
                throw TaskInputError(
                    "the result of “\(task)” never has anything at \(path.text): at \(there) is \(shape.words)"
                )
            }
        }
        return shape
    }

    /// What it is.
    var words: String {
        switch self {
        case .unknown: "what only the body knows"
        case .plain(let words): words
        case .list(let items): "a list of \(items.count)"
        case .object(let members): "an object with " + members.map { "“\($0.key)”" }.joined(separator: ", ")
        }
    }
}

/// Looks whether what tasks ask of the results of others could ever be there.
struct ResultChecker {
    let inventory: Inventory

    func findings(of mapping: Mapping) -> [Finding] {
        let shapes = Dictionary(
            mapping.tasks.map { ($0.definition.id, ResultShape(body(of: $0))) },
            uniquingKeysWith: { first, _ in first }
        )
        return mapping.tasks.flatMap { task in
            problems(task.definition, shapes).map { text in
                Finding(
                    .invalidMapping,
                    pipeline: mapping.pipeline,
                    location: task.location,
                    text: "Task “\(task.definition.id)”: \(text)"
                )
            }
        }
    }

    /// What a task runs; nil where nobody knows it here.
    private func body(of task: MappedTask) -> TaskBody? {
        if task.definition.items != nil { return nil }
        let entry = task.definition.entry.flatMap { inventory[$0] }
        // A job type's task has the result of its taking, and not of one body.
        if entry?.kind == .jobType { return nil }
        return task.hasBody ? task.definition.body : entry?.ownBody
    }

    private func problems(_ task: TaskDefinition, _ shapes: [String: ResultShape]) -> [String] {
        var found: [String] = []
        for input in task.inputs {
            guard case .result(let other, let path) = input.source else { continue }
            do throws(TaskInputError) { _ = try shapes[other]?.at(path, of: other) } catch {
                found.append("\(error.description).")
            }
        }
        for condition in task.conditions.flatMap(\.any) {
            do throws(TaskInputError) { _ = try shapes[condition.task]?.at(condition.path, of: condition.task) } catch {
                found.append("“when” looks where nothing can be: \(error.description).")
            }
        }
        if let items = task.items {
            do throws(TaskInputError) {
                switch try shapes[items.task]?.at(items.path, of: items.task) {
                case .unknown?, .list?, nil: break
                case let shape?:
                    found.append(
                        "“for_each” wants a list, and the result of “\(items.task)” has \(shape.words) at \(items.path.text)."
                    )
                }
            } catch { found.append("“for_each”: \(error.description).") }
        }
        return found
    }
}
