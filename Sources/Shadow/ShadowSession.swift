import LosslessJSON
public import Migration
import Schedules

/// Shadows runs of legacy: finds the pipeline a run belongs to, runs the same work on the engine, and compares.
public struct ShadowSession: Sendable {
    private let engine: EmbeddedEngine
    private let places: [EntryID: DAGDefinition]

    /// A session over the pipelines of a plan.
    public init(pipelines: [DAGDefinition], engine: EmbeddedEngine) {
        self.engine = engine
        var places: [EntryID: DAGDefinition] = [:]
        for dag in pipelines { for entry in dag.entries where places[entry] == nil { places[entry] = dag } }
        self.places = places
    }

    /// Whether an entry belongs to a pipeline of the session.
    public func covers(_ entry: EntryID) -> Bool { places[entry] != nil }

    /// Runs in shadow what legacy ran, and compares; nil if the entry belongs to no pipeline.
    ///
    /// A run of the pipeline's driver is a run of the whole DAG; a run of another entry is one of its own tasks.
    /// - Throws: `CancellationError`; by then no child process is left.
    public func shadow(_ legacy: Outcome) async throws -> Comparison? {
        guard let dag = places[legacy.key.entry] else { return nil }
        let own = dag.tasks.filter { $0.entry == legacy.key.entry }
        let isDriver = dag.clock.driver == legacy.key.entry
        var tasks = isDriver || own.isEmpty ? dag.tasks : own
        if !isDriver, !own.isEmpty { for index in tasks.indices { tasks[index].after = [] } }
        let isJob = legacy.key.tick == nil && own.contains { if case .queue = $0.body { true } else { false } }
        let run = try await engine.run(tasks, payload: isJob ? legacy.arguments : nil)
        let standing = own.last ?? tasks.last
        guard let standing, let ended = run.tasks.first(where: { $0.task == standing.id }) else { return nil }
        var outcome = Outcome(
            key: legacy.key,
            side: .shadow,
            task: standing.id,
            run: "shadow/\(dag.id)/\(legacy.run)",
            state: state(ended, run, own.isEmpty)
        )
        outcome.arguments = arguments(standing, legacy: legacy)
        outcome.start = run.tasks.compactMap(\.start).min()
        outcome.end = run.tasks.compactMap(\.end).max()
        outcome.attempts = ended.attempts == 0 ? nil : ended.attempts
        outcome.result = own.isEmpty ? nil : ended.result
        outcome.error = ended.error ?? run.tasks.first { $0.error != nil }?.error
        return OutcomeComparison.compare(
            legacy,
            outcome,
            pipeline: dag.id,
            rules: standing.compare,
            isWhole: own.isEmpty
        )
    }

    private func state(_ ended: EmbeddedEngine.TaskRun, _ run: EmbeddedEngine.DAGRun, _ whole: Bool) -> Outcome.State {
        if whole {
            if run.tasks.allSatisfy(\.observedOnly) { return .observed }
            return run.succeeded ? .success : .failed
        }
        if ended.observedOnly { return .observed }
        switch ended.state {
        case .success: return .success
        case .skipped: return .skipped
        default: return .failed
        }
    }

    /// What the shadow task was called with, in the legacy outcome's shape.
    private func arguments(_ task: TaskDefinition, legacy: Outcome) -> JSON {
        func call(_ args: JSON, _ kwargs: JSON) -> JSON {
            ["args": args.isNull ? [] : args, "kwargs": kwargs.isNull ? [:] : kwargs]
        }
        switch task.body {
        case .celery(let celery): return call(celery.args, celery.kwargs)
        case .python(let python): return task.entry == nil ? legacy.arguments : call(python.args, python.kwargs)
        case .queue, .command, .untranslatable: return legacy.arguments
        }
    }
}
