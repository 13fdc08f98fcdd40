import LosslessJSON

/// A canvas of Celery's, as a signature stores it: what is called, in which order, with whose result. The forms are those of Celery 5
/// (`Signature`, `chain`, `group`, `chord`); `map`, `starmap` and `chunks` are tasks of the worker's own and stay calls.
indirect enum Canvas: Sendable, Hashable {
    case call(CanvasCall)
    /// One after another, each with the result of the one before it.
    case chain([Canvas])
    /// Side by side, each with the same result.
    case group([Canvas])
    /// Side by side, and then one with the list of their results.
    case chord([Canvas], Canvas)

    /// Whether a value has the form of a signature.
    static func isSignature(_ json: JSON) -> Bool {
        guard json["task"]?.string != nil, let object = json.object else { return false }
        return object.keys.contains("subtask_type") && object.keys.contains("options")
    }

    /// Reads a signature.
    ///
    /// - Throws: `CanvasError` for what is none, or cannot be said as tasks.
    init(_ json: JSON, depth: Int = 0) throws(CanvasError) {
        guard depth < 20 else { throw CanvasError("it is nested deeper than twenty signatures") }
        guard let task = json["task"]?.string, !task.isEmpty else {
            throw CanvasError("\(json.text(.canonical).prefix(80)) is no signature")
        }
        func all(_ json: JSON?) throws(CanvasError) -> [Canvas] {
            guard let items = json?.array ?? json?["kwargs"]?["tasks"]?.array, !items.isEmpty else {
                throw CanvasError("“\(task)” names no tasks")
            }
            var found: [Canvas] = []
            for item in items { found.append(try Canvas(item, depth: depth + 1)) }
            return found
        }
        let form = json["subtask_type"]?.string ?? ""
        switch (form, task) {
        case ("chain", _), (_, "celery.chain"):
            try Canvas.refuseOptions(of: json, task)
            self = .chain(try all(json["kwargs"]?["tasks"]))
        case ("group", _), (_, "celery.group"):
            try Canvas.refuseOptions(of: json, task)
            self = .group(try all(json["kwargs"]?["tasks"]))
        case ("chord", _), (_, "celery.chord"):
            try Canvas.refuseOptions(of: json, task)
            guard let body = json["kwargs"]?["body"], !body.isNull else { throw CanvasError("a chord has no body") }
            self = .chord(try all(json["kwargs"]?["header"]), try Canvas(body, depth: depth + 1))
        default:
            self = .call(try CanvasCall(json, task, depth: depth))
        }
    }

    /// What stands beside a chain, a group or a chord as a whole: Celery hands it to some of their tasks, by rules that differ between versions.
    private static func refuseOptions(of json: JSON, _ task: String) throws(CanvasError) {
        let options = json["options"]?.object?.members ?? []
        if let option = options.first(where: { !CanvasCall.identities.contains($0.key) && !$0.value.isEmptyValue }) {
            throw CanvasError("“\(task)” as a whole has the option “\(option.key)”")
        }
    }

    /// In words: `a → (b, c) → d`.
    var words: String {
        func inner(_ canvas: Canvas) -> String {
            if case .chain = canvas { "(\(canvas.words))" } else { canvas.words }
        }
        return switch self {
        case .call(let call): call.words
        case .chain(let parts): parts.map(inner).joined(separator: " → ")
        case .group(let parts): "(\(parts.map(\.words).joined(separator: ", ")))"
        case .chord(let header, let body): "(\(header.map(\.words).joined(separator: ", "))) → \(inner(body))"
        }
    }
}

/// A call in a canvas.
struct CanvasCall: Sendable, Hashable {
    /// What Celery writes into a signature's options for itself.
    static let identities: Set<String> = [
        "task_id", "reply_to", "root_id", "parent_id", "group_id", "group_index", "chord_size", "replaced_task_nesting",
    ]

    let task: String
    let args: [JSON]
    let kwargs: JSON
    /// Without what is in `next`.
    let options: JSON
    /// Whether it does not take the result of what was before it.
    let isImmutable: Bool
    /// What is called when it has ended well, side by side.
    let next: [Canvas]

    init(_ json: JSON, _ task: String, depth: Int) throws(CanvasError) {
        self.task = task
        guard let args = (json["args"] ?? []).array else { throw CanvasError("the arguments of “\(task)” are no list") }
        let kwargs = json["kwargs"].flatMap { $0.isNull ? nil : $0 } ?? [:]
        guard kwargs.object != nil else { throw CanvasError("the named arguments of “\(task)” are no object") }
        (self.args, self.kwargs) = (args, kwargs)
        isImmutable = json["immutable"] == true
        (next, options) = try CanvasCall.following(json["options"] ?? [:], task, depth: depth)
    }

    /// What options call when the task has ended well, and the options without it.
    ///
    /// - Throws: `CanvasError` for what no task of a DAG can be: what is called with an exception, and the parts of a chord that is under way.
    static func following(_ options: JSON, _ task: String, depth: Int = 0) throws(CanvasError) -> ([Canvas], JSON) {
        guard let object = options.object else { throw CanvasError("the options of “\(task)” are no object") }
        for name in ["link_error", "chord"] {
            if let value = object[name], !value.isEmptyValue {
                throw CanvasError(
                    name == "chord"
                        ? "“\(task)” is part of a chord that only its caller knows whole"
                        : "“\(task)” has “link_error”, which is called with the exception itself"
                )
            }
        }
        var next: [Canvas] = []
        for link in list(object["link"]) { next.append(try Canvas(link, depth: depth + 1)) }
        // What is next stands last (`Task.apply_async(chain=…)`).
        var chain: [Canvas] = []
        for part in list(object["chain"]).reversed() { chain.append(try Canvas(part, depth: depth + 1)) }
        if !chain.isEmpty { next.append(chain.count == 1 ? chain[0] : .chain(chain)) }
        let dropped = identities.union(["link", "link_error", "chain", "chord"])
        return (next, .object(JSONObject(members: object.members.filter { !dropped.contains($0.key) })))
    }

    private static func list(_ json: JSON?) -> [JSON] {
        guard let json, !json.isEmptyValue else { return [] }
        return json.array ?? [json]
    }

    var words: String {
        let after = next.map(\.words)
        return switch after.count {
        case 0: task
        case 1: "\(task) → \(after[0])"
        default: "\(task) → (\(after.joined(separator: ", ")))"
        }
    }
}

/// Why a canvas cannot be made tasks.
struct CanvasError: Error, Hashable {
    let message: String

    init(_ message: String) { self.message = message }
}

extension JSON {
    /// Null, or holding nothing.
    var isEmptyValue: Bool {
        switch self {
        case .null: true
        case .array(let items): items.isEmpty
        case .object(let object): object.isEmpty
        default: false
        }
    }
}
