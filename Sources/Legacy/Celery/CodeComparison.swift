import LosslessJSON
import Migration
import Schedules

/// What live workers tell otherwise than the code that was loaded here: they run another version of it, or are configured otherwise.
struct CodeComparison {
    let source: String
    let teller: String
    /// What a worker with the code that was loaded would answer.
    let code: CeleryWorkers.Answer
    let workers: [CeleryWorkers.Answer]

    /// Adds what the workers know and the code does not, and notes at each entry what differs.
    func merge(_ told: StaticSchedule.Reading, into reading: inout StaticSchedule.Reading) {
        let known = Set(reading.entries.map(\.id.name) + reading.unread.map(\.key))
        for index in reading.entries.indices {
            if let words = difference(reading.entries[index].id.name) {
                reading.entries[index].notes.append(EntryNote(.codeDiffers, words))
            }
        }
        for var entry in told.entries where !known.contains(entry.id.name) {
            entry.notes.append(EntryNote(.codeDiffers, "workers tell it, and \(teller) does not have it"))
            reading.entries.append(entry)
            reading.found += 1
        }
        for record in told.unread where !known.contains(record.key) {
            reading.unread.append(record)
            reading.found += 1
        }
    }

    /// Settings that differ, beside those that name a place, which is written in several ways.
    var settings: [String] {
        var names: Set<String> = []
        for name in CeleryConfiguration.settings {
            let mine = code.settings[name] ?? .null
            for worker in workers where (worker.settings[name] ?? .null) != mine { names.insert(name) }
        }
        return names.sorted()
    }

    private func difference(_ name: String) -> String? {
        guard let mine = code.settings["beat_schedule"]?[name] else { return nil }
        for worker in workers {
            guard let schedule = worker.settings["beat_schedule"] else { continue }
            guard let theirs = schedule[name] else { return "\(worker.worker) does not tell it, and \(teller) has it" }
            if theirs != mine, !CodeComparison.means(theirs, mine) {
                return "\(teller) has it as \(shown(mine)), and \(worker.worker) tells it as \(shown(theirs))"
            }
        }
        return nil
    }

    /// Whether two forms of an entry mean the same: Celery's versions write a schedule otherwise.
    private static func means(_ a: JSON, _ b: JSON) -> Bool {
        func rest(_ entry: JSON) -> [JSON] {
            [
                entry["task"] ?? .null, entry["args"].flatMap { $0.isNull ? nil : $0 } ?? [],
                entry["kwargs"].flatMap { $0.isNull ? nil : $0 } ?? [:],
                entry["options"].flatMap { $0.isNull ? nil : $0 } ?? [:],
            ]
        }
        func schedule(_ entry: JSON) -> Schedule? {
            try? ToldSchedule.read(entry["schedule"] ?? .null, relative: entry["relative"]?.isTruthy ?? false)
        }
        guard rest(a) == rest(b), let first = schedule(a), let second = schedule(b) else { return false }
        switch (first, second) {
        case (.crontab(let first), .crontab(let second)): return first.rule == second.rule
        case (.interval(let first), .interval(let second)):
            return first.microseconds == second.microseconds && first.relative == second.relative
        default: return false
        }
    }

    private func shown(_ entry: JSON) -> String { String(entry.text().prefix(200)) }
}
