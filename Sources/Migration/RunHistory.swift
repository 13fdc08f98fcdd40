public import Schedules

/// What a legacy system recorded of one entry's runs, as totals. A figure that the system does not record is nil, never zero.
public struct RunHistory: Sendable, Hashable {
    /// Runs that ended, well or badly.
    public var runs: Int
    /// Runs that ended in success.
    public var succeeded: Int
    /// Runs that ended in failure.
    public var failed: Int
    /// Runs by every state word seen, in the legacy system's own words.
    public var states: [String: Int]
    /// Median duration in seconds; nil when no start is recorded.
    public var p50: Double?
    /// 95th percentile of the duration in seconds; nil when no start is recorded.
    public var p95: Double?
    /// Retries per run, on average; nil when not recorded.
    public var retriesPerRun: Double?
    /// When the earliest recorded run ended or started.
    public var first: Instant?
    /// When the latest recorded run ended or started.
    public var last: Instant?
    /// When the latest runs ended, oldest first, where the source tells (at most 500).
    public var ended: [Instant]
    /// When the latest jobs were put in line, oldest first, where the source tells (at most 500).
    public var arrived: [Instant] = []
    /// Median time in seconds that a job waited until a worker began it; nil when not recorded.
    public var waitP50: Double?
    /// 95th percentile of that time.
    public var waitP95: Double?
    /// Why the figures may mislead (a bias of the source, rows left out), one sentence each.
    public var caveats: [String]

    /// Makes a history.
    public init(
        runs: Int,
        succeeded: Int,
        failed: Int,
        states: [String: Int] = [:],
        p50: Double? = nil,
        p95: Double? = nil,
        retriesPerRun: Double? = nil,
        first: Instant? = nil,
        last: Instant? = nil,
        ended: [Instant] = [],
        caveats: [String] = []
    ) {
        self.runs = runs
        self.succeeded = succeeded
        self.failed = failed
        self.states = states
        self.p50 = p50
        self.p95 = p95
        self.retriesPerRun = retriesPerRun
        self.first = first
        self.last = last
        self.ended = ended
        self.caveats = caveats
    }

    /// The share of ended runs that succeeded, 0…1; nil when none ended.
    public var successRate: Double? { runs == 0 ? nil : Double(succeeded) / Double(runs) }
}
