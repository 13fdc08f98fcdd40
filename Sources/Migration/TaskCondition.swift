public import LosslessJSON

/// What the result of an earlier task must be for a task to run; otherwise the task is skipped.
public struct TaskCondition: Sendable, Hashable {
    /// One step into a value.
    public enum Step: Sendable, Hashable {
        case key(String)
        case index(Int)
    }

    /// What is asked of the value. One that is null or not there only `exists(false)` and `differs` accept.
    public enum Test: Sendable, Hashable {
        case equals(JSON)
        case differs(JSON)
        case isIn([JSON])
        case exists(Bool)
        case above(Double)
        case below(Double)
    }

    /// The id of the earlier task.
    public var task: String
    /// Where the value lies in its result; empty for the whole result.
    public var path: [Step]
    /// What is asked of it.
    public var test: Test

    /// Makes a condition.
    public init(task: String, path: [Step] = [], test: Test) {
        self.task = task
        self.path = path
        self.test = test
    }

    /// The steps of a path such as `$.alerts[0].name`; nil if it is none.
    public static func steps(of text: String) -> [Step]? {
        guard text.hasPrefix("$") else { return nil }
        var rest = text.dropFirst()
        var steps: [Step] = []
        while let first = rest.first {
            rest = rest.dropFirst()
            if first == "." {
                let key = rest.prefix { $0 != "." && $0 != "[" }
                guard !key.isEmpty else { return nil }
                steps.append(.key(String(key)))
                rest = rest.dropFirst(key.count)
            } else if first == "[", let end = rest.firstIndex(of: "]"), let index = Int(rest[..<end]), index >= 0 {
                steps.append(.index(index))
                rest = rest[rest.index(after: end)...]
            } else {
                return nil
            }
        }
        return steps
    }

    /// Whether it holds for the earlier task's result; nil where that task gave none.
    public func holds(for result: JSON?) -> Bool {
        let found = path.reduce(result) { value, step in
            switch step {
            case .key(let key): value?[key]
            case .index(let index): value?[index]
            }
        }
        let value = found?.isNull == true ? nil : found
        switch test {
        case .equals(let wanted): return value.map { $0.text(.canonical) == wanted.text(.canonical) } ?? false
        case .differs(let other): return value.map { $0.text(.canonical) != other.text(.canonical) } ?? true
        case .isIn(let wanted):
            let text = value?.text(.canonical)
            return wanted.contains { $0.text(.canonical) == text }
        case .exists(let wanted): return (value != nil) == wanted
        case .above(let bound): return number(value).map { $0 > bound } ?? false
        case .below(let bound): return number(value).map { $0 < bound } ?? false
        }
    }

    private func number(_ value: JSON?) -> Double? {
        if case .number(let number)? = value { number.double } else { nil }
    }

    /// As the runtime reads it: `{"task","path":["alerts",0],"equals":…}`.
    public var json: JSON {
        var fields = JSONObject([])
        fields["task"] = .string(task)
        fields["path"] = .array(path.map(\.json))
        switch test {
        case .equals(let value): fields["equals"] = value
        case .differs(let value): fields["differs"] = value
        case .isIn(let values): fields["in"] = .array(values)
        case .exists(let wanted): fields["exists"] = .bool(wanted)
        case .above(let bound): fields["above"] = JSON(bound)
        case .below(let bound): fields["below"] = JSON(bound)
        }
        return .object(fields)
    }
}

/// Conditions of which one must hold.
public struct TaskChoice: Sendable, Hashable {
    /// What is known of a choice, or of all of them.
    public enum Answer: Sendable, Hashable {
        case holds
        case fails
        /// An earlier task that decides was only observed.
        case undecided
    }

    /// The conditions, at least one.
    public var any: [TaskCondition]

    /// A choice among conditions.
    public init(any: [TaskCondition]) { self.any = any }

    /// A condition that there is no other to.
    public init(_ condition: TaskCondition) { any = [condition] }

    /// Whether one of them holds.
    ///
    /// - Parameter result: the result of an earlier task; nil where it gave none, and `.undecided` where it was only observed.
    public func answer(_ result: (String) -> Result) -> Answer {
        var isUndecided = false
        for condition in any {
            switch result(condition.task) {
            case .undecided: isUndecided = true
            case .known(let value): if condition.holds(for: value) { return .holds }
            }
        }
        return isUndecided ? .undecided : .fails
    }

    /// What an earlier task gave.
    public enum Result: Sendable, Hashable {
        /// Its result; nil where it gave none.
        case known(JSON?)
        /// It was only observed.
        case undecided
    }

    /// As the runtime reads it: a condition, or `{"any": […]}`.
    public var json: JSON { any.count == 1 ? any[0].json : ["any": .array(any.map(\.json))] }
}

extension [TaskChoice] {
    /// As the runtime and documents have them: one as it is, several as a list, none as null.
    public var json: JSON { isEmpty ? .null : count == 1 ? self[0].json : .array(map(\.json)) }
}
