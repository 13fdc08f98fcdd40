public import LosslessJSON

/// How the message of a Celery task is made, and what the task waits for.
public struct CelerySending: Sendable, Hashable {
    /// What ends the task.
    public enum Wait: String, Sendable, Hashable, CaseIterable {
        /// The result that the worker stores.
        case result
        /// The worker's own events; its workers must send them (`-E`).
        case events
        /// Having sent the message.
        case sent
    }

    /// What an attempt does after one that ended while it was sending.
    public enum Unsure: String, Sendable, Hashable, CaseIterable {
        /// It fails: the task may run not at all, but never twice.
        case fail
        /// It sends again: the task may run twice.
        case resend
    }

    /// The application that makes the message, `module:attribute`; nil where one is made that is configured as its workers are.
    public var app: String?
    /// Whether a mapping wants the message made by configuration, though the source names an application.
    public var isByConfiguration = false
    /// The environment in `bailey.yaml` that holds the application.
    public var environment: String?
    /// How the application is configured; nil if nobody knows.
    public var configuration: CeleryConfiguration?
    /// What ends the task.
    public var wait = Wait.result
    /// What an attempt does after one that ended while it was sending.
    public var unsure = Unsure.fail

    /// Makes one: by a configuration that nobody knows.
    public init() {}
}

/// How a Celery application is configured, as far as it decides what a message is, where it goes and what comes back. No secrets.
public struct CeleryConfiguration: Sendable, Hashable {
    /// The document that `bailey_runtime.celery_app` takes: `settings`, `queues`, `tasks`, `silent`, `disagree`, `celery`, `workers`,
    /// `broker`, `backend`.
    public var json: JSON

    /// Makes one of that document.
    public init(json: JSON) { self.json = json }

    /// What Celery shows instead of a setting whose name looks like a secret's.
    static let hidden = "********"

    /// The configuration of an application that is as a person says; what workers told stands for the rest.
    public func stating(_ settings: JSON) -> CeleryConfiguration {
        var known = json.object ?? [:]
        var merged = known["settings"]?.object ?? [:]
        for member in settings.object?.members ?? [] { merged[member.key] = member.value }
        known["settings"] = .object(merged)
        return CeleryConfiguration(json: .object(known))
    }

    /// As much of it as the sending of one task needs.
    public func part(for task: String) -> JSON {
        var part: JSONObject = [:]
        if let version = json["celery"], !version.isNull { part["celery"] = version }
        // Where it is stands in a connection.
        if let backend = json["backend"]?.string { part["backend"] = .string(String(backend.prefix { $0 != ":" })) }
        part["settings"] = CeleryConfiguration.compact(json["settings"] ?? [:])
        if let queues = json["queues"], queues.array?.isEmpty == false {
            part["queues"] = CeleryConfiguration.compact(queues)
        }
        if let options = json["tasks"]?[task] { part["tasks"] = .object(JSONObject([(task, options)])) }
        for key in ["silent", "disagree"] {
            if let names = json[key], names.array?.isEmpty == false { part[key] = names }
        }
        return .object(part)
    }

    /// Without members that say nothing.
    private static func compact(_ json: JSON) -> JSON {
        if let items = json.array { return .array(items.map(compact)) }
        guard let object = json.object else { return json }
        return .object(
            JSONObject(
                object.members.filter { !$0.value.isNull }.map { ($0.key, compact($0.value)) }
            )
        )
    }

    /// What must be known to send a task with these options, and is not; nil if all of it is. `celery_workers.unknown` decides the same.
    public func unknownPart(task: String, options: JSON) -> String? {
        guard let settings = json["settings"]?.object else {
            return "its workers have not been asked how they are configured"
        }
        if let name = json["disagree"]?.array?.first?.string {
            return "its workers are not configured alike: they disagree about \(name)"
        }
        for router in CeleryConfiguration.routers(settings["task_routes"] ?? .null) {
            guard let routes = router else { return "task_routes holds code of the application" }
            for (pattern, to) in routes {
                if CeleryConfiguration.isCode(.string(pattern)) || CeleryConfiguration.isCode(to) {
                    return "task_routes holds code of the application (\(pattern))"
                }
                if CeleryConfiguration.matches(pattern, task), CeleryConfiguration.hides(to) {
                    return "workers do not tell where task_routes leads “\(pattern)”"
                }
            }
        }
        for member in settings.members {
            let isHidden = member.value.string == CeleryConfiguration.hidden
            if isHidden || member.key == "broker_transport_options" && CeleryConfiguration.hides(member.value) {
                return "workers do not tell \(member.key)"
            }
        }
        if let queue = options["queue"]?.string, json["silent"]?.array?.contains(.string(queue)) == true {
            return "no live worker consumes the queue “\(queue)”, so its exchange is not known"
        }
        return nil
    }

    /// Why results cannot be read by anybody but the application; nil if they can. `celery_app.closed_kind` decides the same.
    public var closedResults: String? {
        guard let backend = json["backend"]?.string else { return nil }
        let kind = backend.prefix { $0 != ":" && $0 != "+" }.lowercased()
        if ["", "disabled", "none"].contains(kind) { return "the application has no result backend" }
        if ["rpc", "amqp"].contains(kind) {
            return "the application's results (rpc://) come back to the process that sent the message and to no other"
        }
        if ["db", "database", "django-db", "cassandra", "mongodb"].contains(kind) {
            return "results in a database (\(kind)) are pickled or its own, and Bailey unpickles nothing"
        }
        if CeleryConfiguration.hides(json["settings"]?["result_backend_transport_options"] ?? .null) {
            return "its workers do not tell the prefix of their results' keys (result_backend_transport_options)"
        }
        return nil
    }

    /// It in one sentence, for people.
    public var summary: String {
        let workers = json["workers"]?.array?.compactMap(\.string) ?? []
        let version = json["celery"]?.array?.compactMap(\.int).map { "\($0)" }.joined(separator: ".")
        let queues = json["queues"]?.array?.compactMap { $0["name"]?.string } ?? []
        return
            "\(workers.joined(separator: ", ")) told how the application is configured"
            + (version.map { " (Celery \($0))" } ?? "")
            + ": queues \(queues.joined(separator: ", ")), serializer \(json["settings"]?["task_serializer"]?.string ?? "json"), results "
            + "\(json["backend"]?.string?.prefix { $0 != ":" } ?? "unknown"). DAGs send by that (via: configuration), unless the source or a mapping names the application (via: app)"
    }

    /// The names of what differs from another configuration.
    public func differences(from other: CeleryConfiguration) -> [String] {
        var names: Set<String> = []
        for key in ["queues", "tasks", "silent", "disagree", "broker", "backend", "celery"]
        where json[key] ?? .null != other.json[key] ?? .null { names.insert(key) }
        let mine = json["settings"]?.object ?? [:]
        let theirs = other.json["settings"]?.object ?? [:]
        for key in Set(mine.members.map(\.key) + theirs.members.map(\.key)) where mine[key] != theirs[key] {
            names.insert(key)
        }
        return names.sorted()
    }

    /// The routers in order, each as its routes; nil for one that is code.
    private static func routers(_ json: JSON) -> [[(String, JSON)]?] {
        if json.isNull { return [] }
        return (json.array ?? [json]).map { router in
            if let object = router.object { return object.members.map { ($0.key, $0.value) } }
            let pairs = router.array?.compactMap { pair -> (String, JSON)? in
                guard let items = pair.array, items.count == 2, let pattern = items[0].string else { return nil }
                return (pattern, items[1])
            }
            return pairs?.count == router.array?.count ? pairs : nil
        }
    }

    private static func isCode(_ json: JSON) -> Bool {
        if let object = json.object { return object.members.contains { isCode($0.value) } }
        guard let text = json.string else { return false }
        return text.hasPrefix("<") && text.hasSuffix(">") || text.hasPrefix("re.compile(")
    }

    private static func hides(_ json: JSON) -> Bool {
        if let object = json.object { return object.members.contains { hides($0.value) } }
        return json.string == hidden
    }

    /// Whether a pattern of `task_routes` is for a task. A set of characters counts as fitting.
    private static func matches(_ pattern: String, _ task: String) -> Bool {
        if !pattern.contains("*") || pattern.contains("[") { return pattern.contains("[") || pattern == task }
        let pattern = Array(pattern), task = Array(task)
        var fits = Array(repeating: false, count: task.count + 1)
        fits[0] = true
        for sign in pattern {
            var next = Array(repeating: false, count: task.count + 1)
            for at in 0...task.count {
                if sign == "*" {
                    next[at] = fits[at] || at > 0 && next[at - 1]
                } else if at > 0 {
                    next[at] = fits[at - 1] && (sign == "?" || sign == task[at - 1])
                }
            }
            fits = next
        }
        return fits[task.count]
    }
}
