import Legacy
package import Migration
import Schedules
package import Store

/// What a plan, its inventory and Bailey's own state hold of each pipeline, found without looking through all of them: made once for all
/// pipelines of a command, so that ten thousand cost ten times what a thousand do.
package struct EvidenceIndex: Sendable {
    package let plan: Plan
    package let inventory: Inventory
    package let store: Known<StateStore>
    private let pipelines: [String: Int]
    /// Findings of a pipeline, of an entry, and of neither, as places in the plan's list.
    private let findingsOfPipelines: [String: [Int]]
    private let findingsOfEntries: [EntryID: [Int]]
    private let findingsOfAll: [Int]
    /// Why the runs of entries cannot be observed, by entry.
    let observerDefects: [EntryID: [String]]
    /// The pipelines of which Bailey's state keeps anything; nil where that could not be learnt.
    private let kept: StoredPipelines?

    /// Looks through everything once.
    package init(_ workspace: Workspace, plan: Plan, inventory: Inventory, store: Known<StateStore>) {
        self.plan = plan
        self.inventory = inventory
        self.store = store
        pipelines = Dictionary(
            plan.pipelines.enumerated().map { ($1.dag.id, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        var (ofPipelines, ofEntries, ofAll): ([String: [Int]], [EntryID: [Int]], [Int]) = ([:], [:], [])
        for (place, finding) in plan.findings.enumerated() {
            if let pipeline = finding.pipeline { ofPipelines[pipeline, default: []].append(place) }
            if let entry = finding.entry { ofEntries[entry, default: []].append(place) }
            if finding.pipeline == nil, finding.entry == nil { ofAll.append(place) }
        }
        (findingsOfPipelines, findingsOfEntries, findingsOfAll) = (ofPipelines, ofEntries, ofAll)
        observerDefects = workspace.systems.reduce(into: [:]) { found, system in
            found.merge(system.observerDefects(in: inventory)) { $0 + $1 }
        }
        kept = Workspace.stored(store) { try $0.pipelinesKept() }.value
    }

    /// A pipeline of the plan.
    package func pipeline(_ id: String) -> PlannedPipeline? { pipelines[id].map { plan.pipelines[$0] } }

    /// What the plan found of a pipeline and its entries, or of none, in the plan's order.
    ///
    /// - Parameter ofSources: whether what is of none counts, as it does not for a pipeline that has nothing in any source.
    func findings(of dag: DAGDefinition, ofSources: Bool = true) -> [Finding] {
        var places = Set(findingsOfPipelines[dag.id] ?? [])
        for entry in dag.entries { places.formUnion(findingsOfEntries[entry] ?? []) }
        if ofSources { places.formUnion(findingsOfAll) }
        return places.sorted().map { plan.findings[$0] }
    }

    // MARK: What Bailey's state keeps

    /// The comparisons of a pipeline that count: those of ticks and jobs under the present form of its mapping, the newest that any rule of its
    /// policy asks for.
    func comparisons(_ id: String) -> Known<[Comparison]> {
        if let kept, !kept.compared.contains(id) { return .known([]) }
        let planned = pipeline(id)
        let wanted = planned.map { max($0.policy.comparedTicks, $0.policy.inARow, 100) * max(1, $0.dag.entries.count) }
        return Workspace.stored(store) { store in
            try store.comparisons(
                pipeline: id,
                form: planned?.dag.form,
                counting: true,
                limitPerPipeline: (wanted ?? 100) * 5
            )
        }
    }

    /// How much of each entry's runs was seen and compared.
    func coverage(_ workspace: Workspace, _ dag: DAGDefinition, _ entries: [EntryID]) -> Known<[Coverage]> {
        if let kept, !kept.compared.contains(dag.id) { return .known([]) }
        return Workspace.stored(store) { store in
            try entries.compactMap { inventory[$0] }.map { try workspace.coverage($0, dag, store) }
        }
    }

    /// The rehearsals of a pipeline.
    func rehearsals(_ pipeline: String) -> Known<[Rehearsal]> {
        if let kept, !kept.rehearsed.contains(pipeline) { return .known([]) }
        return Workspace.stored(store) { try $0.rehearsals(pipeline: pipeline) }
    }

    /// The newest line of a pipeline's journal about an operation.
    func lastLine(_ pipeline: String, _ operation: String) -> JournalLine? {
        if let kept, !kept.journaled.contains(pipeline) { return nil }
        return Workspace.stored(store) { try $0.journal(pipeline: pipeline, operation: operation, limit: 1).last }.value
            ?? nil
    }

    /// The newest line of a pipeline's journal about a step of an operation.
    func lastLine(_ pipeline: String, _ operation: String, _ step: JournalStep) -> JournalLine? {
        if let kept, !kept.journaled.contains(pipeline) { return nil }
        return Workspace.stored(store) {
            try $0.journal(pipeline: pipeline, operation: operation).last { $0.step == step }
        }.value ?? nil
    }

    /// How far the bridge of a pipeline has been taken away.
    func retirement(_ pipeline: String) -> RetirementStage? {
        if let kept, !kept.journaled.contains(pipeline) { return nil }
        return Workspace.stored(store) { try $0.retirement(pipeline: pipeline) }.value ?? nil
    }
}
