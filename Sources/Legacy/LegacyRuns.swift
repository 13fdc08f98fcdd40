public import Migration
public import Schedules

/// The runs that a legacy system records: those it has kept, and those that end from now on. Only reads.
public protocol LegacyRuns: Sendable {
    /// The ended runs that legacy kept, the latest of each entry, oldest first.
    ///
    /// - Parameter limit: the most runs per entry.
    /// - Throws: `RedisError` or `PostgresError`.
    func recorded(limit: Int) async throws -> RecordedRuns

    /// What the scheduler's clock says now; nothing of a system that has none.
    ///
    /// - Throws: `RedisError` or `PostgresError`.
    func clockNow() async throws -> [ClockSighting]

    /// Gives each run as it ends, until the task is cancelled, and says when it may have missed one.
    ///
    /// A fault of the source does not end it: it goes on as soon as the source answers, first with what the source has kept meanwhile.
    /// - Parameters:
    ///   - since: until when nothing had been missed before; what ended later is given first. Nil begins now.
    ///   - ready: called once nothing that ends from now on is missed.
    ///   - handle: takes each event; called from several tasks at once.
    /// - Throws: what `handle` throws, or `CancellationError`.
    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws
}

extension LegacyRuns {
    /// Nothing.
    public func clockNow() async throws -> [ClockSighting] { [] }
}

/// What watching a legacy system shows.
public enum LegacyEvent: Sendable {
    /// A run has ended. The same run may come more than once.
    case run(Outcome, ObservedRun)
    /// What the scheduler's clock says.
    case clock([ClockSighting])
    /// Until then nothing was missed, but in the gaps that were told.
    case current(Instant)
    /// What ended between two instants may have been missed; what the source has kept of it is given as well.
    case gap(from: Instant, until: Instant, reason: String)
    /// The source does not answer, for this reason.
    case silent(String)
    /// A run that ended and is that of no entry, for this reason.
    case leftOut(String)
    /// A record that nobody can read.
    case unread(record: String, reason: String)
}

/// Runs that were recorded, and what could not be told of the others.
public struct RecordedRuns: Sendable {
    /// The runs, oldest first.
    public var outcomes: [Outcome]
    /// What is known of them as runs, in the same order.
    public var runs: [ObservedRun] = []
    /// Records that belong to no known entry, by the reason.
    public var unattributed: [String: Int]
    /// Records that nobody can read, and why.
    public var unread: [String: String] = [:]
    /// How many runs of an entry are recorded beside those, which are older.
    public var older: [EntryID: Int] = [:]
    /// What the scheduler's clock says.
    public var clock: [ClockSighting] = []

    /// Makes a record.
    public init(outcomes: [Outcome], unattributed: [String: Int] = [:]) {
        self.outcomes = outcomes
        self.unattributed = unattributed
    }
}
