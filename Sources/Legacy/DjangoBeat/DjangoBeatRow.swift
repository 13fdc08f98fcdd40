import LosslessJSON
import Migration
import Schedules

/// A row of `django_celery_beat_periodictask` with the schedule that it points to, as the package's own scheduler takes it (1.6 to 2.9).
struct DjangoBeatRow {
    /// The row, and those of its schedules, as PostgreSQL makes JSON of them: columns that a version does not have are not there.
    let task: JSON
    let schedules: [Kind: JSON]
    let source: String
    /// The zone of schedules that have none of their own.
    let zone: String
    let zones: ZoneDatabase

    /// What a row may point to, in the order in which the package looks.
    enum Kind: String, CaseIterable { case interval, crontab, solar, clocked }

    /// The name; the row's number where it has none.
    var name: String { task["name"]?.string ?? "row \(task["id"]?.text() ?? "?")" }

    /// The entry, or why it is none.
    func read() -> Result<LegacyEntry, Unread> {
        do { return .success(try entry()) } catch { return .failure(error) }
    }

    /// Why a row is no entry.
    struct Unread: Error {
        let record: UnreadRecord
    }

    private func unread(_ reason: String, _ detail: String, _ fate: LegacyFate = .unknown) -> Unread {
        Unread(record: UnreadRecord(source: source, key: name, reason: reason, detail: detail, fate: fate))
    }

    private func entry() throws(Unread) -> LegacyEntry {
        guard let called = task["task"]?.string, !called.isEmpty else {
            throw unread("no-task", "it names no task")
        }
        var entry = LegacyEntry(id: EntryID(source: source, name: name), kind: .recurring, task: called)
        entry.args = try stored("args", or: "[]", .array([]))
        entry.kwargs = try stored("kwargs", or: "{}", .object([:]))
        entry.options = try options()
        entry.enabled = task["enabled"]?.bool ?? true
        entry.lastRun = instant(task["last_run_at"])
        entry.runCount = task["total_run_count"]?.int
        // Rows are written anew from code by name, and nothing in the table tells which.
        entry.isStatic = called == "celery.backend_cleanup" && name == called ? true : nil
        try schedule(&entry)
        entry.raw = [raw("django_celery_beat_periodictask", task)]
        for (kind, row) in schedules.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            entry.raw.append(raw("django_celery_beat_\(kind.rawValue)schedule", row))
        }
        entry.notes += notes(entry)
        return entry
    }

    private func raw(_ table: String, _ row: JSON) -> RawRecord {
        RawRecord(key: Array(table.utf8), field: row["id"]?.text(), bytes: Array(row.text().utf8))
    }

    /// A column that holds JSON as text.
    private func stored(_ column: String, or empty: String, _ shape: JSON) throws(Unread) -> JSON {
        let text = task[column]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? empty
        guard let json = try? JSON(parsing: text) else {
            throw unread(
                "malformed-json",
                "its \(column) are no JSON (“\(text.prefix(80))”): beat skips the row, or disables it",
                .never
            )
        }
        guard (json.object == nil) == (shape.object == nil), (json.array == nil) == (shape.array == nil) else {
            throw unread("malformed-\(column)", "its \(column) are \(json.kind): no task can be called with them")
        }
        return json
    }

    /// The options that beat sends with, as `ModelEntry` makes them.
    private func options() throws(Unread) -> JSON {
        var options: JSONObject = [:]
        for option in ["queue", "exchange", "routing_key"] {
            if let text = task[option]?.string { options[option] = .string(text) }
        }
        if let priority = task["priority"], !priority.isNull { options["priority"] = priority }
        if let text = task["expires"]?.string {
            options["expires"] = .string(text)
        } else if let seconds = task["expire_seconds"], !seconds.isNull {
            options["expires"] = seconds
        }
        var headers = try stored("headers", or: "{}", .object([:])).object ?? [:]
        headers["periodic_task_name"] = .string(name)
        options["headers"] = .object(headers)
        return .object(options)
    }

    // MARK: Schedules

    private func schedule(_ entry: inout LegacyEntry) throws(Unread) {
        entry.timezone = zone
        guard let kind = Kind.allCases.first(where: { schedules[$0] != nil }), let row = schedules[kind] else {
            throw unread("no-schedule", "it points to no schedule: beat has nothing to run it by", .never)
        }
        switch kind {
        case .interval: try interval(row, &entry)
        case .crontab: try crontab(row, &entry)
        case .clocked: try clocked(row, &entry)
        case .solar:
            entry.notes.append(
                EntryNote(
                    .scheduleUnsupported,
                    "its schedule is solar: \(row["event"]?.string ?? "?") at latitude \(shown(row["latitude"])), longitude \(shown(row["longitude"])), which Bailey cannot compute",
                    cause: "solar"
                )
            )
        }
        guard task["one_off"]?.bool == true, kind != .clocked, let repeated = entry.schedule else { return }
        // Due once, at a moment that follows from when beat looks: no clock of a DAG's.
        entry.schedule = nil
        entry.scheduleSource = .null
        entry.notes.append(
            EntryNote(
                .scheduleUnsupported,
                "it runs once (one_off), when \(repeated.shortText) is due next, and is disabled by beat afterwards; no DAG is needed for that",
                cause: "one-off"
            )
        )
    }

    private static let periods: [String: Double] = [
        "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1, "microseconds": 0.000_001,
    ]

    private func interval(_ row: JSON, _ entry: inout LegacyEntry) throws(Unread) {
        guard let every = row["every"]?.int, let period = row["period"]?.string,
            let unit = DjangoBeatRow.periods[period]
        else {
            throw unread(
                "bad-schedule",
                "its interval is \(shown(row["every"])) \(shown(row["period"])), which is none"
            )
        }
        let whole = period != "microseconds" || every % 1_000_000 == 0
        let seconds = whole ? (Double(every) * unit).rounded() : Double(every) / 1_000_000
        do {
            let interval = try Interval(seconds: seconds, relative: false)
            entry.schedule = .interval(interval)
            entry.scheduleSource = entry.schedule?.redbeatJSON ?? .null
        } catch {
            throw unread("bad-schedule", error.message)
        }
    }

    private func crontab(_ row: JSON, _ entry: inout LegacyEntry) throws(Unread) {
        if let own = row["timezone"]?.string, !own.isEmpty {
            do { _ = try zones.zone(own) } catch {
                throw unread("bad-zone", error.message)
            }
            entry.timezone = own
        }
        var fields: [CrontabField: JSON] = [:]
        for field in CrontabField.allCases { fields[field] = row[field.rawValue] ?? "*" }
        do {
            entry.schedule = .crontab(try Crontab(fields))
            entry.scheduleSource = entry.schedule?.redbeatJSON ?? .null
        } catch {
            throw unread("bad-schedule", error.message)
        }
    }

    private func clocked(_ row: JSON, _ entry: inout LegacyEntry) throws(Unread) {
        guard let time = instant(row["clocked_time"]) else {
            throw unread("bad-schedule", "its clocked_time is \(shown(row["clocked_time"])), which is no moment")
        }
        // Not before legacy: a rule has whole seconds.
        let second = time.adding(microseconds: 999_999).seconds
        let stored: JSON = [
            "__type__": "rrule", "freq": 3, "dtstart": .number(JSONNumber(Int(second))), "dtstart_tz": 0, "interval": 1,
            "count": 1,
        ]
        do {
            entry.schedule = try Schedule(redbeat: stored)
            entry.scheduleSource = stored
        } catch {
            throw unread("bad-schedule", error.message)
        }
        if task["one_off"]?.bool != true {
            entry.notes.append(
                EntryNote(
                    .boundedEntry,
                    "it is clocked and not one_off: beat fires it again whenever it loads its schedule anew"
                )
            )
        }
    }

    private func notes(_ entry: LegacyEntry) -> [EntryNote] {
        var notes: [EntryNote] = []
        if !entry.enabled { notes.append(EntryNote(.disabledEntry, "it is disabled")) }
        if let start = instant(task["start_time"]) {
            notes.append(
                EntryNote(
                    .boundedEntry,
                    "legacy does not run it before \(start.iso8601) (start_time), which its DAG does not know"
                )
            )
        }
        if let end = instant(task["expires"]) {
            notes.append(
                EntryNote(.boundedEntry, "beat disables it at \(end.iso8601) (expires), which its DAG does not know")
            )
        }
        if entry.isStatic == true {
            notes.append(
                EntryNote(.staticEntry, "beat itself writes it at its start, and it cleans up Celery's results")
            )
        }
        return notes
    }

    private func shown(_ value: JSON?) -> String { value.map { $0.string ?? $0.text() } ?? "nothing" }

    /// A moment as PostgreSQL writes it into JSON; in UTC where its column has no zone.
    private func instant(_ value: JSON?) -> Instant? {
        value?.string.flatMap { Instant(iso8601: $0) ?? Instant(iso8601: $0 + "Z") }
    }
}
