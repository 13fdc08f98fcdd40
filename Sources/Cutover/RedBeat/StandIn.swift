import LosslessJSON
import Redis

/// An entry that beat runs and that sends what another one sent which the application has deleted while Airflow owns it: an entry that was
/// called otherwise in the application's code, say.
struct StandIn: Sendable, Hashable {
    /// Its key.
    var key: [UInt8]
    /// The key of the one that was deleted.
    var deleted: [UInt8]

    /// How many definitions are asked for before their answers are waited for.
    private static let batch = 500

    /// The entries of a schedule that stand in for deleted ones.
    ///
    /// - Parameters:
    ///   - deleted: the keys of deleted entries and the definitions that their switches keep.
    ///   - schedule: RedBeat's zset: what is not in it is not run.
    /// - Throws: `RedisError`.
    static func find(for deleted: [(key: [UInt8], definition: [UInt8])], in schedule: [UInt8], at url: RedisURL)
        async throws(RedisError) -> [StandIn]
    {
        let wanted = deleted.compactMap { one in message(one.definition).map { (one.key, $0) } }
        guard !wanted.isEmpty else { return [] }
        return try await RedisConnection.ask(url) { redis throws(RedisError) in
            let reply = try await redis.send(
                RedisCommand("ZRANGE", raw: [schedule, Array("0".utf8), Array("-1".utf8)])
            )
            let keys = (reply.array ?? []).compactMap(\.bytes)
            var found: [StandIn] = []
            for start in stride(from: 0, to: keys.count, by: batch) {
                let some = keys[start..<min(start + batch, keys.count)]
                let replies = try await redis.read(
                    some.map { RedisCommand("HGET", raw: [$0, Array("definition".utf8)]) }
                )
                for (key, reply) in zip(some, replies) {
                    guard let sent = reply.bytes.flatMap(message) else { continue }
                    found += wanted.filter { $0.0 != key && $0.1 == sent }.map { StandIn(key: key, deleted: $0.0) }
                }
            }
            return found
        }
    }

    /// What a definition sends: its task and arguments; nil if it sends nothing, or cannot be read.
    private static func message(_ definition: [UInt8]) -> [String]? {
        guard let json = try? JSON(parsing: definition), json["enabled"]?.bool != false, let task = json["task"]?.string
        else { return nil }
        // RedBeat writes no arguments as null, an application perhaps as an empty list.
        func text(_ name: String, none: JSON) -> String {
            let value = json[name] ?? .null
            return (value == .null ? none : value).text(.canonical)
        }
        return [task, text("args", none: []), text("kwargs", none: [:])]
    }
}
