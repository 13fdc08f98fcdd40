public import Schedules

/// What an operation needs from around it, passed in so that it runs the same in a command, a page and a test.
public struct Surroundings: Sendable {
    /// This machine's clock.
    public var now: @Sendable () -> Instant
    /// Waits so many seconds; throws `CancellationError` when the work is to end.
    public var sleep: @Sendable (Double) async throws -> Void
    /// Takes a line of progress or advice for the person who waits. It holds no secret.
    public var tell: @Sendable (String) -> Void

    /// Makes surroundings.
    public init(
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void,
        tell: @escaping @Sendable (String) -> Void
    ) {
        self.now = now
        self.sleep = sleep
        self.tell = tell
    }
}
