import LosslessJSON
import Migration
import Redis
public import Schedules
import Synchronization

/// Watching Celery's results as they are published, and beat's clock beside them.
extension CeleryRuns {
    public func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        let watch = CeleryWatch(runs: self, began: since ?? now(), handle: handle)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watch.listen(isResumed: since != nil, ready: ready) }
            group.addTask { try await watch.readClock() }
            group.addTask { try await watch.minds() }
            try await group.next()
            group.cancelAll()
        }
    }

    /// The ended runs that are stored, from an instant on.
    func stored(
        since: Instant,
        _ events: CeleryEvents,
        _ handle: @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        let earliest = since.adding(microseconds: -Int64(events.behind * 1e6))
        try await RedisConnection.use(url) { redis in
            try await eachStored(redis) { key, bytes in
                // Clocks of hosts disagree, and what is given twice is known.
                guard let event = event(key, bytes, events, seen: nil),
                    ended(event).map({ $0 >= earliest }) != false
                else { return }
                try await handle(event)
            }
        }
    }

    private func ended(_ event: LegacyEvent) -> Instant? {
        if case .run(let outcome, _) = event { outcome.end } else { nil }
    }

    /// What a record of the backend says; nil for what is not ended or nobody's of ours.
    ///
    /// - Parameter seen: when it was published; nil if it was found stored.
    func event(_ id: String, _ bytes: [UInt8], _ events: CeleryEvents, seen: Instant?) -> LegacyEvent? {
        switch record.read(bytes, started: nil) {
        case .started(let id):
            if let seen { events.noteStart(id, at: seen) }
            return nil
        case .otherArguments(let task):
            return seen.map { _ in .leftOut(CeleryRuns.otherArguments(task)) }
        case .indistinct(let reason): return seen.map { _ in .leftOut(reason) }
        case .unattributed: return nil
        case .unread(let reason): return .unread(record: id, reason: reason)
        case .outcome(let outcome):
            var message = events.remove(outcome.run)
            if let seen, let end = outcome.end, events.isLate(seen, after: end) { message?.started = nil }
            return run(outcome, message, seen)
        }
    }

    private func run(_ ended: Outcome, _ message: CeleryEvents.Message?, _ seen: Instant?) -> LegacyEvent {
        var outcome = ended
        if let started = message?.started {
            outcome.start = started
            // Both by this machine's clock: the worker's own may be another.
            if let seen, seen >= started { outcome.measured = seen.seconds(since: started) }
            outcome.key.tick = record.tick(outcome.key.entry, before: started) ?? outcome.key.tick
        }
        // The worker's own clock stamps both ends, whatever it says of the hour.
        if let begun = message?.begun, let end = outcome.end, end >= begun {
            outcome.measured = end.seconds(since: begun)
        }
        outcome.origin = outcome.origin ?? message?.origin
        var run = ObservedRun(
            entry: outcome.key.entry,
            run: outcome.run,
            sent: message?.sent,
            started: message?.started,
            ended: outcome.end ?? seen ?? now(),
            stamp: outcome.end,
            origin: outcome.origin
        )
        run.measured = outcome.measured
        return .run(outcome, run)
    }
}

/// One watching of a result backend.
private final class CeleryWatch: Sendable {
    private struct State {
        /// The last moment at which the subscription was known to stand.
        var alive: Instant
        var isListening = false
        var silent: String?
        /// What is stored since then is still to be given: the last try failed.
        var owed: Instant?
    }
    private let runs: CeleryRuns
    private let handle: @Sendable (LegacyEvent) async throws -> Void
    private let events = CeleryEvents()
    private let state: Mutex<State>

    init(runs: CeleryRuns, began: Instant, handle: @escaping @Sendable (LegacyEvent) async throws -> Void) {
        self.runs = runs
        self.handle = handle
        state = Mutex(State(alive: began))
    }

    /// Listens for as long as the task lasts.
    func listen(isResumed: Bool, ready: @escaping @Sendable () async -> Void) async throws {
        let isFirst = Mutex(true)
        let wasReady = Mutex(false)
        let lost = Mutex<(any Error)?>(nil)
        while true {
            try Task.checkCancellation()
            do {
                try await RedisConnection.use(runs.url) { own in
                    try await RedisSubscription.listen(
                        to: runs.url,
                        patterns: runs.keys.patterns + ["*/*.celeryev/*"],
                        attempts: 1,
                        most: runs.most,
                        ready: {
                            let first = isFirst.withLock { first in
                                defer { first = false }
                                return first
                            }
                            // An error of what takes the events ends the watching; it is thrown by the next event.
                            do {
                                if !first || isResumed {
                                    try await self.fill(first ? "Bailey did not watch" : "the connection was lost")
                                }
                            } catch is RedisError {
                                // It is tried again every second.
                            } catch {
                                lost.withLock { $0 = error }
                            }
                            self.state.withLock { state in
                                state.isListening = true
                                state.silent = nil
                                state.alive = self.runs.now()
                            }
                            let says = wasReady.withLock { was in
                                defer { was = true }
                                return !was
                            }
                            if says { await ready() }
                        },
                        handle: { event in
                            if let error = lost.withLock({ $0 }) { throw error }
                            try await self.take(event, own)
                        }
                    )
                }
            } catch let error as RedisError {
                let news = state.withLock { state in
                    defer { (state.isListening, state.silent) = (false, error.description) }
                    return state.silent != error.description
                }
                if news { try await handle(.silent(error.description)) }
            }
            state.withLock { $0.isListening = false }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func take(_ event: RedisSubscription.Event, _ own: RedisConnection) async throws {
        let now = runs.now()
        switch event {
        case .gap(let reason): try await fill(reason)
        case .message(let channel, let payload):
            let name = String(decoding: channel, as: UTF8.self)
            if let id = runs.keys.id(name) {
                if let event = runs.event(id, payload, events, seen: now) {
                    try await handle(try await isKept(channel, own) ? event : .leftOut(CeleryRuns.elsewhere))
                }
            } else {
                events.take(payload, seen: now)
            }
            state.withLock { $0.alive = max($0.alive, now) }
        }
    }

    /// Whether the source's own database keeps a result: what is published is heard in all of them.
    private func isKept(_ key: [UInt8], _ own: RedisConnection) async throws -> Bool {
        let command = RedisCommand("GET", raw: [key])
        do throws(RedisError) { return try await own.send(command).bytes != nil } catch {
            guard error.code != .server else { throw error }
            // One that is idle for long may have been closed by the server.
            return try await RedisConnection.use(runs.url) { try await $0.send(command).bytes != nil }
        }
    }

    /// Tells of a gap and gives what the backend has kept since its beginning.
    private func fill(_ reason: String) async throws {
        let from = state.withLock { state in
            state.owed = min(state.owed ?? state.alive, state.alive)
            return state.owed ?? state.alive
        }
        let until = runs.now()
        try await handle(.gap(from: from, until: until, reason: reason))
        try await giveOwed(until)
    }

    /// Gives what is stored since what is owed began. A failure leaves it owed.
    private func giveOwed(_ until: Instant) async throws {
        guard let owed = state.withLock({ $0.owed }) else { return }
        try await runs.stored(since: owed, events, handle)
        state.withLock { state in
            state.owed = nil
            state.alive = max(state.alive, until)
        }
    }

    /// Reads beat's clock twice a second.
    func readClock() async throws {
        guard let clock = runs.clock else { return try await Task.sleep(for: .seconds(1_000_000_000)) }
        while true {
            try Task.checkCancellation()
            do {
                try await RedisConnection.use(clock.url) { redis in
                    while !Task.isCancelled {
                        try await handle(.clock(try await clock.sightings(redis)))
                        try await Task.sleep(for: .milliseconds(500))
                    }
                }
            } catch is RedisError {
                // That the source is silent is told by the one who listens.
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Says once a second that nothing was missed, and notices when this process itself stood still.
    func minds() async throws {
        var last = runs.now()
        while true {
            try await Task.sleep(for: .seconds(1))
            let now = runs.now()
            let pause = now.seconds(since: last)
            if pause > 5 {
                try await handle(.gap(from: last, until: now, reason: "Bailey itself stood still for \(Int(pause)) s"))
                state.withLock { $0.owed = min($0.owed ?? last, last) }
            }
            do { try await giveOwed(now) } catch is RedisError {}
            last = now
            if state.withLock({ $0.isListening && $0.owed == nil }) { try await handle(.current(now)) }
        }
    }
}
