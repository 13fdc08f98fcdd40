import Foundation
public import LosslessJSON
public import Migration
public import Redis
public import Schedules

/// The live workers of a Celery application, asked over its broker in Redis as `celery inspect conf` asks them (kombu 5.3–5.7).
///
/// Asking leaves nothing behind, but is not reading alone: a reply queue is made and removed, and every worker gets a message.
public struct CeleryWorkers: Sendable {
    private let url: RedisURL

    /// The workers of a broker.
    public init(url: RedisURL) { self.url = url }

    /// The broker.
    var place: RedisURL { url }

    /// What one worker says of its application's configuration.
    public struct Answer: Sendable {
        /// The worker's name, `celery@host`.
        public let worker: String
        /// Every setting that `inspect conf` shows, by name. Celery masks passwords in URLs itself.
        public let settings: JSON
    }

    /// What the workers that were reached answered.
    public struct Answers: Sendable {
        /// How many listen for such questions.
        public let asked: Int
        /// Those that answered in time, by name.
        public let answers: [Answer]
    }

    /// Seconds that beat sleeps at most, as the workers' configuration says; nil if no worker answers.
    ///
    /// Of several the longest counts. `celery beat --max-interval` is not part of the configuration and stays unknown.
    ///
    /// - Parameters:
    ///   - name: a name for the reply queue that nobody else uses.
    ///   - now: this machine's time; workers drop a question that is older than ten seconds.
    ///   - seconds: how long answers are waited for.
    /// - Throws: `RedisError`.
    public func maxLoopInterval(name: String, now: Instant, seconds: Int = 1) async throws(RedisError) -> Double? {
        // RedBeat takes its own default where Celery says nothing.
        try await configurations(name: name, now: now, seconds: seconds).answers
            .compactMap { $0.settings["beat_max_loop_interval"]?.double }
            // Nobody means a year.
            .map { $0 > 0 && $0 < 31_536_000 ? $0 : 300 }
            .max()
    }

    /// Asks every worker for its configuration.
    ///
    /// - Parameters:
    ///   - name: a name for the reply queue that nobody else uses.
    ///   - now: this machine's time; workers drop a question that is older than ten seconds.
    ///   - seconds: how long the next answer is waited for.
    /// - Throws: `RedisError`.
    public func configurations(name: String, now: Instant, seconds: Int = 1) async throws(RedisError) -> Answers {
        try await ask("conf", ["with_defaults": true], name: name, now: now, seconds: seconds)
    }

    /// How the application is configured, as far as it decides where messages go and what comes back; nil if no worker answers.
    ///
    /// - Parameter name: as for `configurations`; each question gets a number more.
    /// - Throws: `RedisError`.
    public func configuration(name: String, now: @Sendable () -> Instant) async throws(RedisError)
        -> CeleryConfiguration?
    {
        let conf = try await ask("conf", ["with_defaults": true], name: name + "1", now: now(), seconds: 2).answers
        guard !conf.isEmpty else { return nil }
        let items = JSON.array(CeleryConfiguration.taskOptions.keys.sorted().map { .string($0) })
        return CeleryConfiguration(
            conf: conf,
            own: try await ask("conf", ["with_defaults": false], name: name + "2", now: now(), seconds: 2).answers,
            queues: try await ask("active_queues", [:], name: name + "3", now: now(), seconds: 2).answers,
            tasks: try await ask("registered", ["taskinfoitems": items], name: name + "4", now: now(), seconds: 2)
                .answers,
            report: try await ask("report", [:], name: name + "5", now: now(), seconds: 2).answers
        )
    }

    /// Asks every worker a question without arguments.
    func asking(_ method: String, name: String, now: Instant) async throws(RedisError) -> Answers {
        try await ask(method, [:], name: name, now: now, seconds: 2)
    }

    /// Tells workers to send events of their tasks, or not to; each answers whether it did so before.
    ///
    /// - Parameter workers: the names of those that are told.
    func setEvents(_ on: Bool, of workers: [String], name: String, now: Instant) async throws(RedisError) -> Answers {
        try await RedisConnection.ask(url) { redis throws(RedisError) in
            try await ask(
                redis,
                on ? "enable_events" : "disable_events",
                [:],
                to: workers,
                name: name,
                now: now,
                seconds: 2
            )
        }
    }

    private func ask(_ method: String, _ arguments: JSON, name: String, now: Instant, seconds: Int)
        async throws(RedisError) -> Answers
    {
        try await RedisConnection.ask(url) { redis throws(RedisError) in
            try await ask(redis, method, arguments, name: name, now: now, seconds: seconds)
        }
    }

    private func ask(
        _ redis: RedisConnection,
        _ method: String,
        _ arguments: JSON,
        to workers: [String]? = nil,
        name: String,
        now: Instant,
        seconds: Int
    ) async throws(RedisError) -> Answers {
        let queue = Array("\(name).reply.celery.pidbox".utf8)
        let bindings = Array("_kombu.binding.reply.celery.pidbox".utf8)
        let binding = Array("\(name)\u{6}\u{16}\u{6}\u{16}\(name).reply.celery.pidbox".utf8)
        _ = try await redis.send(RedisCommand("SADD", raw: [bindings, binding]))
        let found: Answers
        do throws(RedisError) {
            let message = CeleryWorkers.question(
                method,
                arguments,
                to: workers,
                name: name,
                expires: now.adding(seconds: 10)
            )
            let channel = Array("/\(url.database).celery.pidbox".utf8)
            let receivers = try await redis.send(RedisCommand("PUBLISH", raw: [channel, Array(message.text().utf8)]))
                .int
            let asked = min(receivers ?? 0, workers?.count ?? .max)
            found = try await CeleryWorkers.answers(redis, queue, asked: asked, seconds: seconds)
        } catch {
            _ = try? await redis.send(RedisCommand("SREM", raw: [bindings, binding]))
            throw error
        }
        _ = try await redis.send(RedisCommand("SREM", raw: [bindings, binding]))
        _ = try await redis.send(RedisCommand("DEL", raw: [queue]))
        return found
    }

    private static func answers(_ redis: RedisConnection, _ queue: [UInt8], asked: Int, seconds: Int)
        async throws(RedisError) -> Answers
    {
        var found: [Answer] = []
        for _ in 0..<asked {
            let reply = try await redis.send(RedisCommand("BRPOP", raw: [queue, Array(String(seconds).utf8)]))
            guard let bytes = reply.array?.last?.bytes else { break }
            found += answers(bytes)
        }
        return Answers(asked: asked, answers: found.sorted { $0.worker < $1.worker })
    }

    /// The configurations in a reply: `{"celery@host": {…}}` as base64 in the body.
    private static func answers(_ bytes: [UInt8]) -> [Answer] {
        guard let message = try? JSON(parsing: bytes), let body = message["body"]?.string,
            let data = Data(base64Encoded: body), let answer = try? JSON(parsing: Array(data))
        else { return [] }
        return answer.object?.members.map { Answer(worker: $0.key, settings: $0.value) } ?? []
    }

    private static func question(
        _ method: String,
        _ arguments: JSON,
        to workers: [String]?,
        name: String,
        expires: Instant
    ) -> JSON {
        let body: JSON = [
            "method": .string(method), "arguments": arguments,
            "destination": workers.map { .array($0.map { .string($0) }) } ?? .null, "pattern": nil, "matcher": nil,
            "ticket": .string(name), "reply_to": ["exchange": "reply.celery.pidbox", "routing_key": .string(name)],
        ]
        return [
            "body": .string(Data(body.text().utf8).base64EncodedString()), "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": ["clock": 1, "expires": .number(JSONNumber(Int(expires.seconds)))],
            "properties": [
                "delivery_mode": 2, "delivery_info": ["exchange": "celery.pidbox", "routing_key": ""], "priority": 0,
                "body_encoding": "base64", "delivery_tag": .string(name),
            ],
        ]
    }
}
