public import LosslessJSON
import Schedules

extension Outcome {
    /// The outcome in reports; see docs/json.md.
    public var json: JSON {
        [
            "entry": .string(key.entry.description), "tick": JSON(key.tick), "job": JSON(key.job),
            "side": .string(side.rawValue),
            "task": JSON(task), "run": .string(run), "state": .string(state.rawValue), "arguments": arguments,
            "arguments_kind": .string(argumentsKind.rawValue),
            "result": result ?? .null,
            "has_result": .bool(result != nil), "error": error?.json ?? .null, "queued": JSON(queued),
            "start": JSON(start),
            "end": JSON(end), "seconds": JSON(duration), "attempts": JSON(attempts), "origin": JSON(origin),
            "isolation": JSON(isolation), "effects": effects ?? .null,
        ]
    }

    /// Reads that JSON.
    ///
    /// - Parameter comparison: what it is a run of where it does not say so itself.
    /// - Throws: `StoredJSONError`.
    public init(json: JSON, of comparison: Key? = nil) throws(StoredJSONError) {
        let object = try StoredObject(json, "outcome")
        let key: Key
        if let comparison, object.optional("entry") == nil {
            key = comparison
        } else {
            key = Key(
                entry: try object.entry("entry"),
                tick: object.optionalInstant("tick"),
                job: object.optional("job")?.string
            )
        }
        let side = try object.value("side", "a side") { $0.string.flatMap(Side.init(rawValue:)) }
        let state = try object.value("state", "a state") { $0.string.flatMap(RunState.init(rawValue:)) }
        self.init(
            key: key,
            side: side,
            task: object.optional("task")?.string,
            run: try object.string("run"),
            state: state
        )
        arguments = object.json("arguments")
        // Earlier versions did not tell kinds apart, and JSON is not said in the state.
        if object.optional("arguments_kind") != nil {
            argumentsKind = try object.value("arguments_kind", "a kind of payload") {
                $0.string.flatMap(PayloadKind.init(rawValue:))
            }
        }
        if object.optional("has_result")?.bool == true { result = object.json("result") }
        error = try object.optional("error").map { json throws(StoredJSONError) in try RunError(json: json) }
        queued = object.optionalInstant("queued")
        start = object.optionalInstant("start")
        end = object.optionalInstant("end")
        attempts = object.optional("attempts")?.int
        measured = object.optional("seconds")?.double
        origin = object.optional("origin")?.string
        isolation = object.optional("isolation")?.string
        effects = object.optional("effects")
    }
}

extension RunError {
    var json: JSON {
        [
            "type": .string(type), "module": JSON(module), "message": .string(message),
            "arguments": arguments ?? .null, "detail": JSON(detail), "kept": kept?.json ?? .null,
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "error")
        self.init(
            type: try object.string("type"),
            message: try object.string("message"),
            detail: object.optional("detail")?.string,
            module: object.optional("module")?.string,
            arguments: object.optional("arguments"),
            kept: object.optional("kept").flatMap(Kept.init(json:))
        )
    }
}

extension RunError.Kept {
    var json: JSON { ["type": .string(type), "module": .string(module)] }

    /// Reads a class of exceptions, as a body's report and Bailey's state name it; nil if it is none.
    public init?(json: JSON) {
        guard let type = json["type"]?.string, let module = json["module"]?.string else { return nil }
        self.init(type: type, module: module)
    }
}

extension Difference {
    var json: JSON {
        [
            "kind": .string(kind.rawValue), "path": .string(path), "legacy": legacy ?? .null, "shadow": shadow ?? .null,
            "text": .string(text),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "difference")
        let kind = try object.value("kind", "a kind of difference") { $0.string.flatMap(Kind.init(rawValue:)) }
        self.init(
            kind: kind,
            path: try object.string("path"),
            legacy: object.optional("legacy"),
            shadow: object.optional("shadow"),
            text: try object.string("text")
        )
    }
}

extension IgnoredDifference {
    var json: JSON { ["rule": .string(rule), "difference": difference.json] }
}

extension Comparison {
    /// The comparison in reports; see docs/json.md.
    public var json: JSON {
        [
            "entry": .string(key.entry.description), "tick": JSON(key.tick), "job": JSON(key.job),
            "pipeline": .string(pipeline),
            "verdict": .string(verdict.rawValue), "reason": JSON(reason),
            "differences": .array(differences.map(\.json)),
            "ignored": .array(ignored.map(\.json)),
            "legacy": legacy?.json ?? .null,
            "shadow": shadow?.json ?? .null,
        ]
    }

    /// Reads that JSON.
    ///
    /// - Throws: `StoredJSONError`.
    public init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "comparison")
        let verdict = try object.value("verdict", "a verdict") { $0.string.flatMap(Verdict.init(rawValue:)) }
        let key = Outcome.Key(
            entry: try object.entry("entry"),
            tick: object.optionalInstant("tick"),
            job: object.optional("job")?.string
        )
        func outcome(_ name: String) throws(StoredJSONError) -> Outcome? {
            guard let json = object.optional(name) else { return nil }
            return try Outcome(json: json, of: key)
        }
        self.init(
            key: key,
            pipeline: try object.string("pipeline"),
            legacy: try outcome("legacy"),
            shadow: try outcome("shadow"),
            verdict: verdict,
            reason: object.optional("reason")?.string
        )
        for part in object.items("shared").compactMap({ $0.string.flatMap(Shared.init(rawValue:)) }) {
            switch part {
            case .arguments: shadow?.arguments = legacy?.arguments ?? .null
            case .result: shadow?.result = legacy?.result
            }
        }
        for item in object.items("differences") { differences.append(try Difference(json: item)) }
        for item in object.items("ignored") {
            let inner = try StoredObject(item, "ignored")
            ignored.append(
                IgnoredDifference(
                    rule: try inner.string("rule"),
                    difference: try Difference(json: inner.json("difference"))
                )
            )
        }
    }
}
