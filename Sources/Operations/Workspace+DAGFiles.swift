package import Airflow
import Legacy
import LosslessJSON
package import Migration
import NIOPosix
import Settings
import Store

/// The DAG files of a settings.
extension Workspace {
    /// The Airflow that files are written for.
    package var target: DAGFile.Target { DAGFile.Target(rawValue: settings.airflow.version) ?? .airflow3 }

    /// The file of a pipeline.
    ///
    /// - Parameter findings: those of its plan, by pipeline.
    package func dagFile(_ pipeline: PlannedPipeline, findings: [String: [Finding]], gated: Bool) -> DAGFile {
        dagFile(
            pipeline.dag,
            words: pipeline.scheduleWords,
            findings: findings[pipeline.dag.id] ?? [],
            gated: gated
        )
    }

    func dagFile(_ dag: DAGDefinition, words: String, findings: [Finding], gated: Bool) -> DAGFile {
        DAGFile(
            dag,
            words: words,
            target: target,
            gated: gated,
            sources: dagSources,
            findings: findings,
            environments: settings.environments.mapValues {
                (python: $0.python, path: $0.path.map(absolute), variables: $0.templates)
            }
        )
    }

    /// Writes the files of pipelines; several at once, because most of the time of each goes in waiting for the disk.
    ///
    /// - Parameter ungated: the pipelines whose DAGs get no gate.
    /// - Returns: The files in the order of the pipelines, and what was done with each.
    /// - Throws: `DAGFolderError`, or `CancellationError`; what was not written yet is then as it was. Or why a profile cannot be read.
    package func writeDAGFiles(
        _ pipelines: [PlannedPipeline],
        of plan: Plan,
        ungated: Set<String>,
        force: Bool,
        to folder: DAGFolder
    ) async throws -> [(file: DAGFile, change: DAGFolder.Change)] {
        // Without its gate a file holds what a queue's profile says, so that one which cannot be read must not pass for one that says nothing.
        if !ungated.isEmpty { for system in systems { try system.checkSettings() } }
        let atOnce = 16
        let findings = plan.findingsByPipeline()
        let threads = NIOThreadPool(numberOfThreads: atOnce)
        threads.start()
        var written: [Int: (DAGFile, DAGFolder.Change)] = [:]
        do {
            try await withThrowingTaskGroup(of: (Int, DAGFile, DAGFolder.Change).self) { group in
                var waiting = pipelines.indices.makeIterator()
                func begin() {
                    guard let index = waiting.next() else { return }
                    group.addTask {
                        try await threads.runIfActive {
                            let pipeline = pipelines[index]
                            let gated = !ungated.contains(pipeline.dag.id)
                            let file = dagFile(pipeline, findings: findings, gated: gated)
                            return (index, file, try folder.write(file, force: force))
                        }
                    }
                }
                for _ in 0..<atOnce { begin() }
                while let (index, file, change) = try await group.next() {
                    written[index] = (file, change)
                    try Task.checkCancellation()
                    begin()
                }
            }
        } catch {
            try await threads.shutdownGracefully()
            throw error
        }
        try await threads.shutdownGracefully()
        return pipelines.indices.compactMap { written[$0] }
    }

    /// The pipelines whose DAGs have lost their gate, or are about to. An entry that an inventory has found since is legacy's anew; a job type is found
    /// for as long as there are jobs of it.
    package func retired(inventory: Inventory) throws -> Set<String> {
        let store = try store()
        return Set(
            try store.retirements().filter { id, stage in
                switch stage {
                case .begun: true
                case .finished(let at): try at > inventory.readAt || store.archive(pipeline: id)?["queues"] != nil
                }
            }.keys
        )
    }

    /// What is said of an id that no pipeline has.
    package static func noPipeline(_ id: String, _ known: some Sequence<String>) -> OperationFailure {
        let ids = known.sorted()
        var hint =
            "; known are \(ids.prefix(20).joined(separator: ", "))\(ids.count > 20 ? " and \(ids.count - 20) more" : "")"
        if ids.isEmpty { hint = ": there is none" }
        if let near = nearest(to: id, of: ids) { hint = "; did you mean “\(near)”?" }
        return OperationFailure(.usage, "there is no pipeline “\(id)”\(hint)")
    }

    /// The pipelines of those ids; all if none is named.
    ///
    /// - Throws: `OperationFailure` for an id that no pipeline has.
    package func chosen(_ ids: [String], of plan: Plan) throws -> [PlannedPipeline] {
        let known = Set(plan.pipelines.map(\.dag.id))
        if let unknown = ids.first(where: { !known.contains($0) }) {
            throw Workspace.noPipeline(unknown, known)
        }
        return plan.pipelines.filter { ids.isEmpty || ids.contains($0.dag.id) }
    }

    /// Those of them that no finding of error severity is about; the others are told, and do not hold these up.
    ///
    /// - Throws: `OperationFailure` for an id that no pipeline has, for a named one that cannot go on, if none can, and for a wrong mapping.
    package func unblocked(_ ids: [String], of plan: Plan) throws -> [PlannedPipeline] {
        if let mistake = plan.wrongMappings.first {
            throw OperationFailure(.doesNotHold, "a mapping is wrong: \(mistake.code): \(mistake.text) See bailey plan")
        }
        let chosen = try chosen(ids, of: plan)
        let blocked = plan.blocked
        let good = chosen.filter { blocked[$0.dag.id] == nil }
        let left = chosen.map(\.dag.id).filter { blocked[$0] != nil }
        for id in left {
            let finding = blocked[id]?.first
            tell("\(id) is left out: \(finding.map { "\($0.code): \($0.text)" } ?? "see bailey plan")")
        }
        if !ids.isEmpty, let id = left.first {
            throw OperationFailure(.doesNotHold, "\(id) has findings of error severity; see bailey plan")
        }
        if good.isEmpty, !plan.holds {
            throw OperationFailure(.doesNotHold, "the plan has findings of error severity; see bailey plan")
        }
        return good
    }
}
