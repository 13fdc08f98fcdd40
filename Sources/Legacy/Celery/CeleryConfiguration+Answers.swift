import LosslessJSON
import Migration

extension CeleryConfiguration {
    /// The settings that decide what a message is, where it goes, and what comes back.
    static let settings = [
        "task_default_queue", "task_default_exchange", "task_default_exchange_type", "task_default_routing_key",
        "task_default_delivery_mode", "task_default_priority", "task_queue_max_priority", "task_default_queue_type",
        "task_create_missing_queues", "task_create_missing_queue_type", "task_create_missing_queue_exchange_type",
        "task_routes", "task_serializer", "task_compression", "task_protocol", "task_ignore_result",
        "task_send_sent_event", "task_repr_maxlevels", "task_time_limit", "task_soft_time_limit", "timezone",
        "enable_utc", "accept_content", "broker_transport_options", "result_serializer", "result_compression",
        "result_backend_transport_options",
    ]

    /// What a task's own options may say, and whether it is a number or a truth.
    static let taskOptions = [
        "queue": false, "exchange": false, "routing_key": false, "priority": true, "serializer": false,
        "compression": false, "delivery_mode": true, "expires": true, "time_limit": true, "soft_time_limit": true,
        "ignore_result": true,
    ]

    /// What workers answered, by worker, as one configuration; nil if none did. `celery_workers.learnt` makes the same.
    ///
    /// - Parameters:
    ///   - conf: `inspect conf --include-defaults`; `own` is the same without defaults.
    ///   - queues: `inspect active_queues`.
    ///   - tasks: `inspect registered` with `taskOptions`.
    ///   - report: `inspect report`, for the version.
    init?(
        conf: [CeleryWorkers.Answer],
        own: [CeleryWorkers.Answer],
        queues: [CeleryWorkers.Answer],
        tasks: [CeleryWorkers.Answer],
        report: [CeleryWorkers.Answer]
    ) {
        guard let first = conf.first?.settings else { return nil }
        var settings: JSONObject = [:]
        var disagree: [String] = []
        for name in CeleryConfiguration.settings {
            if let value = first[name], !value.isNull { settings[name] = value }
            if conf.contains(where: { ($0.settings[name] ?? .null) != (first[name] ?? .null) }) {
                disagree.append(name)
            }
        }
        // Some versions tell a declared queue whole, others only show it.
        let declared = first["task_queues"]
        var consumed: [String: JSON] = [:]
        for queue in declared?.array ?? [] {
            if let name = queue["name"]?.string { consumed[name] = queue }
        }
        for answer in queues {
            for queue in answer.settings.array ?? [] {
                if let name = queue["name"]?.string { consumed[name] = queue }
            }
        }
        // Celery hides it for its name; one that was not set is the queue's own.
        if settings["task_default_routing_key"]?.string == "********" {
            let isSet = own.contains { answer in
                answer.settings.object?.members.contains { $0.key.lowercased().hasSuffix("default_routing_key") }
                    == true
            }
            let name = settings["task_default_queue"]?.string ?? "celery"
            if !isSet {
                settings = JSONObject(
                    settings.members.filter { $0.key != "task_default_routing_key" }.map { ($0.key, $0.value) }
                )
            } else if let key = consumed[name]?["routing_key"] {
                settings["task_default_routing_key"] = key
            }
        }
        let names =
            declared?.object?.members.map(\.key)
            ?? (declared?.array ?? []).compactMap(\.string).map { CeleryConfiguration.queueName($0) }
        var options: [String: JSON] = [:]
        for answer in tasks {
            for shown in answer.settings.array ?? [] {
                let (name, said) = CeleryConfiguration.taskOptions(shown.string ?? "")
                options[name] = said
            }
        }
        func texts(_ names: some Sequence<String>) -> JSON { .array(names.sorted().map { .string($0) }) }
        let version = report.lazy.compactMap { CeleryConfiguration.version($0.settings.text()) }.first
        self.init(json: [
            "celery": version.map { .array($0.map { .number(JSONNumber($0)) }) } ?? .null,
            "workers": texts(conf.map(\.worker)),
            "broker": first["broker_url"] ?? .null,
            "backend": first["result_backend"].flatMap { $0.isNull ? nil : $0 } ?? "disabled",
            "settings": .object(settings),
            "queues": .array(consumed.sorted { $0.key < $1.key }.map(\.value)),
            "tasks": .object(JSONObject(options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })),
            "silent": texts(Set(names).filter { !$0.isEmpty && consumed[$0] == nil }), "disagree": texts(disagree),
        ])
    }

    /// The name in `<unbound Queue name -> <unbound Exchange …> -> key>`.
    private static func queueName(_ shown: String) -> String {
        guard let start = shown.firstRange(of: "Queue "),
            let end = shown[start.upperBound...].firstRange(of: " -> ")
        else { return shown }
        return String(shown[start.upperBound..<end.lowerBound])
    }

    /// `name [queue=a priority=3]`, as workers write it.
    private static func taskOptions(_ shown: String) -> (String, JSON) {
        guard let bracket = shown.firstRange(of: " [") else { return (shown, [:]) }
        let rest = shown[bracket.upperBound...].hasSuffix("]") ? shown[bracket.upperBound...].dropLast() : ""
        var said: [(String, String)] = []
        for word in rest.split(separator: " ", omittingEmptySubsequences: false) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2, taskOptions[parts[0]] != nil {
                said.append((parts[0], parts[1]))
            } else if let last = said.popLast() {
                said.append((last.0, last.1 + " " + word))
            }
        }
        let members = said.map { name, text -> (String, JSON) in
            if text == "True" || text == "False" { return (name, .bool(text == "True")) }
            guard taskOptions[name] == true, let number = try? JSON(parsing: Array(text.utf8)) else {
                return (name, .string(text))
            }
            return (name, number)
        }
        return (String(shown[..<bracket.lowerBound]), .object(JSONObject(members)))
    }

    /// `[5, 7]` of a text that says `celery:5.7.0`.
    private static func version(_ report: String) -> [Int]? {
        guard let start = report.firstRange(of: "celery:") else { return nil }
        let parts = report[start.upperBound...].prefix { $0.isNumber || $0 == "." }.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        return [major, minor]
    }
}
