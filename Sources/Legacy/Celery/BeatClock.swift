import LosslessJSON
public import Migration
public import Redis
public import Schedules

/// RedBeat's record of when it fired entries: `meta.last_run_at` and `meta.total_run_count`, which beat writes before it sends a message.
public struct BeatClock: Sendable {
    let url: RedisURL
    private let keys: [(entry: EntryID, key: [UInt8])]
    private let zones: ZoneDatabase
    private let now: @Sendable () -> Instant

    /// The clock of some entries.
    ///
    /// - Parameter prefix: RedBeat's key prefix.
    public init(
        url: RedisURL,
        prefix: String,
        entries: [LegacyEntry],
        zones: ZoneDatabase,
        now: @escaping @Sendable () -> Instant
    ) {
        self.url = url
        keys = entries.filter { $0.kind == .redbeat }.map { ($0.id, Array((prefix + $0.id.name).utf8)) }
        self.zones = zones
        self.now = now
    }

    /// What it says now. An entry that is gone, was never fired or is parked in the future says nothing.
    func sightings(_ redis: RedisConnection) async throws(RedisError) -> [ClockSighting] {
        let commands = keys.map { RedisCommand("HMGET", raw: [$0.key, Array("meta".utf8)]) }
        let seen = now()
        var sightings: [ClockSighting] = []
        for (key, value) in zip(keys, try await redis.read(commands)) {
            guard let bytes = value.array?.first?.bytes,
                let count = (try? JSON(parsing: bytes))?["total_run_count"]?.int, count > 0,
                let last = ((try? RedBeatBytes.lastRun(bytes, zones: zones)) ?? nil)?.instant,
                // A record of ten years ago or of tomorrow is no clock that runs.
                last < seen.adding(seconds: 86_400), last > seen.adding(seconds: -3653 * 86_400)
            else { continue }
            sightings.append(ClockSighting(entry: key.entry, last: last, count: count, seen: seen))
        }
        return sightings
    }
}
