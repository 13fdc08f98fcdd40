public import LosslessJSON

/// One part of a body's input that is known only when the task runs.
public struct TaskInput: Sendable, Hashable {
    /// How an instant is written.
    public enum Form: String, Sendable, Hashable, CaseIterable {
        /// `2026-11-29T02:00:00Z`
        case iso
        /// `2026-11-29`, the date in the pipeline's zone.
        case date
    }

    /// Where the value comes from.
    public enum Source: Sendable, Hashable {
        /// What lies at a path of an earlier task's result.
        case result(task: String, path: [TaskCondition.Step])
        /// The run's tick.
        case tick(Form)
        /// The tick of the schedule before it.
        case previousTick(Form)
        /// The time from the tick of the schedule before it until the run's: `{"from": …, "until": …}`.
        case window(Form)
        /// What lies at a path of the item that the task runs for.
        case item(path: [TaskCondition.Step])
        /// A parameter of the run.
        case parameter(String)
    }

    /// Where the value goes, from the body's input on: `args`, 0.
    public var place: [TaskCondition.Step]
    /// Where it comes from.
    public var source: Source

    /// Makes an input.
    public init(place: [TaskCondition.Step], source: Source) {
        (self.place, self.source) = (place, source)
    }

    /// The earlier task whose result it is; nil for what the run itself knows.
    public var task: String? { if case .result(let task, _) = source { task } else { nil } }

    /// As the runtime reads it: `{"at":["args",0],"from":"prepare","path":["rows"]}`.
    public var json: JSON {
        var fields = JSONObject([])
        fields["at"] = .array(place.map(\.json))
        switch source {
        case .result(let task, let path):
            fields["from"] = .string(task)
            fields["path"] = .array(path.map(\.json))
        case .tick(let form): fields["tick"] = .string(form.rawValue)
        case .previousTick(let form): fields["previous_tick"] = .string(form.rawValue)
        case .window(let form): fields["window"] = .string(form.rawValue)
        case .item(let path): fields["item"] = .array(path.map(\.json))
        case .parameter(let name): fields["param"] = .string(name)
        }
        return .object(fields)
    }
}

/// Why a body's input cannot be made. The words are those of the runtime in Airflow.
public struct TaskInputError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wanted, what was found, what to do.
    public let description: String

    /// Makes an error.
    public init(_ description: String) { self.description = description }
}

extension TaskCondition.Step {
    /// A key as a text, an index as a number.
    var json: JSON {
        switch self {
        case .key(let key): .string(key)
        case .index(let index): .number(JSONNumber(index))
        }
    }
}

extension [TaskCondition.Step] {
    /// The path as mappings write it: `$.rows[0].id`.
    public var text: String {
        reduce(into: "$") { text, step in
            switch step {
            case .key(let key): text += "." + key
            case .index(let index): text += "[\(index)]"
            }
        }
    }

    /// The value that lies there.
    ///
    /// - Throws: `TaskInputError`, which tells how far the path went and what is there.
    public func value(in result: JSON, of task: String) throws(TaskInputError) -> JSON {
        try value(in: result, called: "the result of “\(task)”")
    }

    /// The value that lies there, in something that errors call by those words.
    func value(in result: JSON, called words: String) throws(TaskInputError) -> JSON {
        var value = result
        for (number, step) in enumerated() {
            let found: JSON? =
                switch step {
                case .key(let key): value[key]
                case .index(let index): value[index]
                }
            guard let found else {
                let there = prefix(number).map { $0 }.text
                throw TaskInputError("\(words) has nothing at \(text): at \(there) is \(value.shape)")
            }
            value = found
        }
        return value
    }
}

extension JSON {
    /// What it is, in words, without its contents.
    public var shape: String {
        switch self {
        case .null: return "null"
        case .bool: return "true or false"
        case .number: return "a number"
        case .string: return "a text"
        case .array(let items): return "a list of \(items.count)"
        case .object(let object):
            let keys = object.keys.prefix(12).map { "“\($0)”" }
            return keys.isEmpty ? "an empty object" : "an object with " + keys.joined(separator: ", ")
        }
    }

    /// The same value with another one at a place that is there.
    public func replacing(at place: some Sequence<TaskCondition.Step>, with value: JSON) -> JSON {
        var rest = Array(place)
        guard !rest.isEmpty else { return value }
        switch (rest.removeFirst(), self) {
        case (.key(let key), .object(let object)):
            return .object(
                JSONObject(
                    object.members.map {
                        ($0.key, $0.key == key ? $0.value.replacing(at: rest, with: value) : $0.value)
                    }
                )
            )
        case (.index(let index), .array(var items)) where items.indices.contains(index):
            items[index] = items[index].replacing(at: rest, with: value)
            return .array(items)
        default: return self
        }
    }
}
