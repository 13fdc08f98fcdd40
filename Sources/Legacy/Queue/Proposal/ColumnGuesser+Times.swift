import LosslessJSON
import Migration
import Postgres

/// Columns that hold moments, in whatever form.
extension ColumnGuesser {
    /// A column that holds a moment, in whatever form.
    private func moment(_ names: [String], but taken: Set<String>) -> Part? {
        let candidates = facts.columns.filter { !taken.contains($0.name) }.compactMap { column in
            ColumnGuesser.rank(column, names).flatMap { rank in timeKind(column).map { (column, rank, $0) } }
        }
        guard let (column, rank, time) = candidates.min(by: { $0.1 < $1.1 }) else { return nil }
        return Part(
            column: column,
            kind: time.kind,
            sql: time.sql,
            confidence: rank < names.count ? time.confidence : min(.medium, time.confidence),
            evidence: ["it is called “\(column.name)” and is \(column.type)" + time.words]
        )
    }

    private typealias Time = (kind: QueueKind?, sql: String?, confidence: ProfileProposal.Confidence, words: String)

    /// How a column holds moments; nil if it holds none.
    private func timeKind(_ column: TableFacts.Column) -> Time? {
        if column.base == "date" { return (.date, nil, .high, ": a day without a time") }
        if column.isTime { return (nil, nil, .high, "") }
        let numbers = facts.rows.compactMap { $0[column.name]?.double }.filter { $0 != 0 }
        if column.isNumber {
            guard let most = numbers.max(), let least = numbers.min() else {
                // An empty column of that name and a large number is a moment, but of which unit nobody can see.
                return ["int8", "numeric", "float8"].contains(column.base)
                    ? (.epoch, nil, .low, "; no sampled row has one, and seconds since 1970 are assumed") : nil
            }
            if least > 300_000_000, most < 100_000_000_000 {
                return (.epoch, nil, .high, ": its values from \(Int(least)) to \(Int(most)) are seconds since 1970")
            }
            if least > 300_000_000_000, most < 100_000_000_000_000 {
                return (.epochMilliseconds, nil, .high, ": its values are thousandths of seconds since 1970")
            }
            if least > 300_000_000_000_000, most < 1e18 {
                let name = PostgresConnection.identifier(column.name)
                let divisor = most < 1e17 ? "1000000.0" : "1000000000.0"
                return (.epoch, "\(name) / \(divisor)", .medium, ": its values are parts of seconds since 1970")
            }
            return nil
        }
        guard column.isText else { return nil }
        let texts = facts.rows.compactMap { $0[column.name]?.string }.filter { !$0.isEmpty }
        let isISO =
            !texts.isEmpty && texts.allSatisfy { $0.prefixMatch(of: /\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)/) != nil }
        guard isISO else { return nil }
        let name = PostgresConnection.identifier(column.name)
        return (
            nil, "CASE WHEN \(name) ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' THEN \(name)::timestamptz END", .medium,
            ": its texts are times"
        )
    }

    private static let suffixes = ["_at", "_on", "_time", "_ts", "_date", "_utc", ""]

    private static func times(_ words: [String]) -> [String] { words.flatMap { word in suffixes.map { word + $0 } } }

    /// What tells when a job was made, begun, ended, and when it is due.
    func times(but taken: Set<String>) -> [String: Part] {
        var found: [String: Part] = [:]
        var taken = taken
        let wanted: [(String, [String])] = [
            (
                "finished",
                [
                    "completed", "finished", "ended", "finish", "end", "done", "processed", "stopped", "finalized",
                    "success", "succeeded", "executed", "handled", "closed", "completion", "date_done", "sent",
                    "delivered",
                ]
            ),
            (
                "started",
                [
                    "started", "start", "begun", "began", "begin", "picked", "claimed", "attempted", "performed",
                    "locked", "reserved", "processing", "processing_started", "last_attempt", "dequeued", "acquired",
                ]
            ),
            (
                "due",
                [
                    "next_retry", "next_run", "next_attempt", "run", "run_after", "scheduled", "scheduled_for",
                    "schedule", "execute_after", "available", "available_from", "visible", "visible_after",
                    "not_before", "start_after", "process_after", "due", "eta", "retry", "vt", "next_run_after", "send",
                    "deliver_after", "publish",
                ]
            ),
            (
                "queued",
                [
                    "created", "queued", "enqueued", "inserted", "submitted", "added", "requested", "published",
                    "received", "timestamp", "ts", "create",
                ]
            ),
        ]
        for (meaning, words) in wanted {
            guard let part = moment(ColumnGuesser.times(words), but: taken) else { continue }
            found[meaning] = part
            taken.insert(part.column.name)
        }
        return found
    }

    /// When a job failed for good, where a column of its own says so.
    func failedAt() -> Part? {
        moment(
            ColumnGuesser.times(["failed", "errored", "dead", "discarded", "expired", "gave_up", "buried"]),
            but: []
        )
    }

    /// When a job was cancelled.
    func cancelledAt() -> Part? {
        moment(ColumnGuesser.times(["cancelled", "canceled", "aborted", "deleted"]), but: [])
    }
}
