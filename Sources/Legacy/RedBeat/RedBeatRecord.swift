import LosslessJSON
import Migration
import Schedules

/// What a RedBeat key holds, as an entry or as the reason why it is none. The rules are those of RedBeat 2.4.2.
enum RedBeatRecord {
    case entry(LegacyEntry, zone: String?)
    case unread(UnreadRecord)

    /// One key's stored values.
    struct Stored {
        var key: [UInt8]
        var definition: [UInt8]?
        var meta: [UInt8]?
        /// The score in `redbeat::schedule`; nil if it is not in there.
        var score: Double?
        var isStatic: Bool
    }

    private static let definitionKeys: Set<String> = [
        "name", "task", "args", "kwargs", "options", "schedule", "enabled",
    ]
    private static let metaKeys: Set<String> = ["last_run_at", "total_run_count"]

    /// Reads one key.
    static func read(_ stored: Stored, source: String, prefix: String, zones: ZoneDatabase) -> RedBeatRecord {
        let shownKey = readable(stored.key)
        func unread(_ reason: String, _ detail: String, stops: Bool = false) -> RedBeatRecord {
            .unread(
                UnreadRecord(
                    source: source,
                    key: shownKey,
                    reason: reason,
                    detail: detail,
                    stopsLegacy: stops && stored.score != nil
                )
            )
        }
        guard let definitionBytes = stored.definition else {
            if stored.meta == nil, stored.score != nil {
                return unread(
                    "dangling",
                    "the schedule names this key, but it does not exist or is empty; beat removes it with a warning"
                )
            }
            let fate = stored.score == nil ? "beat does not look at it" : "beat removes it with a warning"
            return unread("no-definition", "the hash has no “definition”; \(fate)")
        }
        let definition: JSON
        do {
            definition = try JSON(parsing: definitionBytes)
        } catch {
            return unread(
                error.kind == .invalidUTF8 ? "not-utf8" : "malformed-json",
                "“definition”: \(error); beat stops when it loads this",
                stops: true
            )
        }
        guard let object = definition.object else {
            return unread(
                "malformed-definition",
                "“definition” is \(definition.kind), not an object; beat stops when it loads this",
                stops: true
            )
        }
        if let extra = object.keys.first(where: { !definitionKeys.contains($0) }) {
            return unread(
                "unknown-field",
                "“definition” has a field “\(extra)” that RedBeat does not know; beat stops when it loads this",
                stops: true
            )
        }
        guard let task = object["task"]?.string else {
            return unread("no-task", "“definition” names no task; beat stops when it loads this", stops: true)
        }
        let name = String(decoding: stored.key.dropFirst(prefix.utf8.count), as: UTF8.self)
        let ownName = readable(Array(stored.key.dropFirst(prefix.utf8.count)))
        if let inside = object["name"]?.string, inside != name {
            return unread(
                "name-differs",
                "“definition” says the name “\(inside)”: beat writes the last run to that other key, and fires this one at every tick"
            )
        }
        if ownName == "celery.backend_cleanup" {
            return unread(
                "celery-housekeeping",
                "Celery's own clean-up of its result backend, which goes with the backend"
            )
        }
        let written = object["schedule"] ?? .null
        let schedule: Schedule
        do {
            schedule = try Schedule(redbeat: written)
        } catch {
            // RedBeat takes such an interval, and is then due whenever it looks.
            if error.code == .badInterval, let every = written["every"]?.double, every <= 0 {
                return unread("bad-schedule", "\(error.message); beat fires this each time it looks")
            }
            return unread(
                error.code == .unknownSchedule ? "unknown-schedule" : "bad-schedule",
                "\(error.message); beat stops when it loads this",
                stops: true
            )
        }
        var entry = LegacyEntry(id: EntryID(source: source, name: ownName), kind: .redbeat, task: task)
        entry.args = object["args"] ?? .null
        entry.kwargs = object["kwargs"] ?? .object([:])
        entry.options = object["options"] ?? .object([:])
        entry.enabled = object["enabled"].map(isTruthy) ?? true
        entry.schedule = schedule
        entry.scheduleSource = written
        entry.isStatic = stored.isStatic
        entry.raw = [RawRecord(key: stored.key, field: "definition", bytes: definitionBytes)]
        if let meta = stored.meta { entry.raw.append(RawRecord(key: stored.key, field: "meta", bytes: meta)) }
        if stored.score == nil {
            entry.notes.append(EntryNote(.neverFires, "it is not in the schedule, so beat never looks at it"))
        }
        if stored.isStatic {
            entry.notes.append(
                EntryNote(
                    .staticEntry,
                    "it comes from the application's beat_schedule: every start of beat writes it anew, enabled"
                )
            )
        }
        if !entry.enabled { entry.notes.append(EntryNote(.disabledEntry, "it is disabled")) }
        return readMeta(stored.meta, into: entry, zones: zones, unread: unread)
    }

    private static func readMeta(
        _ bytes: [UInt8]?,
        into entry: LegacyEntry,
        zones: ZoneDatabase,
        unread: (String, String, Bool) -> RedBeatRecord
    ) -> RedBeatRecord {
        guard let bytes, !bytes.isEmpty else { return .entry(entry, zone: nil) }
        let meta: JSON
        do {
            meta = try JSON(parsing: bytes)
        } catch {
            return unread(
                error.kind == .invalidUTF8 ? "not-utf8" : "malformed-json",
                "“meta”: \(error); beat stops when it loads this",
                true
            )
        }
        guard let object = meta.object, let last = object["last_run_at"] else {
            return unread(
                "malformed-meta",
                "“meta” has no “last_run_at”; beat removes the entry from its schedule with a warning",
                false
            )
        }
        if let extra = object.keys.first(where: { !metaKeys.contains($0) }) {
            return unread(
                "unknown-field",
                "“meta” has a field “\(extra)” that RedBeat does not know; beat stops when it loads this",
                true
            )
        }
        var entry = entry
        entry.runCount = object["total_run_count"]?.int
        guard !last.isNull else { return .entry(entry, zone: nil) }
        guard let time = RedBeatTime(last, zones: zones) else {
            return unread(
                "malformed-meta",
                "“last_run_at” is \(last.text().prefix(200)), which is no time that beat can read",
                true
            )
        }
        entry.lastRun = time.instant
        // A zone name is what beat itself wrote if the entry has run; else whoever created the entry wrote it.
        return .entry(entry, zone: time.isNamed && entry.runCount.map { $0 > 0 } ?? false ? time.zone.name : nil)
    }
}
