import Migration
public import Redis
public import Schedules

/// The RedBeat schedule of a Celery application, in Redis.
public struct RedBeatSource: Sendable {
    public let name: String
    let url: RedisURL
    let prefix: String
    private let timezone: String?
    private let workers: [CeleryWorkers.Answer]

    /// A source.
    ///
    /// - Parameters:
    ///   - prefix: `redbeat_key_prefix`.
    ///   - timezone: the application's IANA zone; nil to take what beat wrote.
    ///   - workers: what live workers said of their configuration, where they were asked.
    public init(
        name: String,
        url: RedisURL,
        prefix: String = "redbeat:",
        timezone: String? = nil,
        workers: [CeleryWorkers.Answer] = []
    ) {
        self.name = name
        self.url = url
        self.prefix = prefix
        self.timezone = timezone
        self.workers = workers
    }

    /// Reads everything, changing nothing: each key becomes an entry or an unread record.
    ///
    /// - Throws: `RedisError` or `ScheduleError`.
    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        let configured = try timezone.map { try zones.zone($0) }
        return try await RedisConnection.use(url) { try await read($0, configured, zones) }
    }

    private func read(_ redis: RedisConnection, _ configured: Zone?, _ zones: ZoneDatabase) async throws
        -> SourceReading
    {
        let version = try await redis.serverVersion(atLeast: 5)
        let scheduleKey = Array("\(prefix):schedule".utf8)
        let housekeeping: Set<[UInt8]> = [scheduleKey, Array("\(prefix):statics".utf8), Array("\(prefix):lock".utf8)]
        let scores = try await redis.scores(of: scheduleKey)
        let statics = Set(try await redis.members(of: Array("\(prefix):statics".utf8)))
        var keys = try await redis.keys(matching: RedisConnection.literalPattern(prefix) + "*").subtracting(
            housekeeping
        )
        keys.formUnion(scores.keys)

        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "redbeat",
                system: "Redis \(version)",
                address: url.address,
                found: 0
            ),
            entries: [],
            unread: []
        )
        var evidence = RedBeatZones()
        let ordered = keys.sorted { $0.lexicographicallyPrecedes($1) }
        let batches = stride(from: 0, to: ordered.count, by: 500).map {
            Array(ordered[$0..<min($0 + 500, ordered.count)])
        }
        var replies = try await RedBeatSource.stored(batches.first ?? [], redis)
        for (number, batch) in batches.enumerated() {
            // Redis answers the next ones meanwhile.
            async let following = RedBeatSource.stored(
                number + 1 < batches.count ? batches[number + 1] : [],
                redis
            )
            let read = sideBySide(Array(zip(batch, replies))) { key, reply in
                let stored = RedBeatRecord.Stored(
                    key: key,
                    score: scores[key],
                    isStatic: statics.contains(Array(key.dropFirst(prefix.utf8.count)))
                )
                return self.read(stored, reply, zones)
            }
            for case (let record, let stored)? in read {
                reading.summary.found += 1
                if let stored { evidence.note(record, stored, name: readable(stored.key), zones: zones) }
                reading.add(record)
            }
            replies = try await following
        }
        reading.entries.sort { $0.id < $1.id }
        evidence.settle(&reading, configured: configured, workers: workers, zones: zones)
        let forbidden = reading.unread.filter { $0.reason == "no-right" || $0.reason == "elsewhere" }
        if let first = forbidden.first {
            reading.summary.notes.append(
                EntryNote(
                    .incompleteReading,
                    "\(forbidden.count) of \(reading.summary.found) keys could not be read: \(first.detail)"
                )
            )
        }
        if reading.summary.found == 0 {
            reading.summary.notes.append(EntryNote(.incompleteReading, try await absence(redis)))
        }
        return reading
    }

    private static func stored(_ keys: [[UInt8]], _ redis: RedisConnection) async throws -> [RedisValue] {
        guard !keys.isEmpty else { return [] }
        return try await redis.pipeline(
            keys.map { RedisCommand("HMGET", raw: [$0, Array("definition".utf8), Array("meta".utf8)]) }
        )
    }

    /// A key as what it is, with what is stored of it where that could be read; nil for one that is not RedBeat's.
    private func read(_ key: RedBeatRecord.Stored, _ reply: RedisValue, _ zones: ZoneDatabase) -> (
        record: RedBeatRecord, stored: RedBeatRecord.Stored?
    )? {
        var stored = key
        // With an empty prefix every key of the database is looked at; those that are no entries are not RedBeat's.
        let foreign = prefix.isEmpty && stored.score == nil
        do throws(RedBeatFault) {
            (stored.definition, stored.meta) = try RedBeatSource.fields(reply)
        } catch {
            return foreign ? nil : (RedBeatRecord.unread(error, stored, source: name), nil)
        }
        if foreign, stored.definition == nil { return nil }
        return (RedBeatRecord.read(stored, source: name, prefix: prefix, zones: zones), stored)
    }

    /// What HMGET answered for a key.
    private static func fields(_ reply: RedisValue) throws(RedBeatFault) -> (definition: [UInt8]?, meta: [UInt8]?) {
        switch reply {
        case .array(let values) where values.count == 2: return (values[0].bytes, values[1].bytes)
        case .error(let message) where message.hasPrefix("WRONGTYPE"):
            throw RedBeatFault("not-a-hash", "the key is no hash")
        case .error(let message) where message.hasPrefix("NOPERM"):
            throw RedBeatFault("no-right", "the user may not do this (\(message.prefix(120)))", .unknown)
        case .error(let message) where message.hasPrefix("MOVED") || message.hasPrefix("ASK"):
            throw RedBeatFault(
                "elsewhere",
                "it lies on another node of a Redis Cluster (\(message.prefix(60))), whose redirections Bailey does not follow",
                .unknown
            )
        case .error(let message):
            throw RedBeatFault("not-answered", "Redis answered “\(message.prefix(120))”", .unknown)
        default:
            throw RedBeatFault("not-answered", "Redis answered nothing that HMGET answers", .unknown)
        }
    }
}

extension SourceReading {
    fileprivate mutating func add(_ record: RedBeatRecord) {
        switch record {
        case .entry(let entry): entries.append(entry)
        case .unread(let record): unread.append(record)
        }
    }
}
