import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules

/// A copy of an entry whose message beat leads aside: same task, arguments and options, once, into a queue that nobody consumes. Its name is
/// that of a rehearsal's copy, so that what takes those away takes it too.
struct MessageCopy: FiredCopy {
    /// Its name, and that of the exchange and the queue that beat's message goes to.
    let name: String
    /// The exchange and the queue that the DAG's message goes to.
    let ours: String
    private let redbeat: RedBeatSwitch
    private let place: RedBeatPlace

    /// A copy for a pipeline, not made yet.
    ///
    /// - Parameters:
    ///   - instant: of the rehearsal; names hold it.
    ///   - number: which of the pipeline's.
    init(of pipeline: String, redbeat: RedBeatSwitch, place: RedBeatPlace, at instant: Instant, number: Int) {
        (name, ours) = CopyNames.pair(pipeline, at: instant, number: number)
        self.redbeat = redbeat
        self.place = place
    }

    private var key: [UInt8] { Array((place.prefix + name).utf8) }

    /// An entry's definition with another name, a schedule that is due at once and not again for a day, and options that lead aside.
    ///
    /// - Throws: `JSONError` if the definition is not JSON.
    func definition(of raw: [UInt8], options: JSON) throws -> JSON {
        var fields = try JSON(parsing: raw).object ?? [:]
        fields["name"] = .string(name)
        fields["options"] = options
        fields["schedule"] = [
            "__type__": "interval", "every": .number(JSONNumber(86_400.0)), "relative": false,
        ]
        fields["enabled"] = true
        return .object(fields)
    }

    func make(of entry: LegacyEntry, options: JSON) async throws {
        guard let raw = entry.raw.first(where: { $0.field == "definition" })?.bytes else {
            throw Refusal(.notImported, "the inventory holds no definition of \(entry.id)", "Run bailey import")
        }
        let bytes = Array(try definition(of: raw, options: options).text().utf8)
        _ = try await redbeat.send(RedisCommand("HSET", raw: [key, Array("definition".utf8), bytes]))
        let schedule = place.keys([key]).schedule
        _ = try await redbeat.send(RedisCommand("ZADD", raw: [schedule, Array("1".utf8), key]))
    }

    func hasFired() async throws -> Bool {
        let meta = try await redbeat.send(RedisCommand("HGET", raw: [key, Array("meta".utf8)])).bytes
        return ((meta.flatMap { try? JSON(parsing: $0) })?["total_run_count"]?.int ?? 0) > 0
    }

    func remove() async throws {
        _ = try await redbeat.send(RedisCommand("ZREM", raw: [place.keys([key]).schedule, key]))
        _ = try await redbeat.send(RedisCommand("DEL", raw: [key]))
    }
}
