public import Migration
import Redis
import Schedules
import Settings

/// RedBeat's schedules on a server, whatever their prefix is.
extension RedBeatSystem {
    /// Entries of a schedule that are read whole; of more only the number is told.
    private static let most = 20_000

    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .redis(let look) = server else { return [] }
        var found: [DiscoveredSystem] = []
        for database in look.databases {
            for key in database.schedules {
                do {
                    if let one = try await schedule(key, database, look) { found.append(one) }
                } catch let error as RedisError {
                    found.append(unread(key, database, error))
                }
            }
        }
        return found
    }

    /// A key that is named as RedBeat names its schedule, and that may not be looked at: what it holds is not known.
    private static func unread(_ key: [UInt8], _ database: RedisLook.Database, _ error: RedisError) -> DiscoveredSystem
    {
        DiscoveredSystem(
            what: "perhaps RedBeat",
            kind: nil,
            address: database.url.address,
            place: "“\(readable(key))”",
            certainty: .possible,
            evidence: ["it is named as RedBeat names a schedule, and cannot be looked at: \(error.found)"],
            amount: nil,
            unit: "entries",
            outlook: .notRead,
            advice: "Give the user ZCARD, ZRANGE, HEXISTS and EXISTS there, then look again"
        )
    }

    /// What a key is that is named as RedBeat names its schedule; nil if it is none.
    private static func schedule(_ key: [UInt8], _ database: RedisLook.Database, _ look: RedisLook) async throws
        -> DiscoveredSystem?
    {
        let bytes = Array(key.dropLast(":schedule".utf8.count))
        let (count, isMember, lock) = try await RedisConnection.use(database.url) { redis in
            // What is no sorted set of keys with this prefix is somebody else's.
            let count: Int
            do {
                count = Int(try await redis.send(RedisCommand("ZCARD", raw: [key])).int ?? 0)
            } catch let error as RedisError where error.found.contains("WRONGTYPE") {
                return (0, false, false)
            }
            guard count > 0 else { return (0, false, false) }
            let some = try await redis.send(RedisCommand("ZRANGE", raw: [key, Array("0".utf8), Array("49".utf8)]))
            let members = (some.array ?? []).compactMap(\.bytes).filter { $0.starts(with: bytes) }
            // A right that is missing ends it; a key of another type is merely none of RedBeat's.
            let fields = try await redis.pipeline(
                members.map { RedisCommand("HEXISTS", raw: [$0, Array("definition".utf8)]) }
            )
            for (member, field) in zip(members, fields) {
                if case .error(let text) = field, !text.contains("WRONGTYPE") {
                    // Asked for alone, it is thrown with its words.
                    _ = try await redis.send(RedisCommand("HEXISTS", raw: [member, Array("definition".utf8)]))
                }
            }
            let lock = try? await redis.send(RedisCommand("EXISTS", raw: [bytes + Array(":lock".utf8)])).int
            return (count, fields.contains { $0.int == 1 }, lock == 1)
        }
        guard isMember else { return nil }
        var found = DiscoveredSystem(
            what: "RedBeat",
            kind: "redbeat",
            address: database.url.address,
            place: "prefix “\(readable(bytes))”",
            certainty: .certain,
            evidence: ["“\(readable(key))” is a sorted set of \(count) keys that hold definitions"],
            amount: count,
            unit: "entries",
            outlook: .moves,
            advice: "Its ticks can be moved to Airflow and given back"
        )
        found.query = database.query
        guard let prefix = String(validating: bytes, as: UTF8.self), prefix.firstControlCharacter == nil else {
            found.outlook = .notRead
            found.advice = "Its prefix holds bytes that bailey.yaml cannot name"
            return found
        }
        found.settings = prefix == "redbeat:" ? [] : [DiscoveredSystem.Setting("prefix", prefix)]
        found.parts = lock ? [.stored, .driven] : [.stored]
        if lock { found.writers.append("a beat that holds “\(prefix):lock”") }
        guard count <= most else {
            found.evidence.append("more than \(most) entries are not read for this")
            return found
        }
        let reading = try await RedBeatSource(name: "discovered", url: database.url, prefix: prefix).read(
            zones: look.zones
        )
        found.amount = reading.summary.found
        found.entries = reading.entries.map(\.id.name)
        if !reading.unread.isEmpty {
            found.evidence.append(
                "\(reading.unread.count) of \(reading.summary.found) keys are no entries that can be read"
            )
        }
        let fired = reading.entries.compactMap { entry in entry.lastRun.map { ($0, entry.id.name) } }
            .filter { $0.0 < RecurrenceRule.parking }.max { $0.0 < $1.0 }
        if let fired { found.evidence.append("“\(fired.1)” has the latest last run, \(fired.0.iso8601)") }
        if !lock {
            found.advice =
                "Nobody holds its lock: see that beat runs with RedBeat's scheduler. Keys that another scheduler has left behind move nothing"
        }
        found.keeps = reading.entries.compactMap { tooOften($0, zones: look.zones) }
        return found
    }

    /// An entry that is better left on Celery, for it is due more often than once a minute.
    static func tooOften(_ entry: LegacyEntry, zones: ZoneDatabase) -> DiscoveredSystem.Kept? {
        guard entry.enabled, case .interval(let interval)? = entry.schedule, interval.seconds < 60 else { return nil }
        return DiscoveredSystem.Kept(
            name: entry.id.name,
            perDay: 86_400 / interval.seconds,
            seconds: entry.history?.p50,
            reason: "it is due more often than once a minute, and Airflow needs about a second to start a run"
        )
    }
}
