import Airflow
import Migration
import Settings
import Store

/// The DAG files of a workspace.
extension Desk {
    /// The Airflow that files are written for.
    var target: DAGFile.Target { DAGFile.Target(rawValue: workspace.airflow.version) ?? .airflow3 }

    /// The file of a pipeline of a plan.
    func dagFile(_ pipeline: PlannedPipeline, of plan: Plan, gated: Bool) -> DAGFile {
        DAGFile(
            pipeline.dag,
            words: pipeline.scheduleWords,
            target: target,
            gated: gated,
            sources: dagSources,
            findings: plan.findings(of: pipeline.dag),
            environments: workspace.environments.mapValues {
                (python: $0.python, path: $0.path.map(absolute), variables: $0.variables)
            }
        )
    }

    /// Whether a pipeline's DAG has lost its gate, or is about to. An entry that an inventory has found since is legacy's anew.
    func isRetired(_ pipeline: String, inventory: Inventory) throws -> Bool {
        switch try store().retirement(pipeline: pipeline) {
        case nil: false
        case .begun?: true
        case .finished(let at)?: at > inventory.readAt
        }
    }

    /// The pipelines of those ids; all if none is named.
    ///
    /// - Throws: `CommandFailure` for an id that no pipeline has.
    func chosen(_ ids: [String], of plan: Plan) throws -> [PlannedPipeline] {
        let known = Set(plan.pipelines.map(\.dag.id))
        if let unknown = ids.first(where: { !known.contains($0) }) {
            throw CommandFailure(
                .usage,
                "there is no pipeline “\(unknown)”; known are \(known.sorted().joined(separator: ", "))"
            )
        }
        return plan.pipelines.filter { ids.isEmpty || ids.contains($0.dag.id) }
    }
}
