import LosslessJSON
import Migration
import Settings

/// Says of each Celery task who makes its message, and finds those of which nobody knows where they would go.
struct MessageRouter: Sendable {
    private let celery: [String: CelerySettings]
    private let known: [String: CeleryConfiguration]
    private let environments: Set<String>

    /// A router.
    ///
    /// - Parameter celery: what `bailey.yaml` says of the applications, by source.
    init(inventory: Inventory, celery: [String: CelerySettings], environments: Set<String>) {
        self.celery = celery
        self.environments = environments
        var known: [String: CeleryConfiguration] = [:]
        for source in inventory.sources { known[source.name] = source.celery }
        for (name, said) in celery {
            guard let settings = said.settings else { continue }
            // Nobody having answered, what a person says is all there is.
            known[name] = (known[name] ?? CeleryConfiguration(json: [:])).stating(settings)
        }
        self.known = known
    }

    /// A call as a mapping wants it sent.
    func mapped(_ call: CeleryCall, _ mapped: MappedSending) -> CeleryCall {
        var call = call
        var options = call.options.object ?? [:]
        for member in mapped.options.object?.members ?? [] { options[member.key] = member.value }
        call.options = .object(options)
        if mapped.via != .configuration {
            call.sending.app = mapped.app ?? (mapped.via == .app ? celery[call.source]?.app : nil)
            call.sending.environment = mapped.environment
        }
        call.sending.isByConfiguration = mapped.via == .configuration
        call.sending.wait = mapped.wait ?? .result
        call.sending.unsure = mapped.unsure ?? .fail
        return call
    }

    /// Completes the calls of a pipeline's tasks, and says what is not known of them.
    func route(_ dag: inout DAGDefinition) -> [Finding] {
        var findings: [Finding] = []
        for index in dag.tasks.indices {
            guard case .celery(var call) = dag.tasks[index].body else { continue }
            let said = celery[call.source]
            if call.sending.app == nil, !call.sending.isByConfiguration { call.sending.app = said?.app }
            if call.sending.app != nil {
                call.sending.environment = call.sending.environment ?? said?.environment
            } else {
                call.sending.configuration = known[call.source]
            }
            dag.tasks[index].body = .celery(call)
            func find(_ code: FindingCode, _ text: String) {
                findings.append(
                    Finding(code, entry: dag.tasks[index].entry, pipeline: dag.id, text: sentence(text))
                )
            }
            if let reason = unknown(call) {
                find(.messageRouteUnknown, "nobody knows where the messages of “\(call.task)” go: \(reason)")
            }
            switch call.sending.wait {
            case .result: break
            case .events:
                find(
                    .resultNotAwaited,
                    "task “\(dag.tasks[index].id)” ends with the worker's event: it holds a slot of Airflow's while it waits, and its result is "
                        + "compared by how it looks only"
                )
            case .sent:
                find(
                    .resultNotAwaited,
                    "task “\(dag.tasks[index].id)” ends when its message is sent: whether it succeeds, and what it returns, is not seen, and what "
                        + "comes after it does not wait for it"
                )
            }
        }
        return findings
    }

    /// What is not known of a call, with what to do about it; nil if all of it is.
    private func unknown(_ call: CeleryCall) -> String? {
        if call.sending.app != nil {
            guard let name = call.sending.environment, !environments.contains(name) else { return nil }
            return "there is no environment “\(name)” for its application; write it under “environments” in bailey.yaml"
        }
        let remedy =
            "run bailey import while its workers run, or write “celery: {app: …, environment: …}” for the source “\(call.source)” in bailey.yaml, "
            + "or what is missing under its “celery: {settings: …}”"
        guard let configuration = call.sending.configuration else {
            return "its workers have not been asked how they are configured; \(remedy)"
        }
        if let reason = configuration.unknownPart(task: call.task, options: call.options) {
            return "\(reason); \(remedy)"
        }
        if call.sending.wait == .result, let reason = configuration.closedResults {
            return "its result would never come back: \(reason); write “send: {wait: events}” or “send: {wait: sent}”"
        }
        if call.sending.wait == .result, ignoresResult(call, configuration) {
            return
                "its result would never come back: the task ignores it; write “send: {wait: events}” or “send: {wait: sent}”"
        }
        return nil
    }

    private func ignoresResult(_ call: CeleryCall, _ configuration: CeleryConfiguration) -> Bool {
        for said in [
            call.options["ignore_result"], configuration.json["tasks"]?[call.task]?["ignore_result"],
            configuration.json["settings"]?["task_ignore_result"],
        ] {
            if let said, !said.isNull { return said == .bool(true) }
        }
        return false
    }
}
