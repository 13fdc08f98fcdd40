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
            do {
                try Task.checkCancellation()
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
                if isReady { await end(watch, silent, handle) }
                throw CancellationError()
            } catch let error as PostgresError {
                // A query that can never be answered is a defect of the profile, which waiting does not mend.
                guard isReady || since != nil else { throw error }
                if silent != error.description { try await handle(.silent(error.description)) }
                silent = error.description
                // Cut short where the watching ends, which then still looks once more.
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Looks once more at the end of the watching: a row that ended without a stamp since the last long look would be found by the next watching
    /// alone. Takes a few seconds at the most. What it could not see is a gap.
    private func end(
        _ watch: QueueWatch,
        _ silent: String?,
        _ handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async {
        // In a task of its own: that of the watching is cancelled.
        let look = Task {
            var watch = watch
            let (connection, _) = try await source.connect()
            try await watch.look(connection, handle, isLast: true)
        }
        let limit = Task {
            try await Task.sleep(for: .seconds(QueueWatch.patience))
            look.cancel()
        }
        let looked = await look.result
        limit.cancel()
        let reason: String
        switch looked {
        case .success where silent == nil: return
        case .success: reason = "the connection was lost; its rows were read afterwards"
        case .failure where look.isCancelled:
            reason = "the last look, at the end of the watching, took longer than \(Int(QueueWatch.patience)) s"
        case .failure(let error): reason = "the last look, at the end of the watching, failed: \(error)"
        }
        let (from, until) = (watch.alive, now())
        // An error of whoever is told is that one's own, which keeps it.
        _ = await Task { try await handle(.gap(from: from, until: until, reason: reason)) }.result
    }
}

/// Where a watching stands. A row is stamped when its transaction begins and is there when it ends, which may be much later: each look
/// reads some seconds again, and every so often much more.
private struct QueueWatch {
    private var runs: QueueRuns
    private(set) var alive: Instant
    private var since: Instant?
    /// The jobs that were given, with when they ended, as seconds of the server's clock.
    private var given: [String: Double] = [:]
    private var begun = false
    /// How many unreadable rows were told of.
    private var told = 0
    /// The server's clock at the last look, and at the last long one.
    private var clock = 0.0
    private var looked = 0.0

    /// Seconds that each look reads again, that a long one reads again, and after which there is a long one.
    private static let short = 10.0
    private static let long = 900.0
    private static let pause = 15.0
    /// Seconds for the look at the end.
    static let patience = 5.0

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
                let before = clock
                let old = try await sparing(connection) { runs throws(PostgresError) in
                    try await runs.stampless(connection, queuedBefore: before)
                }
                for id in old { given[id] = .infinity }
            } else {
                clock = now
                let back = now - QueueWatch.long
                let old = try await sparing(connection) { runs throws(PostgresError) in
                    try await runs.ids(connection, since: back, untimed: true)
                }
                for (id, finished) in old { given[id] = finished }
            }
            begun = true
        }
        looked = 0
    }

    private func seconds(_ connection: PostgresConnection) async throws -> Double {
        let row = try await connection.query("SELECT extract(epoch FROM clock_timestamp()) AS now").first
        return try row?.double("now") ?? 0
    }

    /// Gives what ended since the last look, and each row that the profile cannot read, once; the others are gone on with.
    mutating func look(
        _ connection: PostgresConnection,
        _ handle: @Sendable (LegacyEvent) async throws -> Void,
        isLast: Bool = false
    ) async throws {
        let now = try await seconds(connection)
        let isLong = isLast || now - looked >= QueueWatch.pause
        let back = min(clock, now) - (isLong ? QueueWatch.long : QueueWatch.short)
        let found = try await sparing(connection) { runs throws(PostgresError) in
            try await runs.ids(connection, since: back, untimed: isLong)
        }
        // One that ended again, as a retry does, has another stamp.
        let fresh = found.filter { given[$0.id] != $0.finished }
        for start in stride(from: 0, to: fresh.count, by: 500) {
            let part = fresh[start..<min(start + 500, fresh.count)]
            let events = try await sparing(connection) { runs throws(PostgresError) in
                try await runs.events(connection, ids: part.map { $0.id })
            }
            for event in events { try await handle(event) }
            for (id, finished) in part { given[id] = finished }
        }
        if isLong {
            looked = now
            given = given.filter { $0.value > now - 2 * QueueWatch.long }
        }
        clock = now
        alive = runs.now()
        try await handle(.current(alive))
        for row in runs.source.unreadable[told...] {
            try await handle(.unread(record: row.id, reason: row.text))
        }
        told = runs.source.unreadable.count
    }

    /// Runs a statement on all rows but those that the profile cannot read.
    private mutating func sparing<Value>(
        _ connection: PostgresConnection,
        _ body: (QueueRuns) async throws(PostgresError) -> Value
    ) async throws -> Value {
        let asked = runs
        let (value, readable) = try await runs.source.sparing(connection) { source throws(PostgresError) in
            var runs = asked
            runs.source = source
            return try await body(runs)
        }
        runs.source = readable
        return value
    }
}
