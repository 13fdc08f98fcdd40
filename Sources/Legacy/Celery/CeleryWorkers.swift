import Foundation
import LosslessJSON
public import Redis
public import Schedules

/// The live workers of a Celery application, asked over its broker in Redis as `celery inspect conf` asks them (kombu 5.3–5.7).
///
/// Asking leaves nothing behind, but is not reading alone: a reply queue is made and removed, and every worker gets a message.
public struct CeleryWorkers: Sendable {
    private let url: RedisURL

    /// The workers of a broker.
    public init(url: RedisURL) { self.url = url }

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
        let redis = try await RedisConnection.connect(to: url)
        defer { Task { await redis.close() } }
        let queue = Array("\(name).reply.celery.pidbox".utf8)
        let bindings = Array("_kombu.binding.reply.celery.pidbox".utf8)
        let binding = Array("\(name)\u{6}\u{16}\u{6}\u{16}\(name).reply.celery.pidbox".utf8)
        _ = try await redis.send(RedisCommand("SADD", raw: [bindings, binding]))
        let found: Double?
        do throws(RedisError) {
            let message = CeleryWorkers.question(name: name, expires: now.adding(seconds: 10))
            let channel = Array("/\(url.database).celery.pidbox".utf8)
            let receivers = try await redis.send(RedisCommand("PUBLISH", raw: [channel, Array(message.text().utf8)]))
                .int
            found = try await CeleryWorkers.longest(redis, queue, answers: receivers ?? 0, seconds: seconds)
        } catch {
            _ = try? await redis.send(RedisCommand("SREM", raw: [bindings, binding]))
            throw error
        }
        _ = try await redis.send(RedisCommand("SREM", raw: [bindings, binding]))
        _ = try await redis.send(RedisCommand("DEL", raw: [queue]))
        return found
    }

    private static func longest(_ redis: RedisConnection, _ queue: [UInt8], answers: Int, seconds: Int)
        async throws(RedisError) -> Double?
    {
        var longest: Double?
        for _ in 0..<answers {
            let reply = try await redis.send(RedisCommand("BRPOP", raw: [queue, Array(String(seconds).utf8)]))
            guard let bytes = reply.array?.last?.bytes else { break }
            for configuration in configurations(bytes) {
                guard let value = configuration["beat_max_loop_interval"]?.double else { continue }
                // RedBeat takes its own default where Celery says nothing.
                longest = max(longest ?? 0, value > 0 ? value : 300)
            }
        }
        return longest
    }

    /// The configurations in a reply: `{"celery@host": {…}}` as base64 in the body.
    private static func configurations(_ bytes: [UInt8]) -> [JSON] {
        guard let message = try? JSON(parsing: bytes), let body = message["body"]?.string,
            let data = Data(base64Encoded: body), let answer = try? JSON(parsing: Array(data))
        else { return [] }
        return answer.object?.members.map(\.value) ?? []
    }

    private static func question(name: String, expires: Instant) -> JSON {
        let body: JSON = [
            "method": "conf", "arguments": ["with_defaults": true], "destination": nil, "pattern": nil, "matcher": nil,
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
