import Migration
import Settings

extension Notifications {
    /// Reads `notify`.
    init(_ node: YAMLNode, _ problems: Problems) {
        self.init()
        guard let fields = YAMLFields(node, known: Event.allCases.map(\.rawValue), problems: problems) else { return }
        for event in Event.allCases { channels[event] = fields.strings(event.rawValue) }
    }
}

/// Looks whether the channels that mappings name are there, and of a kind that Airflow can send by.
struct NotifyChecker {
    /// Those of `bailey.yaml` that have a name.
    let channels: [String: AlertChannelSettings]

    func findings(of mappings: [Mapping]) -> [Finding] {
        mappings.flatMap { mapping in
            let places =
                [(mapping.notify, mapping.location)] + mapping.tasks.map { ($0.definition.notify, $0.location) }
            var told: Set<String> = []
            return places.flatMap { notify, location in
                notify.names.filter { told.insert($0).inserted }.compactMap { name in
                    problem(name).map {
                        Finding(.invalidMapping, pipeline: mapping.pipeline, location: location, text: $0)
                    }
                }
            }
        }
    }

    /// Why nobody can be told by a channel; nil if they can.
    private func problem(_ name: String) -> String? {
        switch channels[name] {
        case .webhook?, .email?: return nil
        case .command?:
            return
                "“notify” names the alert channel “\(name)”, which is a command: it runs where bailey watch does, and Airflow runs none. Name a webhook or a mail relay."
        case nil:
            let known = channels.keys.sorted().joined(separator: ", ")
            return
                "“notify” names the alert channel “\(name)”, and “alerts” of bailey.yaml has none of that name\(known.isEmpty ? "" : "; it has \(known)"). Give it one: {name: \(name), webhook: …}."
        }
    }
}
