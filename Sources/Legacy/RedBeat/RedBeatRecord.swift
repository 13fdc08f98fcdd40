import LosslessJSON
import Migration
import Schedules

/// What a RedBeat key holds, as an entry or as the reason why it is none. The rules are those of a running beat (RedBeat 2.4.2 with Celery
/// 5.7); where 2.2 and 2.3 do otherwise the record says so.
enum RedBeatRecord {
    case entry(LegacyEntry)
    case unread(UnreadRecord)

    /// One key's stored values.
    struct Stored {
        var key: [UInt8]
        var definition: [UInt8]?
        var meta: [UInt8]?
        /// The score in `redbeat::schedule`; nil if it is not in there.
        var score: Double?
        var isStatic: Bool

        /// Why beat does not look at it; nil if it does, at the latest when the score has come.
        var whyNotLookedAt: String? {
            guard let score else { return "it is not in the schedule, so beat never looks at it" }
            if score < 0 { return "its score in the schedule is below zero, so beat never looks at it" }
            return score < RedBeatDecoder.endOfCalendar
                ? nil : "its score in the schedule lies beyond the year 9999, so beat never looks at it"
        }
    }

    /// What Celery's `ScheduleEntry` takes of definition and meta.
    private static let known: Set<String> = [
        "name", "task", "args", "kwargs", "options", "schedule", "enabled", "last_run_at", "total_run_count",
        "relative",
    ]

    /// Reads one key.
    static func read(_ stored: Stored, source: String, prefix: String, zones: ZoneDatabase) -> RedBeatRecord {
        do throws(RedBeatFault) {
            return try RedBeatKeyReader(stored: stored, source: source, prefix: prefix, zones: zones).read()
        } catch {
            return unread(error, stored, source: source)
        }
    }

    /// A key that is no entry.
    static func unread(_ fault: RedBeatFault, _ stored: Stored, source: String) -> RedBeatRecord {
        var detail = fault.detail
        var fate = fault.fate
        if let why = stored.whyNotLookedAt {
            fate = .never
            detail += "; \(why)"
        } else if let words = fate.words {
            detail += "; \(words)"
        }
        return .unread(
            UnreadRecord(
                source: source,
                key: readable(stored.key),
                reason: fault.reason,
                detail: detail,
                fate: fate
            )
        )
    }

    /// Reads a key as beat does, and then as an entry.
    private struct RedBeatKeyReader {
        let stored: Stored
        let source: String
        let prefix: String
        let zones: ZoneDatabase

        private var decoder: RedBeatDecoder { RedBeatDecoder(zones: zones) }

        func read() throws(RedBeatFault) -> RedBeatRecord {
            guard let definitionBytes = stored.definition, !definitionBytes.isEmpty else {
                guard stored.definition == nil, stored.meta == nil, stored.score != nil else {
                    throw RedBeatFault("no-definition", "the hash has no “definition”", .dropped)
                }
                throw RedBeatFault(
                    "dangling",
                    "the schedule names this key, but it does not exist or is empty",
                    .dropped
                )
            }
            let definition = try parsed(definitionBytes, "definition")
            var holdsObjects = false
            for part in ["args", "kwargs", "options"] {
                if let value = definition.json[part], try decoder.check(value) { holdsObjects = true }
            }
            _ = try decoder.check(definition.json)
            var meta: (json: JSON, lost: RedBeatFault?)?
            if let bytes = stored.meta, !bytes.isEmpty {
                meta = try parsed(bytes, "meta")
                _ = try decoder.check(meta?.json ?? .null)
            }
            let fields = try merged(definition.json, meta?.json)
            try checkSchedule(fields)
            if let meta, meta.json["last_run_at"] == nil {
                throw RedBeatFault("malformed-meta", "“meta” has no “last_run_at”", .dropped)
            }
            let last = try lastRun(fields)
            try checkReach(fields, last)
            if let lost = definition.lost ?? meta?.lost {
                throw RedBeatFault(lost.reason, lost.detail, try fate(fields, holdsObjects))
            }
            return try entry(fields, last, holdsObjects, definitionBytes)
        }

        // MARK: As beat reads it

        /// JSON as Python reads it. Where it holds what our reader cannot, `lost` says so, and the JSON has a stand-in for it.
        private func parsed(_ bytes: [UInt8], _ field: String) throws(RedBeatFault) -> (json: JSON, lost: RedBeatFault?)
        {
            let problem: JSONError
            do { return (try JSON(parsing: bytes), nil) } catch { problem = error }
            func fault(_ fate: LegacyFate) -> RedBeatFault {
                RedBeatFault(
                    problem.kind == .invalidUTF8 ? "not-utf8" : "malformed-json",
                    "“\(field)”: \(problem)",
                    fate
                )
            }
            switch problem.kind {
            case .loneSurrogate:
                guard let json = try? JSON(parsing: RedBeatBytes.withoutSurrogates(bytes)) else {
                    throw fault(.unknown)
                }
                return (json, RedBeatFault("half-surrogate", "“\(field)”: \(problem)"))
            case .tooDeep:
                // Python's own limit is a thousand less what is called already; 902 levels were seen to fire. Beat survives the
                // exception, and runs nothing any more.
                let depth = RedBeatBytes.depth(bytes)
                if depth <= 902 { throw RedBeatFault("too-deep", "“\(field)” nests \(depth) levels", .fires) }
                guard depth > 1100 else {
                    throw RedBeatFault(
                        "too-deep",
                        "“\(field)” nests \(depth) levels, about what Python can read",
                        .unknown
                    )
                }
                throw RedBeatFault(
                    "too-deep",
                    "“\(field)” nests \(depth) levels, more than Python can read: beat lives on and runs nothing",
                    .stops
                )
            default: throw fault(.stops)
            }
        }

        /// The fields of the definition, with those of meta over them.
        private func merged(_ definition: JSON, _ meta: JSON?) throws(RedBeatFault) -> JSONObject {
            guard let object = definition.object, !RedBeatKeyReader.isTyped(object) else {
                throw RedBeatFault("malformed-definition", "“definition” is \(definition.kind), not an entry's object")
            }
            var fields = object
            if let meta {
                guard let object = meta.object, !RedBeatKeyReader.isTyped(object) else {
                    throw RedBeatFault("malformed-meta", "“meta” is \(meta.kind), not an object")
                }
                for member in object.members { fields[member.key] = member.value }
            }
            if let extra = fields.keys.first(where: { !RedBeatRecord.known.contains($0) }) {
                let place = definition[extra] == nil ? "meta" : "definition"
                throw RedBeatFault("unknown-field", "“\(place)” has a field “\(extra)” that RedBeat does not know")
            }
            return fields
        }

        private static func isTyped(_ object: JSONObject) -> Bool {
            ["datetime", "interval", "crontab", "weekday", "rrule"].contains(object["__type__"]?.string ?? "")
        }

        /// That beat can ask the schedule whether it is due.
        private func checkSchedule(_ fields: JSONObject) throws(RedBeatFault) {
            let written = fields["schedule"] ?? .null
            if let seconds = written.truthNumber { return try RedBeatDecoder.checkSpan(seconds, written) }
            switch written["__type__"]?.string {
            case "interval":
                let every = written["every"] ?? .null
                guard every.truthNumber == nil else { return }
                throw RedBeatFault(
                    "bad-schedule",
                    "the interval's “every” is \(every.text().prefix(60)), which is no number"
                )
            case "crontab", "rrule": return
            case let type?:
                throw RedBeatFault("unknown-schedule", "the schedule is of the type “\(type.prefix(60))”")
            case nil:
                throw RedBeatFault(
                    "unknown-schedule",
                    fields["schedule"] == nil
                        ? "there is no schedule" : "the schedule is \(written.kind) without a type"
                )
            }
        }

        /// When it last ran; nil for never, as whatever is empty or zero in Python.
        private func lastRun(_ fields: JSONObject) throws(RedBeatFault) -> RedBeatTime? {
            guard let last = fields["last_run_at"], last.isTruthy else { return nil }
            guard last["__type__"]?.string == "datetime" else {
                throw RedBeatFault(
                    "malformed-meta",
                    "“last_run_at” is \(last.text().prefix(200)), which is no time that beat can read"
                )
            }
            return try decoder.time(last)
        }

        /// That the next due time lies within Python's calendar.
        private func checkReach(_ fields: JSONObject, _ last: RedBeatTime?) throws(RedBeatFault) {
            guard let seconds = every(fields) else { return }
            let from = last.map { Double($0.instant.seconds) } ?? RedBeatDecoder.startOfCalendar
            guard from + seconds < RedBeatDecoder.endOfCalendar else {
                throw RedBeatFault("bad-schedule", "\(seconds) seconds after its last run lies beyond the year 9999")
            }
        }

        /// Seconds of an interval; nil for another schedule.
        private func every(_ fields: JSONObject) -> Double? {
            let written = fields["schedule"] ?? .null
            return written.truthNumber
                ?? (written["__type__"]?.string == "interval" ? written["every"]?.truthNumber : nil)
        }

        /// What beat does with what it has read, where it is looked at and enabled.
        private func fate(_ fields: JSONObject, _ holdsObjects: Bool) throws(RedBeatFault) -> LegacyFate {
            if !(fields["enabled"] ?? true).isTruthy { return .never }
            if let seconds = every(fields), seconds < 0.000_000_5 { return .floods }
            if let rule = fields["schedule"]?.object, rule["__type__"]?.string == "rrule",
                let defect = RedBeatRule(rule).defect
            {
                return defect.fate
            }
            if let defect = RedBeatSending.defect(fields, holdsObjects: holdsObjects) { return defect.fate }
            return .fires
        }

        // MARK: As an entry

        private func entry(
            _ fields: JSONObject,
            _ last: RedBeatTime?,
            _ holdsObjects: Bool,
            _ definitionBytes: [UInt8]
        ) throws(RedBeatFault) -> RedBeatRecord {
            let ownName = readable(Array(stored.key.dropFirst(prefix.utf8.count)))
            let inside = RedBeatKeyReader.pythonName(fields["name"] ?? .null)
            if let inside, inside != String(decoding: stored.key.dropFirst(prefix.utf8.count), as: UTF8.self) {
                let fate = try self.fate(fields, holdsObjects)
                throw RedBeatFault(
                    "name-differs",
                    "it says the name “\(inside)”, to whose key beat writes the last run",
                    fate == .fires ? .floods : fate
                )
            }
            guard inside != nil else {
                throw RedBeatFault("name-differs", "its name is \((fields["name"] ?? .null).kind)", .floods)
            }
            if ownName == "celery.backend_cleanup" {
                throw RedBeatFault(
                    "celery-housekeeping",
                    "Celery's own clean-up of its result backend, which goes with the backend",
                    .fires
                )
            }
            let enabled = (fields["enabled"] ?? true).isTruthy
            let schedule: Schedule
            do throws(RedBeatFault) { schedule = try self.schedule(fields) } catch {
                throw enabled || error.fate == .stops
                    ? error : RedBeatFault(error.reason, error.detail + "; it is disabled", .never)
            }
            if enabled, let defect = RedBeatSending.defect(fields, holdsObjects: holdsObjects) { throw defect }
            guard let task = fields["task"]?.string, !task.isEmpty else {
                let found = fields["task"].map { $0.text().prefix(60) } ?? "missing"
                throw RedBeatFault(
                    "no-task",
                    "its task is \(found): beat sends a message that no worker knows what to do with",
                    enabled ? .fires : .never
                )
            }
            var entry = LegacyEntry(id: EntryID(source: source, name: ownName), kind: .redbeat, task: task)
            entry.args = RedBeatKeyReader.arguments(fields["args"] ?? .null)
            entry.kwargs = fields["kwargs"].flatMap { $0.isNull || $0.object != nil ? $0 : nil } ?? .object([:])
            entry.options = fields["options"].flatMap { $0.object != nil ? $0 : nil } ?? .object([:])
            entry.enabled = enabled
            entry.schedule = schedule
            entry.scheduleSource = fields["schedule"] ?? .null
            entry.isStatic = stored.isStatic
            entry.raw = [RawRecord(key: stored.key, field: "definition", bytes: definitionBytes)]
            if let meta = stored.meta { entry.raw.append(RawRecord(key: stored.key, field: "meta", bytes: meta)) }
            entry.runCount = fields["total_run_count"]?.int
            entry.lastRun = last?.instant
            entry.notes = notes(entry)
            return .entry(entry)
        }

        private func notes(_ entry: LegacyEntry) -> [EntryNote] {
            var notes: [EntryNote] = []
            if let why = stored.whyNotLookedAt { notes.append(EntryNote(.neverFires, why)) }
            if stored.isStatic {
                notes.append(
                    EntryNote(
                        .staticEntry,
                        "it comes from the application's beat_schedule: every start of beat writes it anew, enabled"
                    )
                )
            }
            if !entry.enabled { notes.append(EntryNote(.disabledEntry, "it is disabled")) }
            if case .crontab(let crontab)? = entry.schedule, crontab.namesMonths {
                notes.append(
                    EntryNote(
                        .differsByVersion,
                        "its crontab names a month: beat stops on that with Celery before 5.5, and from 5.5 on runs it"
                    )
                )
            }
            return notes
        }

        private func schedule(_ fields: JSONObject) throws(RedBeatFault) -> Schedule {
            let written = fields["schedule"] ?? .null
            if let seconds = every(fields) {
                guard seconds >= 0.000_000_5 else {
                    throw RedBeatFault("bad-schedule", "an interval of \(seconds) seconds never ends", .floods)
                }
                let relative = written["relative"] ?? fields["relative"] ?? false
                do {
                    let text: String? =
                        if case .number(let number) = written["every"] ?? written { number.lexeme } else { nil }
                    return .interval(try Interval(seconds: seconds, relative: relative.isTruthy, text: text))
                } catch {
                    throw RedBeatFault("bad-schedule", error.message, .unknown)
                }
            }
            if let object = written.object, object["__type__"]?.string == "rrule",
                let defect = RedBeatRule(object).defect
            {
                throw defect
            }
            do {
                return try Schedule(redbeat: .object((written.object ?? [:]).withoutNullHelpers))
            } catch {
                // Beat takes it: dateutil is more patient than our reader.
                throw RedBeatFault("bad-schedule", error.message, error.code == .neverFires ? .stops : .fires)
            }
        }

        /// The text that Python's `str` makes of a name; nil where nobody needs to know.
        private static func pythonName(_ json: JSON) -> String? {
            switch json {
            case .null: "None"
            case .bool(let flag): flag ? "True" : "False"
            case .number(let number): number.isInteger ? number.lexeme : nil
            case .string(let text): text
            case .array, .object: nil
            }
        }

        /// The positional arguments that beat makes of a value: the characters of a text, the keys of an object.
        private static func arguments(_ json: JSON) -> JSON {
            switch json {
            case .string(let text): .array(text.unicodeScalars.map { .string(String($0)) })
            case .object(let object): .array(object.keys.map { .string($0) })
            case .number, .bool: .array([])
            case .null, .array: json
            }
        }
    }
}

extension Crontab {
    /// Whether a field is written with the name of a month, which Celery before 5.5 does not know.
    fileprivate var namesMonths: Bool {
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        return source.values.contains { value in
            guard let written = value.string, written.utf8.contains(where: { $0 > 0x40 }) else { return false }
            let text = written.lowercased()
            return months.contains { text.contains($0) }
        }
    }
}
