import LosslessJSON
public import Migration
public import Redis
public import Schedules

/// An entry of an application's code as RedBeat will store it, and whether it arrives there as it is.
public struct RedBeatArrival: Sendable, Hashable {
    /// The entry.
    public let entry: LegacyEntry
    /// Its key.
    public let key: [UInt8]
    /// The definition that RedBeat's beat writes at its start.
    public let definition: [UInt8]
    /// Why it would not arrive, or not as it is; nil if it does.
    public let fault: String?

    /// Makes one, and reads it back as beat does.
    public init(_ entry: LegacyEntry, prefix: String, zones: ZoneDatabase) {
        self.entry = entry
        key = Array((prefix + entry.id.name).utf8)
        guard let schedule = entry.schedule, let stored = schedule.redbeatJSON else {
            definition = []
            fault = "RedBeat cannot store its schedule, and its beat does not start with it"
            return
        }
        let json: JSON = [
            "name": .string(entry.id.name), "task": .string(entry.task), "args": entry.args, "kwargs": entry.kwargs,
            "options": entry.options, "schedule": stored, "enabled": true,
        ]
        definition = Array(json.text().utf8)
        fault =
            RedBeatArrival.unstorable(entry) ?? RedBeatArrival.refusedName(entry.id.name)
            ?? RedBeatArrival.difference(entry, schedule, key, definition, prefix, zones)
    }

    /// Whether stored bytes are this entry, with the same ticks.
    public func means(_ stored: [UInt8], prefix: String, zones: ZoneDatabase) -> Bool {
        guard let schedule = entry.schedule else { return false }
        return RedBeatArrival.difference(entry, schedule, key, stored, prefix, zones) == nil
    }

    /// A set or a range in a crontab, which JSON cannot hold.
    private static func unstorable(_ entry: LegacyEntry) -> String? {
        let told = entry.raw.first.flatMap { try? JSON(parsing: $0.bytes) }
        let fields = (told?["unstorable"]?.array ?? []).compactMap(\.string)
        let text = told?["schedule"]?.string ?? ""
        guard !fields.isEmpty || text.contains("{") || text.contains("range(") || text.contains("set(") else {
            return nil
        }
        return
            "its crontab has a set or a range\(fields.isEmpty ? "" : " (\(fields.joined(separator: ", ")))"), which RedBeat cannot store: its beat does not start with it. Write a list or a text"
    }

    /// No arguments and an empty list of them are the same.
    private static func list(_ args: JSON) -> JSON { args.isNull ? [] : args }

    private static func refusedName(_ name: String) -> String? {
        [":schedule", ":statics", ":lock"].contains(name)
            ? "RedBeat keeps something of its own under the name “\(name)”: give the entry another" : nil
    }

    private static func difference(
        _ entry: LegacyEntry,
        _ schedule: Schedule,
        _ key: [UInt8],
        _ definition: [UInt8],
        _ prefix: String,
        _ zones: ZoneDatabase
    ) -> String? {
        // RedBeat adds it by itself, as every beat does, and an import leaves it to the backend of the results.
        if entry.id.name == "celery.backend_cleanup" { return nil }
        let stored = RedBeatRecord.Stored(key: key, definition: definition, meta: nil, score: 1, isStatic: true)
        guard case .entry(let read) = RedBeatRecord.read(stored, source: entry.id.source, prefix: prefix, zones: zones),
            let there = read.schedule
        else { return "RedBeat could not read what it would store of it" }
        let isSame =
            switch (schedule, there) {
            case (.crontab(let one), .crontab(let other)): one.rule == other.rule
            case (.interval(let one), .interval(let other)):
                one.microseconds == other.microseconds && one.relative == other.relative
            default: schedule == there
            }
        guard isSame else { return "its schedule would arrive as another: \(there.shortText)" }
        guard read.task == entry.task, read.id == entry.id,
            RedBeatArrival.list(read.args) == RedBeatArrival.list(entry.args), read.kwargs == entry.kwargs,
            read.options == entry.options
        else { return "its task, arguments or options would arrive as others" }
        return nil
    }
}

/// What a Redis holds of the schedule that RedBeat is to have there.
public struct RedBeatState: Sendable {
    /// Whether some beat holds the lock.
    public var isLocked = false
    /// The stored definition and meta of each key that is there.
    public var stored: [[UInt8]: (definition: [UInt8]?, meta: [UInt8]?, adopted: Instant?)] = [:]

    /// When legacy last ran what a key holds, as its meta says.
    public func lastRun(_ key: [UInt8], zones: ZoneDatabase) -> Instant? {
        ((try? RedBeatBytes.lastRun(stored[key]?.meta, zones: zones)) ?? nil)?.instant
    }

    /// How often RedBeat has fired it.
    public func fires(_ key: [UInt8]) -> Int? {
        (stored[key]?.meta).flatMap { try? JSON(parsing: $0) }?["total_run_count"]?.int
    }

    /// The field of a hash in which it stands when its entry was adopted. RedBeat reads and keeps only its own fields.
    public static let mark = Array("bailey_adopted".utf8)

    /// Reads it.
    ///
    /// - Throws: `RedisError`.
    public static func read(_ redis: RedisConnection, keys: [[UInt8]], lock: [UInt8]) async throws(RedisError)
        -> RedBeatState
    {
        var state = RedBeatState()
        let fields = [Array("definition".utf8), Array("meta".utf8), mark]
        let commands =
            [RedisCommand("EXISTS", raw: [lock])] + keys.map { RedisCommand("HMGET", raw: [$0] + fields) }
        let replies = try await redis.read(commands)
        state.isLocked = replies.first?.int == 1
        for (key, reply) in zip(keys, replies.dropFirst()) {
            guard let values = reply.array, values.contains(where: { !$0.isNull }) else { continue }
            let adopted = values[2].text.flatMap { Int64($0) }.map { Instant(microseconds: $0) }
            state.stored[key] = (values[0].bytes, values[1].bytes, adopted)
        }
        return state
    }
}
