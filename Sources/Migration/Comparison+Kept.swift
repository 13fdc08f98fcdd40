public import LosslessJSON

/// The form in which Bailey's state keeps comparisons: what says nothing is left out, and what shadow has just as legacy has it (a result of
/// megabytes, mostly) stands there once. `init(json:)` reads it as it reads that of reports.
extension Comparison {
    /// What of an outcome may be left out because legacy has the same.
    enum Shared: String, CaseIterable {
        case arguments
        case result
    }

    /// The comparison in that form.
    public var kept: JSON {
        var object: JSONObject = [
            "entry": .string(key.entry.description), "tick": JSON(key.tick), "job": JSON(key.job),
            "pipeline": .string(pipeline), "verdict": .string(verdict.rawValue), "reason": JSON(reason),
        ]
        if !differences.isEmpty { object["differences"] = .array(differences.map(\.json)) }
        if !ignored.isEmpty { object["ignored"] = .array(ignored.map(\.json)) }
        if let legacy { object["legacy"] = legacy.kept(of: key, without: []) }
        if let shadow {
            let shared = self.shared
            object["shadow"] = shadow.kept(of: key, without: shared)
            if !shared.isEmpty { object["shared"] = .array(shared.map { .string($0.rawValue) }) }
        }
        return .object(object.withoutNulls)
    }

    /// What both outcomes have, written with the same bytes.
    private var shared: [Shared] {
        guard let legacy, let shadow else { return [] }
        return Shared.allCases.filter { part in
            switch part {
            case .arguments: !legacy.arguments.isNull && shadow.arguments.isWritten(like: legacy.arguments)
            case .result:
                if let a = legacy.result, let b = shadow.result { b.isWritten(like: a) } else { false }
            }
        }
    }
}

extension Outcome {
    fileprivate func kept(of comparison: Key, without shared: [Comparison.Shared]) -> JSON {
        var object: JSONObject = [
            "side": .string(side.rawValue), "task": JSON(task), "run": .string(run), "state": .string(state.rawValue),
            "has_result": result == nil ? .null : true, "error": error?.json ?? .null, "queued": JSON(queued),
            "start": JSON(start), "end": JSON(end), "seconds": JSON(measured), "attempts": JSON(attempts),
            "origin": JSON(origin), "isolation": JSON(isolation), "effects": effects ?? .null,
        ]
        if argumentsKind != .json { object["arguments_kind"] = .string(argumentsKind.rawValue) }
        if key != comparison {
            object["entry"] = .string(key.entry.description)
            object["tick"] = JSON(key.tick)
            object["job"] = JSON(key.job)
        }
        if !shared.contains(.arguments) { object["arguments"] = arguments }
        if !shared.contains(.result) { object["result"] = result }
        return .object(object.withoutNulls)
    }
}

extension JSONObject {
    fileprivate var withoutNulls: JSONObject { JSONObject(members: members.filter { !$0.value.isNull }) }
}
