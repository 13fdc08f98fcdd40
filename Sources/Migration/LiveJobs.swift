public import Schedules

/// One job that a run of a DAG took and ended.
public struct LiveJob: Sendable, Hashable {
    /// The job type.
    public var type: String
    /// The job's id.
    public var job: String
    /// The DAG run: `<dag_id>/<run_id>`.
    public var run: String
    /// When it ended.
    public var endedAt: Instant
    /// Whether it did what it should. An attempt that legacy's rules repeat has failed too.
    public var succeeded: Bool

    /// Makes a job.
    public init(type: String, job: String, run: String, endedAt: Instant, succeeded: Bool) {
        self.type = type
        self.job = job
        self.run = run
        self.endedAt = endedAt
        self.succeeded = succeeded
    }
}

/// What automatic rollback of job types is decided by.
public struct LiveJobEvidence: Sendable {
    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at.
    public var now: Instant
    /// The jobs that ended since its types were moved, in any order.
    public var jobs: [LiveJob]
    /// The job that has waited longest for a run, of those that are due: its id and since when.
    public var oldest: (job: String, since: Instant)?
    /// Comparisons made since the types were moved.
    public var comparisons: [Comparison]

    /// Makes evidence.
    public init(
        pipeline: String,
        now: Instant,
        jobs: [LiveJob],
        oldest: (job: String, since: Instant)?,
        comparisons: [Comparison]
    ) {
        self.pipeline = pipeline
        self.now = now
        self.jobs = jobs
        self.oldest = oldest
        self.comparisons = comparisons
    }
}

extension CutoverPolicy {
    /// The fulfilled conditions of automatic rollback of job types. A failed run is here a failed attempt of a job.
    public func rollbackReasons(_ live: LiveJobEvidence) -> [RollbackReason] {
        var reasons: [RollbackReason] = []
        if let limit = rollback.failedRuns {
            let row = live.jobs.sorted { $0.endedAt > $1.endedAt }.prefix { !$0.succeeded }
            if row.count >= limit, let newest = row.first {
                reasons.append(
                    RollbackReason(
                        kind: .failedRuns,
                        event: "\(newest.run) \(newest.job)",
                        text:
                            "the newest \(row.count == 1 ? "job" : "\(row.count) jobs") failed, at last \(newest.job) of \(newest.type) in \(newest.run)"
                    )
                )
            }
        }
        if let limit = rollback.lateBy, let oldest = live.oldest, live.now.seconds(since: oldest.since) > limit {
            reasons.append(
                RollbackReason(
                    kind: .late,
                    event: oldest.job,
                    text:
                        "no run has taken the job \(oldest.job), due since \(oldest.since.iso8601), within \(lengthOfTime(limit))"
                )
            )
        }
        return reasons + [mismatch(live.comparisons)].compactMap { $0 }
    }
}
