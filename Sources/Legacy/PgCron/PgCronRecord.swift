import LosslessJSON
import Migration
import Schedules

/// A row of cron.job as an entry.
struct PgCronRecord {
    let source: String
    let job: JSON
    /// Of the extension; nil where nobody can tell.
    let version: (Int, Int)?
    let zone: String
    /// Whether no other job has its name, as two of different users may.
    let isNamedOnce: Bool

    /// What keeps a row from being an entry.
    struct Unread: Error { let record: UnreadRecord }

    private var number: Int { job["jobid"]?.int ?? 0 }

    /// Reads the row.
    func read() -> Result<LegacyEntry, Unread> {
        guard let text = job["schedule"]?.string, let command = job["command"]?.string else {
            return .failure(unread("no-command", "it has no schedule or no command"))
        }
        let called = job["jobname"]?.string ?? ""
        let user = job["username"]?.string ?? ""
        var name = called.isEmpty ? "job-\(number)" : called
        if !called.isEmpty, !isNamedOnce { name += " (\(user))" }
        var entry = LegacyEntry(
            id: EntryID(source: source, name: name),
            kind: .statement,
            task: called.isEmpty ? PgCronRecord.named(command, number) : called,
            // A version without the column knows no inactive jobs.
            enabled: job["active"]?.bool ?? true,
            timezone: zone
        )
        if text.trimmed.lowercased() == "@reboot" {
            entry.notes.append(
                EntryNote(.scheduleUnsupported, "it runs when the server starts, and no clock says when that is")
            )
        } else {
            do throws(ScheduleError) {
                let schedule = try Schedule(pgCron: text, version: version)
                (entry.schedule, entry.scheduleSource) = (schedule, schedule.storedJSON)
            } catch {
                return .failure(unread(error.code.rawValue, error.message))
            }
        }
        // A secret is kept nowhere: what holds one is only shown.
        let isSecret = ShownCommand.hidesSomething(of: command)
        var options: [(String, JSON)] = [
            ("command", .string(ShownCommand.of(command))), ("jobid", .number(JSONNumber(number))),
        ]
        for key in ["database", "username", "nodename", "nodeport"] {
            if let value = job[key], !value.isNull { options.append((key, value)) }
        }
        if isSecret { options.append(("hidden", true)) }
        entry.options = .object(JSONObject(options))
        var row = job.object ?? [:]
        row["command"] = .string(ShownCommand.of(command))
        entry.raw = [
            RawRecord(key: Array("cron.job".utf8), field: "jobid=\(number)", bytes: Array(JSON.object(row).text().utf8))
        ]
        entry.notes += notes(text, user, isEnabled: entry.enabled)
        return .success(entry)
    }

    private func notes(_ text: String, _ user: String, isEnabled: Bool) -> [EntryNote] {
        var notes: [EntryNote] = []
        if !isEnabled { notes.append(EntryNote(.disabledEntry, "it is not active")) }
        let fields = text.split(whereSeparator: \.isWhitespace).count
        if fields > 5 {
            notes.append(
                EntryNote(
                    .scheduleMisleads,
                    "“\(text)” has \(fields) fields, and pg_cron reads the first five: what stands behind them means nothing"
                )
            )
        }
        let node = job["nodename"]?.string ?? ""
        let database = job["database"]?.string ?? ""
        let isHere = ["", "localhost", "127.0.0.1", "::1"].contains(node) || node.hasPrefix("/")
        notes.append(
            EntryNote(
                .runsElsewhere,
                "pg_cron runs it as the role \(user) in the database \(database)"
                    + (isHere ? "" : " of the server \(node):\(job["nodeport"]?.int ?? 5432)")
                    + "; a DAG runs it as the role of its connection"
            )
        )
        notes.append(
            EntryNote(
                .overlapDiffers,
                "pg_cron runs one of it at a time: a tick during a run waits for its end, and a DAG does the same; one that passes while the server is down is lost"
            )
        )
        return notes
    }

    private func unread(_ reason: String, _ detail: String) -> Unread {
        Unread(
            record: UnreadRecord(
                source: source,
                key: "cron.job jobid=\(number)" + (job["jobname"]?.string.map { " \($0)" } ?? ""),
                reason: reason,
                detail: detail
            )
        )
    }

    /// The first words of its SQL: `VACUUM events`.
    private static func named(_ command: String, _ number: Int) -> String {
        let words = ShownCommand.of(command).split { !$0.isLetter && !$0.isNumber && !"._".contains($0) }.prefix(4)
        let text = String(words.joined(separator: " ").prefix(40))
        return text.isEmpty ? "job \(number)" : text
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...].drop(while: \.isWhitespace)
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
