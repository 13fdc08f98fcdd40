import Migration
import Postgres
public import Schedules

/// Watching the rows of a queue table as they end.
extension QueueRuns {
    public func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        var watch = QueueWatch(runs: self, since: since)
        var isReady = false
        var silent: String?
        while true {
            try Task.checkCancellation()
            do {
                let (connection, _) = try await source.connect()
                if silent != nil {
                    try await handle(
                        .gap(
                            from: watch.alive,
                            until: now(),
                            reason: "the connection was lost; its rows were read afterwards"
                        )
                    )
                    silent = nil
                }
                try await watch.begin(connection)
                if !isReady { await ready() }
                isReady = true
                while true {
                    try Task.checkCancellation()
                    try await watch.look(connection, handle)
                    try await Task.sleep(for: .milliseconds(pollMilliseconds))
                }
            } catch  where Task.isCancelled {
                if isReady, silent == nil { await lookLast(watch, handle) }
                throw CancellationError()
            } catch let error as PostgresError {
                // A query that can never be answered is a defect of the profile, which waiting does not mend.
                guard isReady || since != nil else { throw error }
                if silent != error.description { try await handle(.silent(error.description)) }
                silent = error.description
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Looks once more at the end of the watching: a row that ended without a stamp since the last long look would be found by the next watching
    /// alone. Takes a few seconds at the most.
    private func lookLast(_ watch: QueueWatch, _ handle: @escaping @Sendable (LegacyEvent) async throws -> Void) async {
        // In a task of its own: that of the watching is cancelled.
        let look = Task {
            var watch = watch
            guard let (connection, _) = try? await source.connect() else { return }
            try? await watch.look(connection, handle, isLast: true)
        }
        let limit = Task {
            try await Task.sleep(for: .seconds(5))
            look.cancel()
        }
        await look.value
        limit.cancel()
    }
}

/// Where a watching stands. A row is stamped when its transaction begins and is there when it ends, which may be much later: each look
/// reads some seconds again, and every so often much more.
private struct QueueWatch {
    let runs: QueueRuns
    private(set) var alive: Instant
    private var since: Instant?
    /// The jobs that were given, with when they ended, as seconds of the server's clock.
    private var given: [String: Double] = [:]
    private var begun = false
    /// The server's clock at the last look, and at the last long one.
    private var clock = 0.0
    private var looked = 0.0

    /// Seconds that each look reads again, that a long one reads again, and after which there is a long one.
    private static let short = 10.0
    private static let long = 900.0
    private static let pause = 15.0

    init(runs: QueueRuns, since: Instant?) {
        self.runs = runs
        self.since = since
        alive = since ?? runs.now()
    }

    /// Begins, or goes on after a connection was lost, from where it was.
    mutating func begin(_ connection: PostgresConnection) async throws {
        let now = try await seconds(connection)
        if !begun {
            if let since {
                // By this machine's clock, which is not the server's.
                clock = now - runs.now().seconds(since: since) - QueueWatch.long
                for id in try await runs.stampless(connection, queuedBefore: clock) { given[id] = .infinity }
            } else {
                clock = now
                for (id, finished) in try await runs.ids(connection, since: now - QueueWatch.long, untimed: true) {
                    given[id] = finished
                }
            }
            begun = true
        }
        looked = 0
    }

    private func seconds(_ connection: PostgresConnection) async throws -> Double {
        let row = try await connection.query("SELECT extract(epoch FROM clock_timestamp()) AS now").first
        return try row?.double("now") ?? 0
    }

    mutating func look(
        _ connection: PostgresConnection,
        _ handle: @Sendable (LegacyEvent) async throws -> Void,
        isLast: Bool = false
    ) async throws {
        let now = try await seconds(connection)
        let isLong = isLast || now - looked >= QueueWatch.pause
        let back = min(clock, now) - (isLong ? QueueWatch.long : QueueWatch.short)
        let fresh = try await runs.ids(connection, since: back, untimed: isLong).filter { given[$0.id] == nil }
        for start in stride(from: 0, to: fresh.count, by: 500) {
            let part = fresh[start..<min(start + 500, fresh.count)]
            for event in try await runs.events(connection, ids: part.map(\.id)) { try await handle(event) }
            for (id, finished) in part { given[id] = finished }
        }
        if isLong {
            looked = now
            given = given.filter { $0.value > now - 2 * QueueWatch.long }
        }
        clock = now
        alive = runs.now()
        try await handle(.current(alive))
    }
}
