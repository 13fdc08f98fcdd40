import LosslessJSON
import Migration
import Schedules

/// Turns the JSON of Celery's result backend (`celery-task-meta-<id>`, Celery 5.3–5.7) into outcomes of entries.
struct CeleryResultRecord {
    /// What a record is.
    enum Reading {
        case outcome(Outcome)
        /// The task has started and not ended.
        case started(id: String)
        /// A task that entries call, with arguments that none of them has: another caller's, or the entry was edited since it was imported.
        case otherArguments(String)
        /// It belongs to no known entry, for this reason.
        case unattributed(String)
        /// It may well be the run of an entry, and for this reason nobody can say of which.
        case indistinct(String)
        /// It cannot be read, for this reason.
        case unread(String)
    }

    private struct Call: Hashable {
        var task: String
        var arguments: String
    }

    private let entries: [Call: [LegacyEntry]]
    private let tasks: Set<String>
    private let byID: [EntryID: LegacyEntry]
    private let zones: ZoneDatabase

    init(entries: [LegacyEntry], zones: ZoneDatabase) {
        var index: [Call: [LegacyEntry]] = [:]
        for entry in entries where entry.kind != .jobType {
            index[CeleryResultRecord.call(entry.task, entry.args, entry.kwargs), default: []].append(entry)
        }
        self.entries = index
        tasks = Set(index.keys.map(\.task))
        byID = Dictionary(entries.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        self.zones = zones
    }

    /// Reads one record.
    ///
    /// - Parameter started: when the run was seen to start; nil if it was not.
    func read(_ bytes: [UInt8], started: Instant?) -> Reading {
        let json: JSON
        switch CeleryStoredResult(bytes) {
        case .unread(let reason): return .unread(reason)
        case .record(let found): json = found
        }
        guard let status = json["status"]?.string, let id = json["task_id"]?.string else {
            return .unread(CeleryStoredResult.notJSON)
        }
        if status == "STARTED" { return .started(id: id) }
        let state = CeleryResultRecord.state(status)
        guard [.success, .failed, .cancelled].contains(state) else { return .unattributed("not ended (\(status))") }
        guard let task = json["name"]?.string else {
            return .indistinct(CeleryRuns.nameless)
        }
        let found = entries[CeleryResultRecord.call(task, json["args"] ?? .null, json["kwargs"] ?? .null)] ?? []
        guard let entry = found.first else {
            return tasks.contains(task)
                ? .otherArguments(task) : .unattributed("none of the entries that are shadowed here calls \(task)")
        }
        guard found.count == 1 else {
            return .indistinct(
                "\(found.map { "“\($0.id.name)”" }.joined(separator: " and ")) make the same call, so it cannot be told apart"
            )
        }
        return .outcome(outcome(json, of: entry, id: id, state: state, started: started))
    }

    /// A record that is known to be that of an entry's run; nil if it has not ended.
    func outcome(_ json: JSON, of entry: LegacyEntry, started: Instant?) -> Outcome? {
        let state = CeleryResultRecord.state(json["status"]?.string ?? "")
        guard [.success, .failed, .cancelled].contains(state), let id = json["task_id"]?.string else { return nil }
        return outcome(json, of: entry, id: id, state: state, started: started)
    }

    private func outcome(_ json: JSON, of entry: LegacyEntry, id: String, state: RunState, started: Instant?)
        -> Outcome
    {
        let end = json["date_done"]?.string.flatMap { text in
            Instant(iso8601: text) ?? Instant(iso8601: text + "Z")
        }
        var outcome = Outcome(
            key: Outcome.Key(entry: entry.id, tick: tick(entry, before: started ?? end), job: id),
            side: .legacy,
            run: id,
            state: state
        )
        outcome.arguments = [
            "args": entry.args.isNull ? [] : entry.args, "kwargs": entry.kwargs.isNull ? [:] : entry.kwargs,
        ]
        outcome.start = started
        outcome.end = end
        outcome.attempts = json["retries"]?.int.flatMap { (0..<Int.max).contains($0) ? $0 + 1 : nil }
        outcome.origin = CeleryResultRecord.origin(json, id)
        if state == .success { outcome.result = json["result"] } else { outcome.error = CeleryResultRecord.error(json) }
        return outcome
    }

    /// Why a run is not one that beat sent; nil if nothing in its result speaks against it.
    private static func origin(_ json: JSON, _ id: String) -> String? {
        if let group = json["group_id"]?.string { return "it is part of the group or chord \(group)" }
        guard let parent = json["parent_id"]?.string else { return nil }
        if parent != id { return "the task \(parent) sent it" }
        // A retry has its own run as its parent; so has what a task put in its own place.
        return json["retries"]?.int == 0 ? "a task put it in its own place" : nil
    }

    /// The tick a run of an entry that began at an instant was for.
    func tick(_ id: EntryID, before instant: Instant) -> Instant? {
        byID[id].flatMap { tick($0, before: instant) }
    }

    /// The tick a run was for: the last at which a crontab was due before it. An interval has none of its own.
    private func tick(_ entry: LegacyEntry, before instant: Instant?) -> Instant? {
        guard let instant, let schedule = entry.schedule, case .crontab = schedule,
            let zone = try? zones.zone(entry.timezone ?? "UTC")
        else { return nil }
        return schedule.last(until: instant, in: zone)
    }

    private static func call(_ task: String, _ args: JSON, _ kwargs: JSON) -> Call {
        let arguments = (args.isNull ? [] : args).text(.canonical) + (kwargs.isNull ? [:] : kwargs).text(.canonical)
        return Call(task: task, arguments: arguments)
    }

    private static func state(_ status: String) -> RunState {
        switch status {
        case "SUCCESS": .success
        case "FAILURE": .failed
        case "REVOKED": .cancelled
        case "RETRY": .retrying
        case "STARTED": .running
        case "PENDING", "RECEIVED": .queued
        default: .unknown
        }
    }

    private static func error(_ json: JSON) -> RunError {
        let result = json["result"]
        let words = (result?["exc_message"]?.array ?? []).map { $0.string ?? $0.text() }
        return RunError(
            type: result?["exc_type"]?.string ?? "unknown",
            message: words.joined(separator: " "),
            detail: json["traceback"]?.string,
            module: result?["exc_module"]?.string,
            arguments: result?["exc_message"].flatMap { $0.array == nil ? nil : $0 }
        )
    }
}
