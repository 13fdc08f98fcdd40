import LosslessJSON
import Migration
import Schedules

/// The schedule that an application's code makes, as its own interpreter has it: objects, so nothing of them is lost.
struct CodedSchedule {
    let source: String
    let code: ApplicationCode.Reading
    /// Who tells it, for people.
    let teller: String

    /// Every entry that beat would have.
    func read() -> StaticSchedule.Reading {
        var reading = StaticSchedule.Reading()
        let zone = code.answer("conf", by: teller).first?.timezone
        for told in code.entries {
            reading.found += 1
            let name = told["name"]?.string ?? ""
            if let fault = told["fault"]?.string {
                reading.unread.append(unread(name, fault, told["words"]?.string ?? ""))
                continue
            }
            do {
                reading.entries.append(try entry(name, told, zone))
            } catch {
                reading.unread.append(unread(name, "bad-schedule", error.message))
            }
        }
        return reading
    }

    private func unread(_ name: String, _ reason: String, _ detail: String) -> UnreadRecord {
        let fate: LegacyFate = detail.contains("beat does not start with it") ? .stops : .unknown
        return UnreadRecord(source: source, key: name, reason: reason, detail: detail, fate: fate)
    }

    private func entry(_ name: String, _ told: JSON, _ zone: String?) throws(ScheduleError) -> LegacyEntry {
        var entry = LegacyEntry(
            id: EntryID(source: source, name: name),
            kind: .beat,
            task: told["task"]?.string ?? "",
            args: told["args"] ?? [],
            kwargs: told["kwargs"] ?? [:],
            options: told["options"] ?? [:],
            timezone: zone,
            isStatic: true
        )
        if let written = told["schedule"] {
            entry.schedule = try Schedule(redbeat: written)
            entry.scheduleSource = written
        } else {
            entry.notes.append(
                EntryNote(
                    .scheduleUnsupported,
                    "its schedule is \(told["words"]?.string ?? "unknown"), which Bailey cannot compute",
                    cause: told["unsupported"]?.string
                )
            )
        }
        switch told["origin"]?.string {
        case "handler":
            entry.notes.append(
                EntryNote(
                    .staticEntry,
                    "the application adds it when it is configured (on_after_configure, on_after_finalize)"
                )
            )
        case "beat":
            entry.notes.append(
                EntryNote(.staticEntry, "beat itself adds it, because the store of results forgets nothing by itself")
            )
        default: break
        }
        if told["canvas"] == true {
            entry.notes.append(
                EntryNote(
                    .canvasArguments,
                    "a signature stands in its arguments or options: legacy calls another task by it, which the DAG does not see as a task of its own"
                )
            )
        }
        if let words = CodedSchedule.repeating(code.tasks[entry.task] ?? .null, task: entry.task) {
            entry.notes.append(EntryNote(.taskRepeats, words))
        }
        entry.raw = [RawRecord(key: Array("beat_schedule".utf8), field: name, bytes: Array(told.text().utf8))]
        return entry
    }

    /// What a task does by itself when it fails or lasts; nil if all of it is as Celery makes it.
    static func repeating(_ told: JSON, task: String) -> String? {
        if told["registered"] == false {
            return "the code has no task “\(task)”: workers refuse what names it, unless another application has it"
        }
        var words: [String] = []
        let most = told["max_retries"].map { $0.isNull ? "without end" : "at most \($0.text()) times" }
        if let kinds = told["autoretry_for"]?.array?.compactMap(\.string), !kinds.isEmpty {
            var wait = "each after \(told["countdown"]?.text() ?? "180") s"
            if let first = told["retry_backoff"]?.int {
                wait =
                    "after \(first) s and twice as long each time, at most \(told["retry_backoff_max"]?.text() ?? "600") s"
                if told["retry_jitter"] == true { wait += ", each wait shortened at random" }
            }
            words.append("repeats itself on \(kinds.joined(separator: ", ")) \(most ?? "at most 3 times"), \(wait)")
        } else if most != nil || told["countdown"] != nil {
            let wait = told["countdown"].map { " after \($0.text()) s" } ?? ""
            words.append("where its code calls retry, repeats itself\(wait)\(most.map { " \($0)" } ?? "")")
        }
        if let limit = told["time_limit"] { words.append("is killed after \(limit.text()) s") }
        if let limit = told["soft_time_limit"] { words.append("is interrupted after \(limit.text()) s") }
        if words.isEmpty { return nil }
        return
            "the task “\(task)” \(words.joined(separator: "; ")). The workers do that themselves; retries and a timeout of the DAG's task come on top"
    }
}
