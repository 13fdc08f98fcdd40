import Airflow
import Migration

/// The pools of some DAGs as they are declared, beside those of an Airflow.
struct DeployedPools {
    /// The most slots that a task of some DAG takes of each pool.
    private let wanted: [(pool: String, slots: Int, pipeline: String)]
    private let declared: [String: Pool]

    /// - Parameter dags: the DAGs, each with whether its first task is a gate, which is in Airflow's own pool.
    init(_ dags: [(DAGDefinition, gated: Bool)], declared: [Pool]) {
        self.declared = Dictionary(declared.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        wanted = dags.flatMap { dag, gated in
            let pools = dag.tasks.reduce(into: gated ? [Pool.standard: 1] : [:]) { found, task in
                let name = task.pool ?? Pool.standard
                found[name] = max(found[name] ?? 0, task.slotsTaken)
            }
            return pools.sorted { $0.key < $1.key }.map { ($0.key, $0.value, dag.id) }
        }
    }

    func declared(_ name: String) -> Pool? { declared[name] }

    /// What is to become of each pool, and what is wrong with it.
    ///
    /// - Throws: `AirflowError`.
    func compare(_ client: AirflowClient) async throws -> ([DeployReport.Setup], [Finding]) {
        guard !wanted.isEmpty else { return ([], []) }
        let there = Dictionary(try await client.pools().map { ($0.name, $0.slots) }, uniquingKeysWith: { $1 })
        let names = Set(wanted.map(\.pool)).filter { name in
            // Of Airflow's own pool, which the gates are in too, nothing is said as long as all fit into it.
            name != Pool.standard || declared[name] != nil || there[name].map { !judge(name, $0).isEmpty } ?? false
        }
        var setups: [DeployReport.Setup] = []
        var findings: [Finding] = []
        for name in names.sorted() {
            let found = there[name]
            setups.append(
                DeployReport.Setup(
                    kind: "pool",
                    name: name,
                    leadsTo: words(declared: declared[name]?.slots, found: found),
                    state: found == nil ? .missing : .exists,
                    canBeMade: declared[name] != nil
                )
            )
            findings += judge(name, found)
        }
        return (setups, findings)
    }

    private func words(declared: Int?, found: Int?) -> String {
        let there = found.map(DeployedPools.words)
        switch (declared, there) {
        case (let slots?, nil): return DeployedPools.words(slots)
        case (let slots?, let there?):
            return found == slots ? there : "\(there) there, \(DeployedPools.words(slots)) declared"
        case (nil, let there?): return "\(there) there, declared nowhere"
        case (nil, nil): return "declared nowhere"
        }
    }

    /// Airflow writes -1 for a pool without end.
    private static func words(_ slots: Int) -> String {
        slots < 0 ? "endless slots" : slots == 1 ? "1 slot" : "\(slots) slots"
    }

    private func judge(_ name: String, _ found: Int?) -> [Finding] {
        let users = wanted.filter { $0.pool == name }
        guard let found else {
            guard declared[name] == nil else { return [] }
            return [
                Finding(
                    .setupMissing,
                    pipeline: users.first?.pipeline,
                    severity: .error,
                    text:
                        "The pool “\(name)” does not exist there, and nobody says how many slots it is to have: write “pools: {\(name): {slots: N}}” into bailey.yaml."
                )
            ]
        }
        var findings: [Finding] = []
        if let pool = declared[name], pool.slots != found {
            findings.append(
                Finding(
                    .poolDiffers,
                    pipeline: users.first?.pipeline,
                    location: pool.location,
                    severity: .warning,
                    text:
                        "The pool “\(name)” has \(DeployedPools.words(found)) there and \(DeployedPools.words(pool.slots)) at \(pool.location); it is left as it is, and what bailey plan projects is not so. Change one of them."
                )
            )
        }
        for user in users where found >= 0 && user.slots > found {
            findings.append(
                Finding(
                    .poolTooSmall,
                    pipeline: user.pipeline,
                    text:
                        "A task takes \(DeployedPools.words(user.slots)) of the pool “\(name)”, which has \(found) there: it would never start."
                )
            )
        }
        return findings
    }
}
