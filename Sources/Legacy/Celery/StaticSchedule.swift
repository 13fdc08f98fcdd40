import LosslessJSON
import Migration
import Schedules

/// The `beat_schedule` of an application's code, as its live workers tell it.
///
/// What beat alone adds at its start (`on_after_configure`, `setup_periodic_tasks`), a worker does not know.
struct StaticSchedule {
    /// What was read of it: entries, and what did not become one.
    struct Reading {
        var found = 0
        var entries: [LegacyEntry] = []
        var unread: [UnreadRecord] = []
    }

    /// What `ScheduleEntry` of Celery takes beside its name; with anything else beat does not start.
    private static let known: Set<String> = ["task", "schedule", "args", "kwargs", "options", "relative"]

    let source: String
    let answers: [CeleryWorkers.Answer]

    /// Every entry of every worker's answer; an entry that the workers tell alike is one.
    func read() -> Reading {
        var told: [String: [(worker: String, entry: JSON, zone: String?)]] = [:]
        var reading = Reading()
        for answer in answers {
            guard let schedule = answer.settings["beat_schedule"] else { continue }
            guard let entries = schedule.object else {
                if !schedule.isNull {
                    reading.found += 1
                    reading.unread.append(
                        unread(
                            "beat_schedule",
                            "malformed-schedule",
                            "\(answer.worker) tells a beat_schedule that is \(schedule.kind)"
                        )
                    )
                }
                continue
            }
            for member in entries.members {
                told[member.key, default: []].append((answer.worker, member.value, answer.timezone))
            }
        }
        for (name, versions) in told.sorted(by: { $0.key < $1.key }) {
            reading.found += 1
            guard let first = versions.first else { continue }
            if let other = versions.first(where: { $0.entry != first.entry || $0.zone != first.zone }) {
                reading.unread.append(
                    unread(
                        name,
                        "workers-disagree",
                        "\(first.worker) tells it as \(shown(first.entry, first.zone)), \(other.worker) as \(shown(other.entry, other.zone)); "
                            + "which of them beat has, the workers cannot tell. Ask the workers of beat's own application alone, or deploy them all anew"
                    )
                )
                continue
            }
            switch entry(name, first.entry, zone: first.zone) {
            case .success(let entry): reading.entries.append(entry)
            case .failure(let reason): reading.unread.append(unread(name, reason.word, reason.detail))
            }
        }
        return reading
    }

    private struct Reason: Error {
        let word: String
        let detail: String
    }

    private func entry(_ name: String, _ json: JSON, zone: String?) -> Result<LegacyEntry, Reason> {
        guard let object = json.object else {
            return .failure(
                Reason(
                    word: "malformed-entry",
                    detail: "it is \(json.kind), not an object; beat does not start with it"
                )
            )
        }
        if let extra = object.keys.first(where: { !StaticSchedule.known.contains($0) }) {
            return .failure(
                Reason(
                    word: "unknown-field",
                    detail: "it has a field “\(extra)” that Celery does not know; beat does not start with it"
                )
            )
        }
        guard let task = object["task"]?.string else {
            return .failure(Reason(word: "no-task", detail: "it names no task"))
        }
        guard let written = object["schedule"] else {
            return .failure(Reason(word: "no-schedule", detail: "it has no “schedule”; beat does not start with it"))
        }
        let schedule: Schedule
        do {
            schedule = try ToldSchedule.read(written, relative: object["relative"].map(isTruthy) ?? false)
        } catch {
            let word = error.code == .unknownSchedule ? "schedule-not-told" : "bad-schedule"
            return .failure(Reason(word: word, detail: error.message))
        }
        var entry = LegacyEntry(id: EntryID(source: source, name: name), kind: .beat, task: task)
        entry.args = object["args"] ?? .null
        entry.kwargs = object["kwargs"] ?? .object([:])
        entry.options = object["options"] ?? .object([:])
        entry.schedule = schedule
        entry.scheduleSource = schedule.redbeatJSON ?? written
        entry.timezone = zone
        entry.isStatic = true
        entry.raw = [RawRecord(key: Array("beat_schedule".utf8), field: name, bytes: Array(json.text().utf8))]
        return .success(entry)
    }

    private func unread(_ name: String, _ word: String, _ detail: String) -> UnreadRecord {
        UnreadRecord(source: source, key: name, reason: word, detail: detail)
    }

    private func shown(_ entry: JSON, _ zone: String?) -> String {
        "\(entry.text().prefix(200))\(zone.map { " in \($0)" } ?? "")"
    }
}

extension CeleryWorkers.Answer {
    /// The zone in which the application's schedules are read; nil where that is the machine's own, which a worker does not tell.
    ///
    /// `timezone` as Celery has it: UTC where none is set and `enable_utc` is not switched off.
    var timezone: String? {
        if let name = settings["timezone"]?.string, !name.isEmpty { return name }
        return settings["enable_utc"]?.bool == false ? nil : "UTC"
    }
}
