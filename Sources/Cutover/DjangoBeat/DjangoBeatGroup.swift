import LosslessJSON
import Migration
import Schedules

/// The entries of `django_celery_beat` that one pipeline takes over, all or none, as they were planned.
struct DjangoBeatGroup: Sendable {
    /// One entry.
    struct Entry: Sendable {
        var id: EntryID
        /// The row as it was imported, and that of its schedule.
        var row: JSON
        var kind: String
        var scheduleRow: JSON
        var schedule: Schedule
        var zone: Zone
        var isEnabled: Bool
        /// When beat disables it.
        var expires: Instant?
    }

    let pipeline: String
    /// The driver first, or for a pipeline with a schedule of its own always the same one.
    let entries: [Entry]
    /// Whether the first entry is the pipeline's clock.
    let hasEntryClock: Bool
    let timetable: AirflowTimetable?

    /// Microseconds after legacy's last run in which a tick of the DAG is the one that legacy has just run: an interval's ticks follow legacy's
    /// last run and drift, and the DAG's stand on a grid.
    var slack: Int64 {
        guard hasEntryClock, case .interval(let interval)? = entries.first?.schedule else { return 0 }
        return interval.microseconds / 2
    }

    /// The tick that legacy's own record must show to have been run before its clock is taken away; nil if it was never due.
    func told(at now: Instant) -> Instant? {
        guard hasEntryClock, let lead = entries.first, lead.isEnabled else { return nil }
        if case .interval(let interval) = lead.schedule {
            // Beat runs it that long after its last run, and a loop may have other things to do first.
            return now.adding(microseconds: slack - interval.microseconds).adding(seconds: -5)
        }
        return lead.schedule.last(until: now, in: lead.zone)
    }

    /// The latest moment at which an entry was due, by its last run; nil if it was not due since.
    func overdue(_ entry: Entry, last: Instant, at now: Instant) -> Instant? {
        if case .interval(let interval) = entry.schedule {
            let due = last.adding(microseconds: interval.microseconds)
            return due <= now ? due : nil
        }
        return entry.schedule.last(until: now, in: entry.zone).flatMap { last < $0 ? $0 : nil }
    }

    /// When something of it is due next by its crontabs; nil where only intervals are, whose next tick follows a run that the table does not show.
    func nextDue(after now: Instant) -> Instant? {
        entries.filter(\.isEnabled).compactMap { entry in
            if case .interval = entry.schedule { return nil }
            return entry.schedule.next(after: now, in: entry.zone)
        }.min()
    }

    /// The group of a planned pipeline in one source; nil if the pipeline has no entries there.
    ///
    /// - Throws: `Refusal` where the entries cannot be taken over.
    init?(_ dag: DAGDefinition, inventory: Inventory, source: String, zones: ZoneDatabase) throws(Refusal) {
        let members = dag.entries.filter { $0.source == source }
        guard !members.isEmpty else { return nil }
        pipeline = dag.id
        timetable = dag.clock.timetable
        hasEntryClock = dag.clock.driver != nil
        var entries: [Entry] = []
        for member in members { entries.append(try Entry(member, inventory[member], zones: zones)) }
        if let driver = dag.clock.driver {
            guard let index = members.firstIndex(of: driver) else {
                throw Refusal(
                    .elsewhere,
                    "\(driver), which drives \(dag.id), does not lie in \(source) as its other entries do",
                    "Entries of several sources cannot move as one; make pipelines of their own of them"
                )
            }
            entries.insert(entries.remove(at: index), at: 0)
            guard entries[0].isEnabled else {
                throw Refusal(
                    .doesNotFire,
                    "\(driver) is disabled: legacy does not fire it, so there is nothing to take over",
                    "Enable it in the application first, or unpause an ungated DAG if it is to run again"
                )
            }
        }
        self.entries = entries
    }
}

extension DjangoBeatGroup.Entry {
    fileprivate init(_ id: EntryID, _ entry: LegacyEntry?, zones: ZoneDatabase) throws(Refusal) {
        func record(_ prefix: String, _ suffix: String) -> (kind: String, row: JSON)? {
            for raw in entry?.raw ?? [] {
                let key = String(decoding: raw.key, as: UTF8.self)
                guard key.hasPrefix(prefix), key.hasSuffix(suffix), let row = try? JSON(parsing: raw.bytes) else {
                    continue
                }
                return (String(key.dropFirst(prefix.count).dropLast(suffix.count)), row)
            }
            return nil
        }
        let prefix = "django_celery_beat_"
        guard let entry, let task = record(prefix, "periodictask"), let kept = record(prefix, "schedule") else {
            throw Refusal(
                .notImported,
                "the inventory holds no stored row of \(id)",
                "Run bailey import, then look at the plan again"
            )
        }
        guard ["interval", "crontab"].contains(kept.kind), task.row["one_off"]?.bool != true,
            let schedule = entry.schedule
        else {
            throw Refusal(
                .doesNotFire,
                "\(id) is no entry that is due again and again (\(kept.kind)\(task.row["one_off"]?.bool == true ? ", one_off" : "")): beat runs it once, or by the sun",
                "Leave it with beat; make a pipeline of its own of each entry that is to move"
            )
        }
        func moment(_ column: String) throws(Refusal) -> Instant? {
            guard let text = task.row[column]?.string else { return nil }
            guard let instant = Instant(iso8601: text) else {
                throw Refusal(
                    .unfitTable,
                    "the \(column) of \(id) is “\(text)”, which is no moment with a zone (USE_TZ is False, or it is infinite)",
                    "Such a table is read and not moved: nobody has tried what its beat does"
                )
            }
            return instant
        }
        if let start = try moment("start_time"), start > (try moment("last_run_at") ?? .earliest), entry.lastRun == nil
        {
            throw Refusal(
                .doesNotFire,
                "\(id) has a start_time (\(start.iso8601)) and has never run",
                "Run the command again when beat has run it"
            )
        }
        // Columns without a zone show in every row.
        _ = try moment("date_changed")
        do { zone = try zones.zone(entry.timezone ?? "UTC") } catch {
            throw Refusal(.notImported, "\(id): \(error)", "Mend the entry, then run bailey import")
        }
        expires = try moment("expires")
        self.id = id
        row = task.row
        kind = kept.kind
        scheduleRow = kept.row
        self.schedule = schedule
        isEnabled = entry.enabled
    }
}
