import Airflow
import Foundation
import Legacy
import LosslessJSON
package import Migration
import Schedules
import Settings

/// Who sends for a pipeline's Celery tasks, as Bailey itself can run them, and what they are asked.
package struct CelerySenders: Sendable {
    /// A task that sends, and what makes its message.
    package struct Sender: Sendable {
        package let task: String
        package let entry: LegacyEntry?
        package let call: CeleryCall
        /// What the evidence is about: as long as this is the same, so is the message.
        package let form: String
    }

    private let workspace: Workspace
    package let senders: [Sender]

    /// Those of a pipeline.
    package init(_ workspace: Workspace, _ dag: DAGDefinition, _ inventory: Inventory) {
        self.workspace = workspace
        senders = CelerySenders.senders(dag, inventory)
    }

    static func senders(_ dag: DAGDefinition, _ inventory: Inventory) -> [Sender] {
        dag.tasks.compactMap { task in
            guard case .celery(let call) = task.body else { return nil }
            let entry = task.entry.flatMap { inventory[$0] }
            let stored = entry?.raw.first { $0.field == "definition" }.map { String(decoding: $0.bytes, as: UTF8.self) }
            let parts: [JSON] = [
                .string(call.source), .string(call.task), call.args, call.kwargs, call.options,
                .string(call.sending.app ?? ""), .string(call.sending.environment ?? ""),
                call.sending.configuration?.part(for: call.task) ?? .null,
                .string(call.sending.wait.rawValue), .string(stored ?? ""),
            ]
            return Sender(
                task: task.id,
                entry: entry,
                call: call,
                form: StableDigest(JSON.array(parts).text()).description
            )
        }
    }

    /// The program that sends for a call.
    ///
    /// - Throws: `CeleryProgram.Failure` if there is no interpreter with Celery.
    func program(_ call: CeleryCall) async throws -> CeleryProgram {
        let named = call.sending.environment ?? source(call)?.celery?.environment
        if let named {
            guard let settings = workspace.settings.environments[named] else {
                throw OperationFailure(.usage, "there is no environment “\(named)” in \(workspace.settings.file)")
            }
            return program(settings)
        }
        guard call.sending.app == nil else { return unnamed }
        // Any interpreter with Celery makes the message of a configuration.
        let known = workspace.settings.environments.sorted { $0.key < $1.key }.map { program($0.value) }
        for program in known + [unnamed] {
            if (try? await program.hasCelery()) == true { return program }
            try Task.checkCancellation()
        }
        throw OperationFailure(
            .doesNotHold,
            "no Python with Celery is known here to make the message with; name one under “environments” in \(workspace.settings.file) and as the source's “celery: {environment: …}”"
        )
    }

    /// That of an interpreter that nobody named.
    private var unnamed: CeleryProgram {
        CeleryProgram(interpreter: "python3", path: [], variables: [:], folder: workspace.folder)
    }

    private func program(_ settings: EnvironmentSettings) -> CeleryProgram {
        CeleryProgram(
            interpreter: settings.python,
            path: settings.path.map(workspace.absolute),
            variables: settings.variables,
            folder: workspace.folder
        )
    }

    private func source(_ call: CeleryCall) -> SourceSettings? {
        workspace.settings.sources.first { $0.name == call.source }
    }

    /// What every request about a call says, as the DAG's task says it.
    func request(_ call: CeleryCall) throws -> JSONObject {
        var request: JSONObject = [
            "task": .string(call.task), "args": .string(call.args.text()), "kwargs": .string(call.kwargs.text()),
            "options": .string((call.options.isNull ? [:] : call.options).text()),
            "wait": .string(call.sending.wait.rawValue), "unsure": "fail",
            "marks": try place(call, .source),
        ]
        if let app = call.sending.app {
            request["app"] = .string(app)
        } else {
            let known = call.sending.configuration?.part(for: call.task) ?? [:]
            request["configuration"] = known
            request["beat"] = known["celery"] ?? [0, 0]
            request["broker"] = try place(call, .broker)
            if call.sending.wait == .result { request["results"] = try place(call, .results) }
        }
        return request
    }

    /// A connection by its fields, as the DAG's task finds it in Airflow.
    private func place(_ call: CeleryCall, _ role: ConnectionRole) throws -> JSON {
        guard let system = workspace.system(call.source) else {
            throw OperationFailure(.usage, "there is no source “\(call.source)”")
        }
        let found = try system.connection(role)
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
        return [
            "conn_type": .string(found.type), "host": text(found.host),
            "port": found.port.map { .number(JSONNumber($0)) } ?? .null, "login": text(found.login),
            "password": text(found.password), "schema": text(found.schema), "extra": found.extra ?? [:],
        ]
    }

    /// `exchange → queues` in words.
    static func words(_ to: JSON?) -> String {
        guard let to else { return "" }
        let queues = to["queues"]?.array?.compactMap(\.string) ?? []
        let exchange = to["exchange"]?.string ?? ""
        let key = to["routing_key"]?.string ?? ""
        let way = exchange.isEmpty ? "" : "exchange “\(exchange)”, key “\(key)”"
        let names = queues.isEmpty && exchange.isEmpty ? [key] : queues
        let shown = names.map { "“\($0)”" }.joined(separator: ", ")
        let queue = names.isEmpty ? "" : "queue \(shown)"
        return [queue, way].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    // MARK: There and back

    /// Sends something without effect the way of each task, and waits for what the task waits for.
    ///
    /// - Parameter seconds: how long each is waited for.
    package func roundTrips(seconds: Double = 20) async throws -> [RoundTrip] {
        var found: [RoundTrip] = []
        for sender in senders {
            workspace.tell("round trip of \(sender.call.task) …")
            var trip = RoundTrip(
                task: sender.task,
                form: sender.form,
                reached: false,
                cameBack: false,
                milliseconds: nil,
                words: "",
                to: ""
            )
            do {
                var request = try request(sender.call)
                request["do"] = "round-trip"
                request["id"] = .string("bailey-round-trip-\(UUID().uuidString.lowercased())")
                request["nonce"] = .string(UUID().uuidString.lowercased())
                request["seconds"] = .number(JSONNumber(seconds))
                let program = try await program(sender.call)
                let reply = try await program.answer(.object(request), seconds: seconds + 90)
                trip.reached = reply["reached"] == true
                trip.cameBack = reply["came_back"] == true
                trip.milliseconds = reply["milliseconds"]?.int
                trip.words = reply["words"]?.string ?? ""
                trip.to = CelerySenders.words(reply["to"])
            } catch let error as CancellationError {
                throw error
            } catch {
                trip.words = "\(error)"
            }
            found.append(trip)
        }
        return found
    }
}
