import LosslessJSON
public import Redis
public import Schedules

/// What workers' events tell of the runs of tasks, from when they were listened to.
public struct TaskEvents: Sendable {
    /// Runs that ended in success, by the id of their message.
    public private(set) var runs: [String: WorkerLog.Run] = [:]
    /// Messages of which a run failed, was rejected or revoked.
    public private(set) var failed: Set<String> = []
    /// Runs that ended and had been received before: which task they were of no event tells.
    public private(set) var nameless = 0
    /// Runs that another task asked for: how long they take is part of its work.
    public private(set) var parts = 0
    private var received: [String: (task: String, isPart: Bool)] = [:]
    private var retried: Set<String> = []

    /// Nothing yet.
    public init() {}

    /// Takes a message of kombu's with one event or a list of them.
    public mutating func take(_ payload: [UInt8]) {
        for event in CeleryEvents.events(in: payload) { take(event) }
    }

    private mutating func take(_ event: JSON) {
        guard let id = event["uuid"]?.string else { return }
        switch event["type"]?.string {
        case "task-received":
            guard let task = event["name"]?.string else { return }
            let others = [event["parent_id"], event["root_id"]].compactMap { $0?.string }
            received[id] = (task, others.contains { $0 != id })
        case "task-retried": retried.insert(id)
        case "task-failed", "task-rejected", "task-revoked":
            failed.insert(id)
            received[id] = nil
        case "task-succeeded":
            guard let seconds = event["runtime"]?.double, seconds.isFinite, (0...315_360_000).contains(seconds) else {
                return
            }
            guard let known = received.removeValue(forKey: id) else {
                if runs[id] == nil { nameless += 1 }
                return
            }
            if known.isPart {
                parts += 1
                return
            }
            runs[id] = WorkerLog.Run(id: id, task: known.task, seconds: retried.contains(id) ? nil : seconds)
        default: break
        }
    }

    /// Listens to the events of a broker's workers for as long as the task lasts.
    ///
    /// - Throws: `RedisError` where the broker is away for long; what `handle` throws.
    public static func listen(
        to broker: RedisURL,
        ready: @Sendable () async -> Void,
        handle: (RedisSubscription.Event) async throws -> Void
    ) async throws {
        // kombu writes the prefix of all keys, if the application has one, before the database.
        try await RedisSubscription.listen(
            to: broker,
            patterns: ["*/\(broker.database).celeryev/*"],
            ready: ready,
            handle: handle
        )
    }
}

extension CeleryWorkers {
    /// What workers said to being told to send events, or not to.
    public struct EventsAnswer: Sendable {
        /// Workers that did not do so before, and do now.
        public var changed: [String] = []
        /// Workers that did so before.
        public var already: [String] = []
        /// Workers that said something else, with their words.
        public var refused: [String: String] = [:]
        /// Workers that did not answer.
        public var silent: [String] = []
    }

    /// The names of the live workers.
    ///
    /// - Throws: `RedisError`.
    public func names(name: String, now: Instant) async throws(RedisError) -> [String] {
        try await asking("ping", name: name, now: now).answers.map(\.worker)
    }

    /// Tells workers to send events of their tasks, or not to: as `celery control enable_events` does.
    ///
    /// - Throws: `RedisError`.
    public func tellEvents(_ on: Bool, to workers: [String], name: String, now: Instant) async throws(RedisError)
        -> EventsAnswer
    {
        var answer = EventsAnswer()
        guard !workers.isEmpty else { return answer }
        let told = try await setEvents(on, of: workers, name: name, now: now).answers
        for one in told {
            switch one.settings["ok"]?.string {
            case "task events \(on ? "enabled" : "disabled")": answer.changed.append(one.worker)
            case "task events already \(on ? "enabled" : "disabled")": answer.already.append(one.worker)
            default: answer.refused[one.worker] = one.settings.text()
            }
        }
        let heard = Set(told.map(\.worker))
        answer.silent = workers.filter { !heard.contains($0) }
        return answer
    }
}
