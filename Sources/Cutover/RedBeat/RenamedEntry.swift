import Legacy
import LosslessJSON
import Redis

/// An entry that is closed under a name of which no switch knows, and has a switch under a former one: keys were renamed while Airflow owned
/// it, as with another `redbeat_key_prefix`. A DAG that was made before goes on under the former name.
struct RenamedEntry: Sendable, Hashable {
    /// Its key.
    var key: [UInt8]
    /// The key that it had.
    var former: [UInt8]
    /// The pipeline that had taken it over.
    var pipeline: String
    /// The definition that Bailey had left there.
    var closed: [UInt8]
}

extension LostSwitches {
    /// Entries of this source that were called otherwise when they were taken over: those of switches whose own entry is gone.
    ///
    /// - Throws: `RedisError`.
    func renamed() async throws(RedisError) -> [RenamedEntry] {
        try await RedisConnection.ask(url) { redis throws(RedisError) in try await renamed(on: redis) }
    }

    /// The same on a connection that is there.
    func renamed(on redis: RedisConnection) async throws(RedisError) -> [RenamedEntry] {
        var found: [RenamedEntry] = []
        var walk = KeyWalk(matching: "bailey:switch:*", count: 5000)
        while let switches = try await walk.next(on: redis) {
            let formers = switches.map { RedBeatKeys.entry(ofSwitch: $0) ?? [] }
            let there = try await redis.read(formers.map { RedisCommand("EXISTS", raw: [$0]) })
            for (former, reply) in zip(formers, there) where reply.int == 0 {
                if let one = try await renamed(from: former, redis) { found.append(one) }
            }
        }
        return found
    }

    private func renamed(from former: [UInt8], _ redis: RedisConnection) async throws(RedisError) -> RenamedEntry? {
        func fields(_ key: [UInt8], _ names: [String]) async throws(RedisError) -> [[UInt8]?] {
            let reply = try await redis.send(RedisCommand("HMGET", raw: [key] + names.map { Array($0.utf8) }))
            return reply.array?.map(\.bytes) ?? []
        }
        let kept = try await fields(
            RedBeatKeys.switchKey(of: former),
            ["pipeline", "definition", "closed_definition", "state", "gone"]
        )
        guard kept.count == 5, let pipeline = kept[0], let definition = kept[1], let closed = kept[2],
            let name = (try? JSON(parsing: definition))?["name"]?.string
        else { return nil }
        let key = Array((place.prefix + name).utf8)
        guard key != former else { return nil }
        let now = try await fields(key, ["definition", "meta"])
        guard now.count == 2 else { return nil }
        // What legacy has gone on with since is its own, and so is an entry that the application disabled after it was given back.
        let isOpen = kept[3] == Array("legacy".utf8) && kept[4] == nil
        let isClosed = now[0] == closed && !isOpen
        guard isClosed || RedBeatBytes.isParked(now[1]),
            try await redis.send(RedisCommand("EXISTS", raw: [RedBeatKeys.switchKey(of: key)])).int == 0
        else { return nil }
        return RenamedEntry(
            key: key,
            former: former,
            pipeline: String(decoding: pipeline, as: UTF8.self),
            closed: closed
        )
    }
}
