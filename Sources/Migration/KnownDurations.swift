/// How long legacy's runs of a task took, from what is not legacy's own record of an entry: its workers' events, or their logs.
///
/// Neither says which entry a run was of, or who asked for it: what is known is known of the task.
public struct KnownDurations: Sendable, Hashable {
    /// What it is known from.
    public enum Witness: String, Sendable, Hashable, CaseIterable {
        /// Events that workers sent while Bailey listened.
        case events
        /// A worker's log that a person gave.
        case log = "worker-log"

        /// In words.
        public var words: String {
            switch self {
            case .events: "workers' events"
            case .log: "a worker's log"
            }
        }
    }

    /// What it is known from.
    public var witness: Witness
    /// Runs that succeeded at their first attempt, of which it is known how long they took.
    public var runs: Int
    /// The median in seconds.
    public var p50: Double
    /// The 95th percentile in seconds.
    public var p95: Double

    /// Of the seconds of runs; nil of none.
    public init?(_ seconds: [Double], witness: Witness) {
        let sorted = seconds.filter { $0.isFinite && $0 >= 0 }.sorted()
        guard !sorted.isEmpty else { return nil }
        self.witness = witness
        runs = sorted.count
        p50 = sorted[sorted.count / 2]
        p95 = sorted[min(sorted.count - 1, sorted.count * 95 / 100)]
    }
}
