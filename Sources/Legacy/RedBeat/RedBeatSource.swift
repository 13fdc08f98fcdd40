import Migration
public import Redis
public import Schedules

/// The RedBeat schedule of a Celery application, in Redis.
public struct RedBeatSource: Sendable {
    /// The name in `bailey.yaml`.
    public let name: String
    private let url: RedisURL
    private let prefix: String
    private let timezone: String?

    /// A source.
    ///
    /// - Parameters:
    ///   - prefix: `redbeat_key_prefix`.
    ///   - timezone: the application's IANA zone; nil to take what beat wrote.
    public init(name: String, url: RedisURL, prefix: String = "redbeat:", timezone: String? = nil) {
        self.name = name
        self.url = url
        self.prefix = prefix
        self.timezone = timezone
    }

    /// Reads everything, changing nothing.
    ///
    /// - Throws: `RedisError` or `ScheduleError`.
    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let timezone { _ = try zones.zone(timezone) }
        let redis = try await RedisConnection.connect(to: url)
        defer { Task { await redis.close() } }
        let version = try await redis.serverVersion(atLeast: 5)
        let scheduleKey = Array("\(prefix):schedule".utf8)
        let housekeeping: Set<[UInt8]> = [scheduleKey, Array("\(prefix):statics".utf8), Array("\(prefix):lock".utf8)]

        var scores: [[UInt8]: Double] = [:]
        let members = try await redis.send(
            RedisCommand("ZRANGE", raw: [scheduleKey, Array("0".utf8), Array("-1".utf8), Array("WITHSCORES".utf8)])
        )
        var pending: [UInt8]?
        for value in members.array ?? [] {
            if let member = pending {
                scores[member] = value.text.flatMap { Double($0) } ?? 0
                pending = nil
            } else {
                pending = value.bytes
            }
        }
        let statics = Set((try await redis.send("SMEMBERS", "\(prefix):statics").array ?? []).compactMap(\.bytes))
        var keys = try await scan(redis).subtracting(housekeeping)
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
        var zonesSeen: [String: Int] = [:]
        let ordered = keys.sorted { $0.lexicographicallyPrecedes($1) }
        for start in stride(from: 0, to: ordered.count, by: 500) {
            let batch = Array(ordered[start..<min(start + 500, ordered.count)])
            let replies = try await redis.pipeline(
                batch.map { RedisCommand("HMGET", raw: [$0, Array("definition".utf8), Array("meta".utf8)]) }
            )
            for (key, reply) in zip(batch, replies) {
                // With an empty prefix every key of the database is looked at; those that are no entries are not RedBeat's.
                let foreign = prefix.isEmpty && scores[key] == nil
                if case .error(let message) = reply {
                    // What may not be read is not something else that was read.
                    if message.hasPrefix("NOPERM") { throw redis.refusal("HMGET", message) }
                    if foreign { continue }
                    reading.summary.found += 1
                    reading.unread.append(
                        UnreadRecord(
                            source: name,
                            key: readable(key),
                            reason: "not-a-hash",
                            detail: "the key is no hash (\(message.prefix(60)))"
                        )
                    )
                    continue
                }
                let values = reply.array ?? []
                let definition = values.first?.bytes
                if foreign, definition == nil { continue }
                reading.summary.found += 1
                let bare = Array(key.dropFirst(prefix.utf8.count))
                let stored = RedBeatRecord.Stored(
                    key: key,
                    definition: definition,
                    meta: values.last?.bytes,
                    score: scores[key],
                    isStatic: statics.contains(bare)
                )
                switch RedBeatRecord.read(stored, source: name, prefix: prefix, zones: zones) {
                case .entry(let entry, let zone):
                    reading.entries.append(entry)
                    if let zone { zonesSeen[zone, default: 0] += 1 }
                case .unread(let record): reading.unread.append(record)
                }
            }
        }
        settle(zonesSeen, &reading)
        reading.entries.sort { $0.id < $1.id }
        return reading
    }

    /// Gives every entry the application's zone: the one that was set, else the one beat wrote, if it wrote only one.
    private func settle(_ seen: [String: Int], _ reading: inout SourceReading) {
        let names = seen.keys.sorted()
        var zone = timezone
        if let timezone, names.contains(where: { $0 != timezone }) {
            let others = names.filter { $0 != timezone }.joined(separator: ", ")
            reading.summary.notes.append(
                EntryNote(.zoneDisagrees, "bailey.yaml says \(timezone), but beat wrote last runs in \(others)")
            )
        } else if timezone == nil, names.count == 1 {
            zone = names[0]
        } else if timezone == nil {
            let found =
                names.isEmpty
                ? "no entry has run yet, so beat has written no zone"
                : "beat wrote last runs in \(names.joined(separator: ", "))"
            reading.summary.notes.append(
                EntryNote(
                    names.isEmpty ? .zoneUnknown : .zoneDisagrees,
                    "\(found); set “timezone” of source \(name) in bailey.yaml (UTC is assumed)"
                )
            )
        }
        for index in reading.entries.indices { reading.entries[index].timezone = zone }
    }

    private func scan(_ redis: RedisConnection) async throws -> Set<[UInt8]> {
        var pattern = ""
        for character in prefix {
            if "*?[]\\".contains(character) { pattern.append("\\") }
            pattern.append(character)
        }
        pattern += "*"
        var keys: Set<[UInt8]> = []
        var walk = KeyWalk(matching: pattern)
        while let some = try await walk.next(on: redis) { keys.formUnion(some) }
        return keys
    }
}
