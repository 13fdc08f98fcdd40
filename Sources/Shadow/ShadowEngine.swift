public import Migration

/// Runs in shadow what legacy ran. The engines differ in where; what comes back is compared in one way.
public protocol ShadowEngine: Sendable {
    /// Runs the work of a legacy run, or finds the run that stands for it.
    ///
    /// - Throws: `CancellationError`, or an error of the system that runs it.
    func shadow(_ legacy: Outcome, as part: ShadowPart) async throws -> ShadowAnswer
}

/// What of a pipeline stands for a legacy run: the whole DAG for its driver, else the entry's own tasks.
public struct ShadowPart: Sendable {
    /// The pipeline.
    public let dag: DAGDefinition
    /// The tasks that count, with what they wait for among themselves.
    public let tasks: [TaskDefinition]
    /// The task whose outcome is compared.
    public let standing: TaskDefinition
    /// Whether no single task stands for the entry, so that only the run as a whole can be compared.
    public let isWhole: Bool
    /// Whether the entry is a job type, whose task gets the job's payload.
    public let isJob: Bool

    /// Whether the run is one of a workflow, whose stages are compared one by one.
    public let isWorkflow: Bool

    /// What stands for a run of an entry; nil if the DAG has no task.
    init?(of legacy: Outcome, in dag: DAGDefinition) {
        let own = dag.tasks.filter { $0.entry == legacy.key.entry }
        let isDriver = dag.clock.driver == legacy.key.entry
        var tasks = isDriver || own.isEmpty ? dag.tasks : own
        if !isDriver, !own.isEmpty { for index in tasks.indices { tasks[index].after = [] } }
        let last = dag.workflow.flatMap { workflow in tasks.last { $0.id == workflow.stages.last } }
        guard let standing = own.last ?? last ?? tasks.last else { return nil }
        self.dag = dag
        self.tasks = tasks
        self.standing = standing
        isWorkflow = dag.workflow?.entry == legacy.key.entry
        isWhole = own.isEmpty && !isWorkflow
        isJob = legacy.key.tick == nil && own.contains { if case .queue = $0.body { true } else { false } }
    }
}

/// What became of a shadow run.
public enum ShadowAnswer: Sendable {
    /// It ended.
    case outcome(Outcome, effects: EffectFindings = EffectFindings())
    /// There is nothing to compare.
    case nothing(Comparison.Verdict, reason: String)
}
