public import Migration

/// The runs that a legacy system records: those it has kept, and those that end from now on. Only reads.
public protocol LegacyRuns: Sendable {
    /// The ended runs that legacy kept, the latest of each entry, oldest first.
    ///
    /// - Parameter limit: the most runs per entry.
    /// - Throws: `RedisError` or `PostgresError`.
    func recorded(limit: Int) async throws -> RecordedRuns

    /// Gives each run as it ends, until the task is cancelled.
    ///
    /// - Parameters:
    ///   - ready: called once nothing that ends from now on is missed.
    ///   - handle: takes each run.
    /// - Throws: `RedisError` or `PostgresError`, or what `handle` throws.
    func watch(ready: @Sendable () async -> Void, handle: @Sendable (Outcome) async throws -> Void) async throws
}

/// Runs that were recorded, and what could not be told of the others.
public struct RecordedRuns: Sendable {
    /// The runs, oldest first.
    public var outcomes: [Outcome]
    /// Records that belong to no known entry, by the reason.
    public var unattributed: [String: Int]

    /// Makes a record.
    public init(outcomes: [Outcome], unattributed: [String: Int] = [:]) {
        self.outcomes = outcomes
        self.unattributed = unattributed
    }
}
