import LosslessJSON
import Migration
import Postgres

/// Tables without a word for how far a job is: truths, or nothing but which times are set.
extension StatusGuesser {
    // MARK: Truths

    private func truth(_ names: [String]) -> TableFacts.Column? {
        facts.columns.first { $0.category == "B" && names.contains(ColumnGuesser.plain($0.name)) }
    }

    private static func forms(_ words: [String]) -> [String] {
        words.flatMap { [$0, "is_" + $0, "has_" + $0, "was_" + $0] }
    }

    func truths() -> Status? {
        let done = truth(
            StatusGuesser.forms([
                "done", "processed", "completed", "complete", "finished", "handled", "executed", "sent", "ended",
                "closed",
            ])
        )
        let success = truth(StatusGuesser.forms(["success", "succeeded", "successful", "ok"]))
        guard let end = done ?? success else { return nil }
        let failed = truth(StatusGuesser.forms(["failed", "error", "errored", "dead", "failure"]))
        let running = truth(
            StatusGuesser.forms([
                "running", "processing", "locked", "started", "in_progress", "active", "claimed", "picked",
            ])
        )
        let names = [done, success, failed, running].compactMap { $0 }.map(\.name)
        var cases: [String] = []
        func when(_ condition: String, _ word: String) { cases.append("WHEN \(condition) THEN '\(word)'") }
        if let failed { when(quoted(failed), "failed") }
        if let failedAt { when("\(quoted(failedAt.column)) IS NOT NULL", "failed") }
        if done != nil, let success { when("\(quoted(end)) AND NOT coalesce(\(quoted(success)), false)", "failed") }
        if done == nil, let success, let finished = times["finished"] {
            when("NOT \(quoted(success)) AND \(quoted(finished.column)) IS NOT NULL", "failed")
        } else if done == nil, let success, !success.isRequired {
            when("NOT \(quoted(success))", "failed")
        }
        if failed == nil, failedAt == nil, success == nil, let error {
            when("\(quoted(end)) AND \(isFilled(error))", "failed")
        }
        when(quoted(end), "done")
        if let running { when(quoted(running), "running") }
        if let started = times["started"] { when(isThere(started), "running") }
        var status = Status(sql: "CASE \(cases.joined(separator: " ")) ELSE 'queued' END")
        status.guesses.append(
            ProfileProposal.Guess(
                "status",
                status.sql ?? "",
                .medium,
                ["no column has a word for it, and \(names.joined(separator: ", ")) say it by true and false"]
            )
        )
        settle(&status)
        return status
    }

    // MARK: Times alone

    func moments() -> Status? {
        var cases: [String] = []
        var said: [String] = []
        func when(_ condition: String, _ word: String, _ name: String) {
            cases.append("WHEN \(condition) THEN '\(word)'")
            said.append(name)
        }
        if let failedAt { when(isThere(failedAt), "failed", failedAt.column.name) }
        if let cancelledAt { when(isThere(cancelledAt), "cancelled", cancelledAt.column.name) }
        if let finished = times["finished"] {
            if failedAt == nil, let error {
                when("\(isThere(finished)) AND \(isFilled(error))", "failed", error.column.name)
            }
            when(isThere(finished), "done", finished.column.name)
        }
        if let started = times["started"] { when(isThere(started), "running", started.column.name) }
        guard !cases.isEmpty else { return nil }
        var status = Status(sql: "CASE \(cases.joined(separator: " ")) ELSE 'queued' END")
        status.guesses.append(
            ProfileProposal.Guess(
                "status",
                status.sql ?? "",
                .medium,
                ["no column says it, and which of \(said.joined(separator: ", ")) are set does"]
            )
        )
        settle(&status)
        return status
    }

    /// The words of an expression of its own making.
    private func settle(_ status: inout Status) {
        let sql = status.sql ?? ""
        for (meaning, word) in [
            ("queued", "queued"), ("running", "running"), ("success", "done"), ("failed", "failed"),
            ("other", "cancelled"),
        ]
        where sql.contains("'\(word)'") { status.words[meaning] = [word] }
    }

    private func quoted(_ column: TableFacts.Column) -> String { PostgresConnection.identifier(column.name) }

    private func isThere(_ part: ColumnGuesser.Part) -> String {
        part.column.isNumber ? "coalesce(\(quoted(part.column)), 0) <> 0" : "\(quoted(part.column)) IS NOT NULL"
    }

    private func isFilled(_ part: ColumnGuesser.Part) -> String {
        "coalesce(\(quoted(part.column))::text, '') NOT IN ('', '{}', '[]', 'null')"
    }
}
