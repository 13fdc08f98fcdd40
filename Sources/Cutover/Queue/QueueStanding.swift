public import Migration

/// Where the jobs of one type stand: the switch, and how many rows are where.
public struct QueueStanding: Sendable, Hashable {
    /// How far the bridge of a type has been taken away.
    public enum Retirement: String, Sendable, Hashable, CaseIterable {
        /// Its DAG has no gate any more, or is about to have none.
        case begun
        /// Its jobs wait for a DAG that asks no switch.
        case finished
    }

    /// The job type.
    public var type: String
    /// Who takes its jobs.
    public var state: SwitchState
    /// The share of jobs that is Airflow's, in percent; 0 for `legacy`.
    public var share: Int
    /// The switch's fence; 0 if there is no switch.
    public var fence: Int64
    /// The pipeline that it was closed for, and who did it.
    public var pipeline: String?
    public var by: String?
    /// Whether rows may still come to be held that were decided before the last giving back.
    public var isSwept: Bool
    /// How far its bridge has been taken away; nil if it stands.
    public var retirement: Retirement?
    /// Rows that wait and that would be held: legacy has not begun them, and they lie in the share.
    public var waiting: Int = 0
    /// Rows that wait outside the share.
    public var outside: Int = 0
    /// Rows that legacy has begun and that wait for a retry: they stay legacy's.
    public var retries: Int = 0
    /// Rows that are held, and how many of them are due.
    public var held: Int = 0
    public var due: Int = 0
    /// Rows that a run has taken and not finished.
    public var claimed: Int = 0
    /// Rows of the share that a legacy worker runs, and those that it began so long ago that it must have died.
    public var running: Int = 0
    public var stuck: Int = 0
    /// Why the rows could not be counted: the table has changed, or a right is missing. The numbers, but for `held`, are 0 then, and `held` is what could be seen.
    public var trouble: String?
}

/// A job type that needs the switch of its queue.
public struct QueueUse: Sendable, Hashable {
    /// The job type.
    public var type: String
    /// The pipeline that it was moved for.
    public var pipeline: String
    /// Who takes its jobs.
    public var state: SwitchState
    /// The switch's fence.
    public var fence: Int64
    /// Whether rows may still come to be held that were decided before the last giving back.
    public var isSwept: Bool
    /// Whether its DAG has no gate any more, or is about to have none.
    public var isRetiring: Bool
    /// How many jobs runs have taken and not finished.
    public var claimed: Int

    /// One clause.
    public var text: String {
        let owner = state == .legacy ? "was given back" : "is \(state.rawValue)"
        return "\(type) of \(pipeline) \(owner)\(claimed > 0 ? ", and runs have \(claimed) of its jobs" : "")"
    }
}

/// Jobs that one DAG run has taken and not finished.
public struct QueueClaims: Sendable, Hashable {
    /// The job type.
    public var type: String
    /// `<dag_id>/<run_id>`.
    public var run: String
    /// How many.
    public var count: Int
    /// When it took the first of them, as the server writes it, UTC.
    public var since: String
    /// How many seconds ago that was, and whether that is longer than a legacy worker is believed alive.
    public var seconds: Double
    public var isOverdue: Bool
}

/// What `settle` says.
public enum QueueSettling: Sendable, Hashable {
    /// What is waited for.
    public enum Reason: String, Sendable, Hashable {
        /// Rows that wait are not held yet; how many.
        case pending
        /// Transactions that began before the type closed have not ended.
        case transactions
        /// Legacy workers run jobs; how many.
        case running
        /// No worker has run anything for less than the pause; seconds left.
        case pause
    }

    /// Airflow's from now on, or already.
    case settled
    /// Ask again.
    case waiting(Reason, Int)
    /// Somebody else has moved the type meanwhile.
    case changed
}
