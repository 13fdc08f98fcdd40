import Airflow
import Migration
import Settings

/// The connections that some DAGs need, beside those of an Airflow.
struct DeployedConnections {
    private let workspace: Workspace
    /// What each must lead to, by its id.
    private let needed: [String: String]
    /// Of those that mappings name: what they must be, and which tasks name them.
    private let named: [String: (need: ConnectionNeed, tasks: [String])]

    init(_ workspace: Workspace, _ items: [(dag: DAGDefinition, file: DAGFile)]) {
        self.workspace = workspace
        needed = items.reduce(into: [:]) { $0.merge($1.file.connections) { first, _ in first } }
        named = items.reduce(into: [:]) { found, item in
            for task in item.dag.tasks {
                for (id, need) in task.body.namedConnections {
                    found[id, default: (need, [])].tasks.append("\(item.dag.id).\(task.id)")
                }
            }
        }
    }

    /// What is to become of each connection, and what a person must do about those that mappings name.
    ///
    /// - Throws: `AirflowError`.
    func compare(_ client: AirflowClient) async throws -> ([DeployReport.Setup], [Finding]) {
        guard !needed.isEmpty else { return ([], []) }
        let there = Dictionary(try await client.connections().map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        var setups: [DeployReport.Setup] = []
        var findings: [Finding] = []
        for (id, meaning) in needed.sorted(by: { $0.key < $1.key }) {
            var setup = DeployReport.Setup(
                kind: "connection",
                name: id,
                leadsTo: meaning,
                state: there[id] == nil ? .missing : .exists
            )
            if let (need, tasks) = named[id] {
                setup.type = need.rawValue
                setup.tasks = tasks
                findings += judge(&setup, need, there[id])
            } else if let source = try? workspace.sourceConnection(id) {
                setup.leadsTo += ", \(source.address)"
            }
            setups.append(setup)
        }
        return (setups, findings)
    }

    /// Says whether the settings know where a connection leads that mappings name, and whether Airflow's leads there.
    private func judge(_ setup: inout DeployReport.Setup, _ need: ConnectionNeed, _ there: AirflowConnection?)
        -> [Finding]
    {
        let id = setup.name
        setup.leadsTo = "\(need.words) (type \(need.rawValue))"
        let file = workspace.settings.file
        let known: Workspace.KnownConnection?
        var why = "\(file) does not say where it leads"
        do { known = try workspace.namedConnection(id) ?? (try? workspace.sourceConnection(id)) } catch {
            (known, why) = (nil, "\(error)")
        }
        guard let known else {
            setup.canBeMade = false
            guard there == nil else { return [] }
            let tasks = setup.tasks.joined(separator: ", ")
            return [
                Finding(
                    .setupMissing,
                    text:
                        "The connection “\(id)” is not among those of this Airflow, and \(why). \(tasks) \(setup.tasks.count == 1 ? "needs" : "need") it: \(need.words), of type \(need.rawValue). Make it there, or write “connections: {\(id): {url: …}}” into \(file); one of a variable (AIRFLOW_CONN_…) or of a secrets backend is not seen from here."
                )
            ]
        }
        setup.leadsTo += ", \(known.address)"
        // What a host of HTTP is called takes many forms.
        guard let there, need == .postgres, !ConnectionProof(workspace: workspace).leadsAlike(there, known.connection)
        else { return [] }
        return [
            Finding(
                .connectionUnseen,
                text:
                    "The connection “\(id)” leads to \(there.host ?? "localhost"):\(there.port ?? 5432)/\(there.schema ?? ""), and \(file) says \(known.address). Whether both are one place cannot be seen from here: compare them by hand."
            )
        ]
    }
}
