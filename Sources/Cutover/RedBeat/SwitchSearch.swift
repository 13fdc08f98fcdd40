import LosslessJSON
public import Redis

/// Finds the entries that a pipeline took over, from their switches alone.
public struct SwitchSearch: Sendable {
    private let url: RedisURL
    private let place: RedBeatPlace

    /// A search in one source's Redis.
    public init(url: RedisURL, place: RedBeatPlace) {
        self.url = url
        self.place = place
    }

    /// The keys of the entries that were closed together for a pipeline, the deciding one first; nil if there are none.
    ///
    /// - Parameter hint: entries that may be of it, which saves a walk through all keys.
    /// - Throws: `RedisError`.
    public func entries(of pipeline: String, hint: [[UInt8]] = []) async throws(RedisError) -> RedBeatKeys? {
        try await RedisConnection.ask(url) { redis throws(RedisError) in
            try await entries(of: pipeline, hint: hint, redis)
        }
    }

    private func entries(of pipeline: String, hint: [[UInt8]], _ redis: RedisConnection) async throws(RedisError)
        -> RedBeatKeys?
    {
        if let found = try await group(pipeline, among: hint.map(RedBeatKeys.switchKey), redis) { return found }
        var walk = KeyWalk(matching: "bailey:switch:*", count: 5000)
        var resting: RedBeatKeys?
        while let keys = try await walk.next(on: redis) {
            if let found = try await group(pipeline, among: keys, redis) { return found }
            if resting == nil { resting = try await group(pipeline, among: keys, redis, resting: true) }
        }
        return resting
    }

    /// The entries of every pipeline that has switches here, by pipeline; of two groups of one pipeline the one that is not legacy's.
    ///
    /// - Throws: `RedisError`.
    public func groups() async throws(RedisError) -> [String: RedBeatKeys] {
        try await RedisConnection.ask(url) { redis throws(RedisError) in try await groups(redis) }
    }

    private func groups(_ redis: RedisConnection) async throws(RedisError) -> [String: RedBeatKeys] {
        let fields = ["pipeline", "state", "group"].map { Array($0.utf8) }
        var found: [String: (keys: RedBeatKeys, rests: Bool)] = [:]
        var walk = KeyWalk(matching: "bailey:switch:*", count: 5000)
        while let switches = try await walk.next(on: redis) {
            for reply in try await redis.read(switches.map { RedisCommand("HMGET", raw: [$0] + fields) }) {
                guard let values = reply.array, values.count == 3, let pipeline = values[0].text,
                    let members = try? JSON(parsing: values[2].bytes ?? []).array
                else { continue }
                let rests = values[1].text == "legacy"
                if let known = found[pipeline], !known.rests || rests { continue }
                found[pipeline] = (place.keys(members.compactMap { $0.string.map { Array($0.utf8) } }), rests)
            }
        }
        return found.mapValues(\.keys)
    }

    /// The group of the first of the switches that is the pipeline's and (unless `resting`) not legacy's.
    private func group(_ pipeline: String, among switches: [[UInt8]], _ redis: RedisConnection, resting: Bool = false)
        async throws(RedisError) -> RedBeatKeys?
    {
        let fields = ["pipeline", "state", "group"].map { Array($0.utf8) }
        let replies = try await redis.read(switches.map { RedisCommand("HMGET", raw: [$0] + fields) })
        for reply in replies {
            guard let values = reply.array, values.count == 3, values[0].text == pipeline,
                resting || values[1].text != "legacy",
                let members = try? JSON(parsing: values[2].bytes ?? []).array
            else { continue }
            return place.keys(members.compactMap { $0.string.map { Array($0.utf8) } })
        }
        return nil
    }
}
