public import Migration

/// What a DAG file must know of a source, by the source's name in `bailey.yaml`.
public enum DAGSource: Sendable, Hashable {
    /// Redis with RedBeat's keys under a prefix; `ownResults` is whether Celery's results are in another Redis.
    case redbeat(prefix: String, ownResults: Bool)
    /// A PostgreSQL queue, and how a DAG that has job types of it to itself takes their jobs; nil if it cannot.
    case queue(QueueStatements?)

    var isQueue: Bool { if case .queue = self { true } else { false } }
}

/// The legacy entries that a DAG's gate asks for.
struct GateSubject {
    /// The RedBeat source, and its entries: the first decides. Empty where no RedBeat entry is concerned.
    let source: String?
    let prefix: String
    let entries: [EntryID]
    /// Job types, where no RedBeat entry is concerned.
    let jobTypes: [EntryID]

    init(_ dag: DAGDefinition, sources: [String: DAGSource]) {
        // An entry of a source that is not known is asked for all the same: no answer never means go.
        let redbeat = dag.entries.filter { sources[$0.source]?.isQueue != true }
        source = redbeat.first?.source
        entries = redbeat.filter { $0.source == redbeat.first?.source }
        if let source, case .redbeat(let found, _)? = sources[source] { prefix = found } else { prefix = "redbeat:" }
        jobTypes = dag.entries.filter { sources[$0.source]?.isQueue == true }
    }
}
