import Migration
import Schedules

/// The runs of a system that records none: nothing is ever told.
struct NoRuns: LegacyRuns {
    let now: @Sendable () -> Instant

    func recorded(limit: Int) async throws -> RecordedRuns { RecordedRuns(outcomes: []) }

    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        await ready()
        while true {
            try await handle(.current(now()))
            try await Task.sleep(for: .seconds(1))
        }
    }
}
