public import Migration

/// Where the tasks of one run stand, and which may start: Airflow's rules, without any clock or process.
public struct DAGProgress: Sendable {
    private let tasks: [TaskDefinition]
    /// The state of each task.
    public private(set) var states: [String: RunState]
    /// The tasks that Airflow shows as skipped because they were only observed.
    private var observed: Set<String> = []

    /// The start of a run: all tasks wait.
    public init(_ tasks: [TaskDefinition]) {
        self.tasks = tasks
        states = Dictionary(tasks.map { ($0.id, RunState.queued) }, uniquingKeysWith: { first, _ in first })
        settle()
    }

    /// The tasks that may start now, the highest priority first.
    public var ready: [TaskDefinition] {
        tasks.filter { states[$0.id] == .queued && decision($0) == .start }.sorted { $0.priority > $1.priority }
    }

    /// Whether the run as a whole succeeded: none of its last tasks failed (Airflow looks at the leaves alone).
    public var succeeded: Bool {
        let before = Set(tasks.flatMap(\.after))
        return tasks.filter { !before.contains($0.id) }.allSatisfy {
            states[$0.id] == .success || states[$0.id] == .skipped
        }
    }

    /// Notes that a task runs.
    public mutating func start(_ id: String) { states[id] = .running }

    /// Notes how a task ended, and what follows for those that wait for it.
    ///
    /// - Parameter isObserved: whether no body ran, and nothing is known but that it would have.
    public mutating func end(_ id: String, _ state: RunState, observed isObserved: Bool = false) {
        states[id] = state
        if isObserved, tasks.first(where: { $0.id == id })?.body.isSkippedWhereObserved == true { observed.insert(id) }
        settle()
    }

    private enum Decision { case wait, start, skip, fail }

    /// Gives a final state to tasks that can never start.
    private mutating func settle() {
        var changed = true
        while changed {
            changed = false
            for task in tasks where states[task.id] == .queued {
                switch decision(task) {
                case .skip: states[task.id] = .skipped
                case .fail: states[task.id] = .upstreamFailed
                case .wait, .start: continue
                }
                changed = true
            }
        }
    }

    /// Airflow 3.3's trigger rules.
    private func decision(_ task: TaskDefinition) -> Decision {
        // A task that asks for success alone goes on after one that was only observed; to other rules that one is skipped, as in Airflow.
        let before = task.after.compactMap { id -> RunState? in
            observed.contains(id) && task.triggerRule != .allSuccess ? .skipped : states[id]
        }
        if before.isEmpty { return .start }
        let done = before.allSatisfy { $0 != .queued && $0 != .running }
        let failed = before.contains { $0 == .failed || $0 == .upstreamFailed }
        let skipped = before.contains(.skipped)
        let success = before.contains(.success)
        switch task.triggerRule {
        case .allSuccess: return failed ? .fail : skipped ? .skip : done ? .start : .wait
        case .allFailed: return success || skipped ? .skip : done ? .start : .wait
        case .allDone: return done ? .start : .wait
        case .oneSuccess: return success ? .start : !done ? .wait : failed ? .fail : .skip
        case .oneFailed: return failed ? .start : done ? .skip : .wait
        case .oneDone: return success || before.contains(.failed) ? .start : done ? .skip : .wait
        case .noneFailed: return failed ? .fail : done ? .start : .wait
        case .noneSkipped: return skipped ? .skip : done ? .start : .wait
        case .noneFailedMinOneSuccess: return failed ? .fail : !done ? .wait : success ? .start : .skip
        case .always: return .start
        }
    }
}
