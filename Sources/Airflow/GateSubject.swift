import Migration

/// The legacy entries that a DAG's gate asks for.
struct GateSubject {
    /// The source whose entries have a clock, and those entries: the first decides. Empty where there is none.
    let source: String?
    let prefix: String
    let entries: [EntryID]
    /// The gate that the source brings; nil for the runtime's.
    let own: DAGSource.GateClass?
    /// Whether no switch can be asked of some entry, so that legacy owns every tick.
    let isUnswitched: Bool
    /// Job types, where no entry with a clock is concerned.
    let jobTypes: [EntryID]

    init(_ dag: DAGDefinition, sources: [String: DAGSource]) {
        // An entry of a source that is not known is asked for all the same: no answer never means go.
        let timed = dag.entries.filter { sources[$0.source]?.isQueue != true }
        let first = timed.first { sources[$0.source] == .unswitched } ?? timed.first
        source = first?.source
        entries = timed.filter { $0.source == first?.source }
        if let source, case .redbeat(let found, _, _)? = sources[source] { prefix = found } else { prefix = "redbeat:" }
        isUnswitched = timed.contains { sources[$0.source] == .unswitched }
        own = isUnswitched ? nil : source.flatMap { sources[$0]?.gate }
        jobTypes = dag.entries.filter { sources[$0.source]?.isQueue == true }
    }
}
