import LosslessJSON
import Migration

/// What a task's file says of the sending of a Celery message.
extension DAGWriter {
    /// The suffixes of the connections that lead to a source's broker and results, where those are not the source's own.
    func suffixes(_ source: String) -> (broker: String, results: String) {
        let ownResults: Bool
        let ownBroker: Bool
        switch sources[source] {
        case .redbeat(_, let results, let broker)?: (ownResults, ownBroker) = (results, broker)
        case .djangoBeat(let results, let broker)?: (ownResults, ownBroker) = (results, broker)
        case .queue?, .own?, .unswitched?, nil: return ("", "")
        }
        return (ownBroker ? "_broker" : "", ownResults ? "_results" : ownBroker ? "_broker" : "")
    }

    /// The connections that sending and reading the result need, with what each leads to.
    func celeryConnections(_ call: CeleryCall) -> [String: String] {
        let id = DAGFile.connectionID(call.source)
        let (broker, results) = suffixes(call.source)
        // What was sent is kept count of in the source's own Redis, wherever the broker is.
        var found = [
            id: "the Redis of source “\(call.source)”"
                + (gated && sources[call.source]?.gate == nil ? ", which holds the switch" : "")
        ]
        if call.sending.app == nil {
            found[id + broker] = "the broker of Celery's messages of “\(call.source)”"
        }
        if call.sending.wait == .result {
            let own = "Celery's results of “\(call.source)”"
            found[id + results] = found[id + results].map { $0 + ", and \(own)" } ?? own
        }
        return found
    }

    /// The arguments of a task that sends.
    func sending(_ call: CeleryCall) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = []
        let (broker, results) = suffixes(call.source)
        if let app = call.sending.app {
            arguments.append(("app", .string(app)))
            if let environment = environment(.celery(call)) {
                arguments.append(("interpreter", .string(environment.python)))
            }
            arguments += gatedVariables(.celery(call))
        } else {
            if let known = call.sending.configuration {
                arguments.append(("configuration", .string(known.part(for: call.task).text())))
            }
            if !broker.isEmpty { arguments.append(("broker", .string(broker))) }
        }
        if !results.isEmpty { arguments.append(("results", .string(results))) }
        if call.sending.wait != .result { arguments.append(("wait", .string(call.sending.wait.rawValue))) }
        if call.sending.unsure != .fail { arguments.append(("unsure", .string(call.sending.unsure.rawValue))) }
        return arguments
    }
}
