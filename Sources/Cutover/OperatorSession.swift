import LosslessJSON
public import Schedules
public import Store

/// One operator at work on one pipeline: holds its lock, writes its journal.
public struct OperatorSession: Sendable {
    private let store: StateStore
    private let pipeline: String
    private let operation: String
    private let now: @Sendable () -> Instant
    private let sleep: @Sendable (Double) async throws -> Void
    private let note: @Sendable (String) -> Void

    /// Seconds between two signs of life.
    private static let heartbeat = 20.0

    /// A session that is not begun yet.
    ///
    /// - Parameters:
    ///   - operation: `cutover`, `rollback`, …
    ///   - note: takes sentences for people: whose lock was taken over, what is half done.
    public init(
        store: StateStore,
        pipeline: String,
        operation: String,
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void,
        note: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.pipeline = pipeline
        self.operation = operation
        self.now = now
        self.sleep = sleep
        self.note = note
    }

    /// Takes the lock, does the work, lets go of the lock.
    ///
    /// - Throws: `Refusal` (`at-work`) if somebody else holds it, `StoreError`, or what the work throws.
    public func run<Value: Sendable>(_ work: @escaping @Sendable (Journal) async throws -> Value) async throws -> Value
    {
        var numbers = SystemRandomNumberGenerator()
        let token = String(numbers.next() as UInt64, radix: 36)
        let holder = OperatorLock.Holder.current(token: token, operation: operation)
        let lock = OperatorLock(store: store, pipeline: pipeline, holder: holder)
        let journal = Journal(
            store: store,
            pipeline: pipeline,
            operation: operation,
            token: token,
            by: holder.by,
            now: now
        )
        switch try lock.take(at: now()) {
        case .taken: break
        case .takenOver(let other, let since):
            let broken = try store.journal(pipeline: pipeline, limit: 20).last { $0.token == other.token }
            let place = broken.map { ", broken off \($0.phase.rawValue) the step “\($0.step.rawValue)”" } ?? ""
            note(
                "\(other.by) began a \(other.operation) of \(pipeline) at \(since.iso8601) and is dead\(place); what is true in the legacy system decides"
            )
        case .held(let other, let since):
            throw Refusal(
                .atWork,
                "\(other.by) is at work on \(pipeline) since \(since.iso8601) (\(other.operation))",
                "Wait until that has ended; if it hangs, end that process, and run the command again"
            )
        }
        do {
            let value = try await beating(lock) { try await work(journal) }
            try journal.write(.end, .after, ["failed": nil])
            try lock.release()
            return value
        } catch {
            // What is recorded of a failure must not hide the failure.
            try? journal.write(.end, .after, ["failed": .string("\(error)")])
            try? lock.release()
            throw error
        }
    }

    /// Does the work while the lock shows signs of life; ends it if somebody has taken the lock over.
    private func beating<Value: Sendable>(
        _ lock: OperatorLock,
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask { [now, sleep, pipeline] in
                while true {
                    try await sleep(OperatorSession.heartbeat)
                    guard try lock.renew(at: now()) else {
                        throw Refusal(
                            .atWork,
                            "somebody took over the lock of \(pipeline), because this process gave no sign of life for too long",
                            "See bailey status; then run the command again"
                        )
                    }
                }
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() ?? nil else { throw CancellationError() }
            return value
        }
    }
}
