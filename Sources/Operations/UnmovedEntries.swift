import Legacy
package import Migration
import Settings
import Store

extension Workspace {
    /// Why the entries of a pipeline cannot be taken over by anybody, in words; nil where none of them is of a source without a switch.
    func unmoved(_ dag: DAGDefinition, _ inventory: Inventory) -> String? {
        for source in settings.sources {
            let names = dag.entries.filter { $0.source == source.name }
            guard !names.isEmpty, let system = system(source.name) else { continue }
            let words =
                if let why = system.unverified {
                    why
                } else if names.contains(where: { inventory[$0]?.kind == .recurringJob }) {
                    "no switch moves rows that recur"
                } else if SystemKind.all.contains(where: { $0.settings.name == source.kind && $0.bridge == nil }) {
                    "no switch moves entries of kind \(source.kind) yet"
                } else {
                    nil as String?
                }
            guard let words else { continue }
            let found =
                "the pipeline \(dag.id) cannot be taken over: its entries are of source \(source.name), and \(words). "
            guard let step = system.byHand(names.compactMap { inventory[$0] }) else {
                return found + "They can be planned, generated and shadowed"
            }
            return found
                + "To move it by hand: bailey generate --ungated \(dag.id), bring the file to Airflow and leave the DAG paused; \(step); "
                + "then unpause the DAG before its next tick. To give it back: pause the DAG, and undo that"
        }
        return nil
    }

    /// What a person does to give back what was moved by hand; nil for a pipeline whose entries a switch moves, and for one that nobody knows.
    func givenBackByHand(_ pipeline: String, _ store: StateStore) -> String? {
        guard let inventory = try? store.latestInventory(),
            let dag = (try? plan(inventory))?.pipelines.first(where: { $0.dag.id == pipeline })?.dag
        else { return nil }
        for system in systems {
            let entries = dag.entries.filter { $0.source == system.name }.compactMap { inventory[$0] }
            guard !entries.isEmpty, let step = system.byHand(entries) else { continue }
            return
                "no switch says who runs the entries of source \(system.name), so that bailey can give nothing of \(pipeline) back. "
                + "If it was moved by hand (\(step)), pause its DAG and undo that"
        }
        return nil
    }

    /// What must have been done in legacy before a DAG without a gate is unpaused, by the pipeline: nobody else would keep its ticks from running twice.
    package func stepsByHand(_ dags: [DAGDefinition], _ inventory: Inventory) -> [(pipeline: String, step: String)] {
        dags.flatMap { dag in
            systems.compactMap { system in
                let entries = dag.entries.filter { $0.source == system.name }.compactMap { inventory[$0] }
                let active = entries.filter(\.enabled)
                return active.isEmpty ? nil : system.byHand(active).map { (dag.id, $0) }
            }
        }
    }
}
