package import Airflow
import Cutover
import Legacy
import LosslessJSON
package import Migration
import Schedules
import Store

/// What is known of a pipeline for its policy.
extension Workspace {
    /// The evidence of a pipeline. What cannot be read is evidence too: that it is not known.
    ///
    /// - Parameters:
    ///   - index: the plan, the inventory, and what Bailey's own state keeps.
    ///   - gate: what the switch knows of the DAG's gate.
    ///   - deployment: what Airflow says of the DAG.
    ///   - durability: how much the switch's store may forget; nil where there is none.
    package func evidence(
        _ pipeline: PlannedPipeline,
        index: EvidenceIndex,
        gate: PolicyEvidence.Gate,
        deployment: PolicyEvidence.Deployment,
        durability: PolicyEvidence.Durability? = nil
    ) -> PolicyEvidence {
        let dag = pipeline.dag
        let inventory = index.inventory
        let compared = Set(dag.tasks.compactMap(\.entry))
        let entries = dag.entries.filter(compared.contains).compactMap { id -> PolicyEvidence.Entry? in
            guard let entry = inventory[id] else { return nil }
            let zone = (try? zones.zone(entry.timezone ?? "UTC")) ?? .utc
            return PolicyEvidence.Entry(id: id, schedule: entry.schedule, zone: zone)
        }
        var evidence = PolicyEvidence(
            pipeline: dag.id,
            now: surroundings.now(),
            entries: entries,
            comparisons: index.comparisons(dag.id),
            deployment: deployment,
            gate: gate,
            timetable: dag.clock.timetable
        )
        evidence.durability = durability
        evidence.coverage = index.coverage(self, dag, entries.map(\.id))
        evidence.observerDefects = observerDefects(dag.id, entries.map(\.id), index)
        evidence.rehearsals = index.rehearsals(dag.id)
        evidence.calls = CelerySenders.senders(dag, inventory).map {
            PolicyEvidence.Call(task: $0.task, entry: $0.entry?.id, form: $0.form)
        }
        evidence.findings = index.findings(of: dag)
        evidence.absorbed = dag.entries.filter { id in
            id != dag.clock.driver && inventory[id]?.schedule != nil
        }
        return evidence
    }

    /// Why what legacy runs cannot be observed, or was not to the end.
    private func observerDefects(
        _ pipeline: String,
        _ ids: [EntryID],
        _ index: EvidenceIndex
    )
        -> [String]
    {
        var defects: [String] = []
        for id in ids { defects += index.observerDefects[id] ?? [] }
        if let line = index.lastLine(pipeline, "shadow"), line.step == .brokenOff {
            defects.append(
                "shadowing broke off at \(line.at.iso8601): \(line.detail["why"]?.string ?? "?"); run bailey shadow again"
            )
        }
        return defects
    }

    /// Something out of Bailey's own state.
    static func stored<Value>(_ store: Known<StateStore>, _ read: (StateStore) throws -> Value) -> Known<Value> {
        switch store {
        case .unknown(let why): return .unknown(why)
        case .known(let store):
            do { return .known(try read(store)) } catch { return .unknown("\(error)") }
        }
    }

    /// Bailey's own state, or why it cannot be opened.
    func knownStore() -> Known<StateStore> {
        do { return .known(try store()) } catch { return .unknown("\(error)") }
    }

    /// What Airflow says of DAGs: each by its id, or why nothing is known.
    package func deployments(_ dags: [String]) async -> [String: PolicyEvidence.Deployment] {
        func all(_ said: PolicyEvidence.Deployment) -> [String: PolicyEvidence.Deployment] {
            Dictionary(dags.map { ($0, said) }, uniquingKeysWith: { $1 })
        }
        do {
            guard try airflowAccess() != nil else {
                return all(.unknown("no Airflow is configured (target.airflow.url)"))
            }
            return try await withAirflow("the policy") { client in
                var found: [String: PolicyEvidence.Deployment] = [:]
                for id in dags { found[id] = Workspace.deployment(try await client.dag(id), id, client.address) }
                return found
            }
        } catch {
            return all(.unknown("\(error)"))
        }
    }

    package static func deployment(_ dag: AirflowDAG?, _ id: String, _ address: String) -> PolicyEvidence.Deployment {
        guard let dag, !dag.isStale else { return .faulty("Airflow at \(address) has no DAG \(id)") }
        if dag.hasImportErrors { return .faulty("Airflow could not import the file of \(id); see its import errors") }
        if dag.isPaused { return .faulty("the DAG \(id) is paused in Airflow") }
        return .running("Airflow has the DAG \(id), unpaused and without import errors")
    }
}
