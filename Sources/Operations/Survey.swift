package import Cutover
import Foundation
import LosslessJSON
package import Migration
import Schedules
import Settings
package import Store

/// Everything that can be learnt of all pipelines at once, whatever is missing.
package struct Survey: Sendable {
    package let workspace: Workspace
    package let store: Known<StateStore>
    /// The latest inventory and its plan; nil if there is none.
    package let planned: (inventory: Inventory, plan: Plan)?
    /// The bridges of the sources.
    let bridges: [any Bridge]
    /// What pipelines have of ticks by the switches, by pipeline.
    let taken: [String: any Crossing]
    /// What pipelines have taken over beside that under the same name, and is not legacy's.
    let doubles: [any Crossing]
    /// What was closed and is held by no switch: nobody runs it.
    package let lost: [LostWork]
    /// How much each source may forget; none of one that cannot be read.
    let durabilities: [String: PolicyEvidence.Durability]
    /// Sources whose switches could not be read, and why.
    let blind: [String: String]
    /// What could not be read, one sentence each.
    package let unknowns: [String]
    /// Why Bailey's own state or the plan is not known, where something is wrong; that nothing was imported yet is nothing wrong.
    let fault: String?
    /// What mappings say, where there is no plan to say it.
    let mappedPolicies: [String: CutoverPolicy]
    /// The pipelines that are Airflow's by the journal.
    private let journaled: [String: JournaledOwnership]
    let index: EvidenceIndex?

    package init(_ workspace: Workspace) async {
        self.workspace = workspace
        let store = workspace.knownStore()
        self.store = store
        var unknowns: [String] = []
        var fault: String?
        if case .unknown(let why) = store {
            unknowns.append(why)
            fault = why
        }
        var planned: (Inventory, Plan)?
        do {
            if case .known(let store) = store, let inventory = try store.latestInventory() {
                planned = (inventory, try workspace.plan(inventory))
            } else if fault == nil {
                unknowns.append("there is no inventory, so only pipelines with a switch are shown; run bailey import")
            }
        } catch {
            unknowns.append("\(error)")
            fault = "\(error)"
        }
        self.fault = fault
        mappedPolicies = planned == nil ? workspace.mappedPolicies() : [:]
        bridges = workspace.bridges(
            known: store,
            // Where it cannot be opened a substitute takes what is done.
            journal: { try store.value ?? workspace.storeOrSubstitute() }
        )
        let ids = planned?.1.pipelines.map(\.dag.id) ?? []
        journaled = Survey.journaled(ids, store)
        var taken: [String: any Crossing] = [:]
        var doubles: [any Crossing] = []
        var lost: [LostWork] = []
        var blind: [String: String] = [:]
        var durabilities: [String: PolicyEvidence.Durability] = [:]
        for bridge in bridges where bridge.cargo == .ticks {
            do {
                for crossing in try await bridge.allTaken() {
                    switch taken[crossing.pipeline] {
                    case let other? where !other.isResting:
                        let isSame = other.location == crossing.location && other.members == crossing.members
                        if !crossing.isResting, !isSame { doubles.append(crossing) }
                    case _: taken[crossing.pipeline] = crossing
                    }
                }
                durabilities[bridge.source] = try await bridge.durability()
                lost += try await bridge.lost(
                    planned?.1.pipelines.map(\.dag) ?? [],
                    planned?.0,
                    journaled: journaled
                )
            } catch {
                blind[bridge.source] = "\(error)"
                unknowns.append("\(error)")
            }
        }
        self.planned = planned
        index = planned.map { [store] in EvidenceIndex(workspace, plan: $1, inventory: $0, store: store) }
        self.taken = taken
        self.doubles = doubles
        self.lost = lost
        self.durabilities = durabilities
        self.blind = blind
        self.unknowns = unknowns
    }

    /// Who owned pipelines by the journal, of those that were Airflow's.
    private static func journaled(_ ids: [String], _ store: Known<StateStore>) -> [String: JournaledOwnership] {
        // Most pipelines have no line in the journal: they are not asked for one by one.
        let kept = Workspace.stored(store) { try $0.pipelinesKept().journaled }.value
        return ids.reduce(into: [:]) { found, id in
            guard kept?.contains(id) ?? true else { return }
            let known = Workspace.stored(store) { try $0.journaledOwnership(id) }.value
            if let known, known.isAirflows { found[id] = known }
        }
    }

    /// The pipelines of the plan and of the switches, by id; rehearsals are none.
    package var pipelines: [String] {
        Set((planned?.plan.pipelines.map(\.dag.id) ?? []) + taken.keys).filter { !Rehearsal.isCopy($0) }.sorted()
    }

    /// Those of them that the plan has.
    package func planned(_ ids: [String]) -> [PlannedPipeline] { ids.compactMap(plannedPipeline) }

    func plannedPipeline(_ id: String) -> PlannedPipeline? { index?.pipeline(id) }

    /// What has to be looked after on a bridge of ticks: what pipelines took over by the switches, and what they did by the journal where no
    /// switch says so any more.
    func watched(on bridge: any Bridge) -> [any Crossing] {
        guard blind[bridge.source] == nil else { return [] }
        let forgotten = journaled.filter { taken[$0.key] == nil }.compactMap {
            bridge.crossing(of: $0.key, journaled: $0.value)
        }
        return ((Array(taken.values) + doubles).filter { $0.source == bridge.source } + forgotten).filter {
            !Rehearsal.isCopy($0.pipeline)
        }
    }

    /// What is lost of a pipeline; nil if nothing is.
    func lost(_ pipeline: String) -> String? {
        let mine = lost.filter { $0.pipeline == pipeline }
        return mine.isEmpty ? nil : mine.map(\.text).joined(separator: "; ")
    }

    /// The crossings of a pipeline: of ticks what it took over, else what it would; of jobs what it would.
    ///
    /// - Throws: `Refusal` where its ticks cannot be taken over, and were not.
    func ticks(_ id: String) throws -> (any Crossing)? {
        if let crossing = taken[id] { return crossing }
        guard let planned, let dag = plannedPipeline(id)?.dag else { return nil }
        return try workspace.crossings(of: dag, planned.inventory, bridges.filter { $0.cargo == .ticks }).first
    }

    func jobs(_ id: String) -> [any Crossing] {
        guard let planned, let dag = plannedPipeline(id)?.dag else { return [] }
        return bridges.compactMap { bridge in
            bridge.cargo == .jobs ? (try? bridge.crossing(of: dag, in: planned.inventory)) ?? nil : nil
        }
    }
}
