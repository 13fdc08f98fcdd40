public import Migration

/// Shadows runs of legacy: finds the pipeline a run belongs to, has the same work run by an engine, and compares.
public struct ShadowSession: Sendable {
    private let engine: any ShadowEngine
    private let places: [EntryID: DAGDefinition]
    /// The rules of each task, made ready once.
    private let rules: [String: JSONComparison]

    /// A session over the pipelines of a plan.
    public init(pipelines: [DAGDefinition], engine: any ShadowEngine) {
        self.engine = engine
        var places: [EntryID: DAGDefinition] = [:]
        for dag in pipelines {
            for entry in dag.entries + [dag.workflow?.entry].compactMap({ $0 }) where places[entry] == nil {
                places[entry] = dag
            }
        }
        self.places = places
        var rules: [String: JSONComparison] = [:]
        for dag in pipelines {
            for task in dag.tasks { rules["\(dag.id)/\(task.id)"] = JSONComparison(rules: task.compare) }
        }
        self.rules = rules
    }

    /// The pipeline of the session that an entry belongs to.
    public func pipeline(of entry: EntryID) -> DAGDefinition? { places[entry] }

    /// Whether an entry belongs to a pipeline of the session.
    public func covers(_ entry: EntryID) -> Bool { places[entry] != nil }

    /// Runs in shadow what legacy ran, and compares; nil if the entry belongs to no pipeline.
    ///
    /// A run of the pipeline's driver is a run of the whole DAG; a run of another entry is one of its own tasks.
    /// - Throws: `CancellationError`; by then no child process is left. What the engine throws.
    public func shadow(_ legacy: Outcome) async throws -> Comparison? {
        guard let dag = places[legacy.key.entry], let part = ShadowPart(of: legacy, in: dag) else { return nil }
        switch try await engine.shadow(legacy, as: part) {
        case .outcome(let outcome, let effects):
            var comparison = OutcomeComparison.compare(
                legacy,
                outcome,
                pipeline: dag.id,
                values: rules["\(dag.id)/\(part.standing.id)"] ?? JSONComparison(rules: part.standing.compare),
                slowest: part.standing.compare.slowestRatio,
                isWhole: part.isWhole,
                isJob: part.isJob
            )
            effects.add(to: &comparison)
            return comparison
        case .nothing(let verdict, let reason):
            return Comparison(
                key: legacy.key,
                pipeline: dag.id,
                legacy: legacy,
                shadow: nil,
                verdict: verdict,
                reason: reason
            )
        }
    }
}
