import Legacy
import LosslessJSON
import Migration
import Redis
public import Schedules

/// A throw-away entry in a source's own Redis that runs nothing, and everything that comes of it.
///
/// Its messages go to a queue of its own that nobody consumes from, name a task that no worker has, and expire. All its keys hold its name,
/// so that whoever finds them can take them away.
public struct RehearsalCopy: Sendable, Hashable {
    /// The name: the mark, a digest of the pipeline, the instant.
    public let name: String
    /// Where it lies.
    public let place: RedBeatPlace
    /// When the rehearsal began.
    let made: Instant

    /// Seconds between its ticks.
    public static let interval = 3.0

    /// A copy for a pipeline, not made yet.
    public init(of pipeline: String, place: RedBeatPlace, at instant: Instant) {
        name = CopyNames.beginning(pipeline) + String(instant.microseconds)
        self.place = place
        made = instant
    }

    /// Its key.
    public var key: [UInt8] { Array((place.prefix + name).utf8) }

    /// Its definition, as RedBeat writes one.
    var definition: [UInt8] {
        let json: JSON = [
            "name": .string(name), "task": "bailey.rehearsal.nothing", "args": [], "kwargs": [:],
            "options": ["queue": .string(name), "expires": 60],
            "schedule": [
                "__type__": "interval", "every": .number(JSONNumber(RehearsalCopy.interval)), "relative": false,
            ],
            "enabled": true,
        ]
        return Array(json.text().utf8)
    }

    /// The copy as an inventory has entries, and a pipeline of it.
    ///
    /// - Throws: `ScheduleError`, or `Refusal`.
    func group(zones: ZoneDatabase, readAt: Instant) throws -> RedBeatGroup {
        let schedule = Schedule.interval(try Interval(seconds: RehearsalCopy.interval))
        let id = EntryID(source: place.source, name: name)
        var entry = LegacyEntry(
            id: id,
            kind: .redbeat,
            task: "bailey.rehearsal.nothing",
            schedule: schedule,
            timezone: "UTC"
        )
        entry.raw = [RawRecord(key: key, field: "definition", bytes: definition)]
        let dag = DAGDefinition(
            id: name,
            name: name,
            clock: PipelineClock(
                driver: id,
                schedule: schedule,
                timezone: "UTC",
                timetable: .delta(Int64(RehearsalCopy.interval * 1_000_000))
            ),
            entries: [id],
            tasks: []
        )
        let inventory = Inventory(readAt: readAt, entries: [entry])
        guard let group = try RedBeatGroup(dag, inventory: inventory, place: place, zones: zones) else {
            throw Refusal(
                .gone,
                "the copy \(name) is no group of entries",
                "This is a defect of Bailey; please report it"
            )
        }
        return group
    }

    /// Makes it: an entry that beat fires from now on.
    ///
    /// - Throws: `RedisError`.
    public func make(_ redbeat: RedBeatSwitch, at now: Instant) async throws {
        let meta = try RedBeatBytes.withLastRun(nil, RedBeatTime(instant: now, zone: .utc))
        let entry = RedisCommand("HSET", raw: [key, Array("definition".utf8), definition, Array("meta".utf8), meta])
        _ = try await redbeat.send(entry)
        let schedule = place.keys([key]).schedule
        _ = try await redbeat.send(RedisCommand("ZADD", raw: [schedule, Array(String(now.seconds).utf8), key]))
    }

    /// How often beat says it has fired it; nil if it is gone.
    public func fires(_ redbeat: RedBeatSwitch) async throws -> Int? {
        guard let meta = try await redbeat.status().entries.first?.meta else { return nil }
        return (try? JSON(parsing: meta))?["total_run_count"]?.int ?? 0
    }

    /// How many messages lie in its queue.
    public func messages(_ redbeat: RedBeatSwitch) async throws -> Int {
        try await redbeat.send(RedisCommand("LLEN", raw: [Array(name.utf8)])).int ?? 0
    }

    /// Whether the source's Redis also carries Celery's messages, so that those of a copy can be taken away again.
    public static func brokerIsHere(_ redbeat: RedBeatSwitch) async throws -> Bool {
        var found = false
        try await redbeat.walk(matching: "_kombu.binding.*") { keys in
            found = !keys.isEmpty
            return !found
        }
        return found
    }

    /// Takes away everything that holds the name of a copy.
    ///
    /// - Parameters:
    ///   - pipeline: only copies for this pipeline; nil for all.
    ///   - before: only copies made before this instant; one in use is not taken away from under its operator.
    /// - Returns: how many keys were removed.
    /// - Throws: `RedisError`.
    @discardableResult
    public static func sweep(
        _ redbeat: RedBeatSwitch,
        place: RedBeatPlace,
        pipeline: String?,
        before: Instant
    ) async throws -> Int {
        let prefix = pipeline.map(CopyNames.beginning) ?? Rehearsal.mark
        var removed = 0
        try await redbeat.walk(matching: "*\(prefix)*") { keys in
            for key in keys {
                let text = String(decoding: key, as: UTF8.self)
                guard let name = RehearsalCopy.name(in: text), name.made < before else { continue }
                let entry = Array((place.prefix + name.text).utf8)
                _ = try await redbeat.send(RedisCommand("ZREM", raw: [place.keys([entry]).schedule, entry]))
                _ = try await redbeat.send(RedisCommand("DEL", raw: [key]))
                removed += 1
            }
            return true
        }
        return removed
    }

    /// The name of a copy in a key, and when it was made; nil if the key is not that of one: nothing else is ever taken away.
    static func name(in key: String) -> (text: String, made: Instant)? {
        guard let start = key.firstRange(of: Rehearsal.mark) else { return nil }
        let digest = key[start.upperBound...].prefix { $0.isHexDigit }
        let rest = key[digest.endIndex...]
        guard digest.count == 16, rest.hasPrefix("-") else { return nil }
        let digits = rest.dropFirst().prefix { ("0"..."9").contains($0) }
        // What follows may only be the end of a hash tag, or kombu's mark of a priority.
        let end = key[digits.endIndex...]
        guard let made = Int64(digits), ["", "}"].contains(end) || end.hasPrefix("\u{6}\u{16}") else { return nil }
        return (Rehearsal.mark + digest + "-" + digits, Instant(microseconds: made))
    }
}
