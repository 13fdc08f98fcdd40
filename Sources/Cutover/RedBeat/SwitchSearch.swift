import LosslessJSON
public import Redis

/// Finds the entries that a pipeline took over, from their switches alone.
public struct SwitchSearch: Sendable {
    private let url: RedisURL
    private let place: RedBeatPlace

    /// Entries that were closed together.
    public struct Group: Sendable, Hashable {
        /// The pipeline.
        public var pipeline: String
        /// Whether legacy owns them.
        public var rests: Bool
        /// Their keys, the deciding one first.
        public var keys: RedBeatKeys
    }

    /// A search in one source's Redis.
    public init(url: RedisURL, place: RedBeatPlace) {
        self.url = url
        self.place = place
    }

    /// The entries that were closed together for a pipeline; nil if there are none.
    ///
    /// - Parameter hint: entries that may be of it, which saves a walk through all keys.
    /// - Throws: `RedisError`.
    public func entries(of pipeline: String, hint: [[UInt8]] = []) async throws(RedisError) -> Group? {
        try await RedisConnection.ask(url) { redis throws(RedisError) in
            try await entries(of: pipeline, hint: hint, redis)
        }
    }

    private func entries(of pipeline: String, hint: [[UInt8]], _ redis: RedisConnection) async throws(RedisError)
        -> Group?
    {
        if let found = try await group(pipeline, among: hint.map(RedBeatKeys.switchKey), redis) { return found }
        var walk = KeyWalk(matching: "bailey:switch:*", count: 5000)
        var resting: Group?
        while let keys = try await walk.next(on: redis) {
            if let found = try await group(pipeline, among: keys, redis) { return found }
            if resting == nil { resting = try await group(pipeline, among: keys, redis, resting: true) }
        }
        return resting
    }

    /// The entries of every pipeline that has switches here, in the order of their names; those that are legacy's only where nothing else of
    /// their pipeline is there.
    ///
    /// - Throws: `RedisError`.
    public func groups() async throws(RedisError) -> [Group] {
        try await RedisConnection.ask(url) { redis throws(RedisError) in try await groups(redis) }
    }

    private func groups(_ redis: RedisConnection) async throws(RedisError) -> [Group] {
        var found: [String: Set<Group>] = [:]
        var walk = KeyWalk(matching: "bailey:switch:*", count: 5000)
        while let switches = try await walk.next(on: redis) {
            for one in try await read(switches, redis) { found[one.pipeline, default: []].insert(one) }
        }
        return found.sorted { $0.key < $1.key }.flatMap { _, groups in
            let sorted = groups.sorted {
                $0.keys.entries.lexicographicallyPrecedes($1.keys.entries) { $0.lexicographicallyPrecedes($1) }
            }
            let moved = sorted.filter { !$0.rests }
            return moved.isEmpty ? Array(sorted.prefix(1)) : moved
        }
    }

    /// The group of the first of the switches that is the pipeline's and (unless `resting`) not legacy's.
    private func group(_ pipeline: String, among switches: [[UInt8]], _ redis: RedisConnection, resting: Bool = false)
        async throws(RedisError) -> Group?
    {
        try await read(switches, redis).first { $0.pipeline == pipeline && (resting || !$0.rests) }
    }

    /// What switches say of the groups that they are of; none of those that stand in another source's schedule.
    private func read(_ switches: [[UInt8]], _ redis: RedisConnection) async throws(RedisError) -> [Group] {
        let fields = ["pipeline", "state", "group", "lock_key", "schedule"].map { Array($0.utf8) }
        let replies = try await redis.read(switches.map { RedisCommand("HMGET", raw: [$0] + fields) })
        return replies.compactMap { reply in
            guard let values = reply.array, values.count == 5, let pipeline = values[0].text,
                let members = try? JSON(parsing: values[2].bytes ?? []).array
            else { return nil }
            let entries = members.compactMap { $0.string.map { Array($0.utf8) } }
            let keys = place.keys(entries, lock: values[3].bytes, schedule: values[4].bytes)
            guard keys.schedule == place.schedule || !place.others.contains(keys.schedule) else { return nil }
            return Group(pipeline: pipeline, rests: values[1].text == "legacy", keys: keys)
        }
    }
}

extension RedBeatPlace {
    /// RedBeat's zset in this source.
    public var schedule: [UInt8] { keys([]).schedule }

    /// The keys of entries by what their switch keeps: they may have been closed under another prefix than the source has now, or in another
    /// source. A switch that an earlier Bailey wrote keeps no schedule; there RedBeat's own names tell it.
    func keys(_ entries: [[UInt8]], lock: [UInt8]?, schedule: [UInt8]?) -> RedBeatKeys {
        let own = keys(entries)
        guard let lock, !lock.isEmpty else { return own }
        if let schedule { return RedBeatKeys(entries: entries, lock: lock, schedule: schedule) }
        let suffix = Array(":lock".utf8)
        guard lock != own.lock, lock.count > suffix.count, lock.suffix(suffix.count).elementsEqual(suffix) else {
            return own
        }
        let stem = Array(lock.dropLast(suffix.count))
        guard entries.allSatisfy({ $0.starts(with: stem) }) else { return own }
        return RedBeatKeys(entries: entries, lock: lock, schedule: stem + Array(":schedule".utf8))
    }
}
