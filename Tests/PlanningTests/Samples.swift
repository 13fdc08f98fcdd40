import LosslessJSON
import Migration
import Schedules
import Settings

/// Entries as a source would read them.
enum Samples {
    static let now = Instant(seconds: 1_795_392_000)  // 2026-11-23T00:00:00Z

    static func entry(_ name: String, _ schedule: JSON, timezone: String = "UTC") throws -> LegacyEntry {
        var entry = LegacyEntry(
            id: EntryID(source: "scheduler", name: name),
            kind: .redbeat,
            task: "company.\(name)",
            args: [1],
            kwargs: ["deep": true],
            schedule: try Schedule(redbeat: schedule),
            timezone: timezone
        )
        entry.scheduleSource = schedule
        return entry
    }

    static func jobType(_ name: String) -> LegacyEntry {
        LegacyEntry(id: EntryID(source: "jobs", name: name), kind: .jobType, task: name)
    }

    /// The JSON that RedBeat stores for a crontab, from its five fields in cron's order.
    static func crontab(_ text: String) -> JSON {
        let fields = text.split(separator: " ").map { JSON.string(String($0)) }
        return [
            "__type__": "crontab", "minute": fields[0], "hour": fields[1], "day_of_month": fields[2],
            "month_of_year": fields[3], "day_of_week": fields[4],
        ]
    }

    static func interval(_ seconds: Double) -> JSON {
        ["__type__": "interval", "every": .number(JSONNumber(seconds)), "relative": false]
    }

    /// What a person says of the applications: that they are as Celery makes them.
    static let celery = ["scheduler": CelerySettings(settings: [:])]

    static func inventory(_ entries: [LegacyEntry]) -> Inventory {
        Inventory(readAt: now, entries: entries.sorted { $0.id < $1.id })
    }
}
