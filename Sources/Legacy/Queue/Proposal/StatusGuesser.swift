import LosslessJSON
import Migration
import Postgres

/// What a table's rows say of how far a job is: words, numbers, truths, or nothing but which times are set.
struct StatusGuesser {
    /// The status as a profile says it.
    struct Status: Sendable {
        /// The column; nil for an expression.
        var column: TableFacts.Column?
        var kind: QueueKind?
        var sql: String?
        /// The words by what they mean.
        var words: [String: [String]] = [:]
        var guesses: [ProfileProposal.Guess] = []
        var unknown: [String] = []
    }

    let facts: TableFacts
    /// Times and error, as they were guessed.
    let times: [String: ColumnGuesser.Part]
    let failedAt: ColumnGuesser.Part?
    let cancelledAt: ColumnGuesser.Part?
    let error: ColumnGuesser.Part?

    private static let meanings: [(meaning: String, words: Set<String>)] = [
        (
            "queued",
            [
                "pending", "queued", "new", "todo", "waiting", "wait", "ready", "created", "scheduled", "enqueued",
                "available",
                "open", "submitted", "idle", "planned", "delayed", "received", "init", "initial", "unprocessed",
                "not_started", "inactive",
                "retry", "retrying", "retryable", "to_do", "requested", "q", "p", "w", "n",
            ]
        ),
        (
            "running",
            [
                "running", "processing", "in_progress", "inprogress", "doing", "active", "picked", "started",
                "executing", "locked",
                "claimed", "working", "busy", "reserved", "in_process", "progress", "acquired", "assigned",
                "dispatched", "sending", "r",
            ]
        ),
        (
            "success",
            [
                "completed", "complete", "done", "success", "succeeded", "successful", "finished", "processed", "ok",
                "sent", "delivered",
                "closed", "resolved", "acked", "d", "s", "c",
            ]
        ),
        (
            "failed",
            [
                "failed", "fail", "failure", "error", "errored", "dead", "exception", "discarded", "rejected",
                "crashed", "exhausted",
                "timeout", "timed_out", "timedout", "dead_letter", "deadletter", "bounced", "invalid", "buried", "f",
                "e", "x",
            ]
        ),
        (
            "other",
            [
                "cancelled", "canceled", "skipped", "expired", "aborted", "paused", "suspended", "held", "on_hold",
                "blocked", "ignored",
                "archived", "deleted", "stopped", "revoked", "terminated", "disabled", "draft",
            ]
        ),
    ]

    static func meaning(of word: String) -> String? {
        let plain = ColumnGuesser.plain(word)
        return meanings.first { $0.words.contains(plain) }?.meaning
    }

    private static let names = [
        "status", "state", "job_status", "task_status", "job_state", "task_state", "phase", "stage", "progress",
        "outcome", "condition",
        "run_status", "processing_status", "delivery_status", "sts", "stat",
    ]

    /// The status; nil if nothing of the table says it.
    func status() -> Status? {
        words() ?? numbers() ?? truths() ?? moments()
    }

    // MARK: Words

    private func seen(_ column: TableFacts.Column) -> [String] { (facts.values[column.name] ?? []).compactMap(\.text) }

    private func rank(_ column: TableFacts.Column) -> Int? {
        let name = ColumnGuesser.plain(column.name)
        if let exact = StatusGuesser.names.firstIndex(of: name) { return exact }
        return StatusGuesser.names.firstIndex { name.hasSuffix("_" + $0) || name.hasPrefix($0 + "_") }.map { 100 + $0 }
    }

    /// Words that the table's rules, comments and remembered statements use of a column.
    private func written(_ column: TableFacts.Column) -> [String] {
        let name = column.name.lowercased()
        let texts = facts.checks.filter { $0.lowercased().contains(name) } + facts.statements
        var found: [String] = []
        for text in texts {
            // 'word' within some words after the column's name.
            let lower = text.lowercased()
            var rest = lower[...]
            while let at = rest.firstRange(of: name) {
                let after = lower[at.upperBound...].prefix(240)
                for match in after.matches(of: /'([a-z0-9_ -]{1,40})'/)
                where StatusGuesser.meaning(of: String(match.output.1)) != nil {
                    found.append(String(match.output.1))
                }
                rest = lower[at.upperBound...]
            }
        }
        return found
    }

    private func words() -> Status? {
        let candidates = facts.columns.filter { $0.category == "E" || ($0.isText && !$0.isKey) }.compactMap {
            column -> (column: TableFacts.Column, score: Int)? in
            let seen = column.labels.isEmpty ? seen(column) : column.labels
            guard seen.count <= 20 else { return nil }
            let known = seen.filter { StatusGuesser.meaning(of: $0) != nil }.count
            // A name that says it, or values that do.
            if let rank = rank(column) { return (column, 1000 - rank + 10 * known) }
            return known >= 2 && known * 3 >= seen.count * 2 ? (column, 10 * known) : nil
        }
        guard let column = candidates.max(by: { $0.score < $1.score })?.column else { return nil }
        // A text column with no values and no rules is one only by its name.
        var words: [String] = []
        for word in seen(column) + column.labels + written(column)
        where !words.contains(where: { $0.lowercased() == word.lowercased() }) {
            words.append(word)
        }
        var status = Status(column: column, kind: column.category == "E" ? .enum : nil)
        var evidence = ["it is called “\(column.name)” and is \(column.type)"]
        if !column.labels.isEmpty { evidence.append("its words are \(column.labels.joined(separator: ", "))") }
        if !seen(column).isEmpty { evidence.append("rows hold \(seen(column).joined(separator: ", "))") }
        let byName = rank(column) != nil
        status.guesses.append(
            ProfileProposal.Guess("status", column.name, byName ? .high : .medium, evidence)
        )
        for word in words {
            if let meaning = StatusGuesser.meaning(of: word) {
                status.words[meaning, default: []].append(word)
                continue
            }
            let (meaning, why) = byRows(column, word)
            status.words[meaning, default: []].append(word)
            status.unknown.append("what “\(word)” of \(column.name) means: \(why)")
        }
        guess(&status)
        return status
    }

    /// What the rows with a value show: which of their times are set, and whether an error stands in them.
    private func byRows(_ column: TableFacts.Column, _ value: String) -> (meaning: String, why: String) {
        let rows = facts.rows.filter { row in
            switch row[column.name] {
            case .string(let text)?: text == value
            case .number(let number)?: number.lexeme == value
            case .bool(let truth)?: (truth ? "true" : "false") == value
            default: false
            }
        }
        func share(_ part: ColumnGuesser.Part?) -> Double {
            guard let part, !rows.isEmpty else { return 0 }
            return Double(rows.filter { isSet($0[part.column.name]) }.count) / Double(rows.count)
        }
        guard !rows.isEmpty else { return ("other", "no row has it") }
        let (ended, begun, wrong) = (
            share(times["finished"]), share(times["started"]), max(share(error), share(failedAt))
        )
        let number = "\(rows.count) sampled rows"
        if wrong > 0.6 { return ("failed", "of \(number) with it most hold an error, so it is taken for “failed”") }
        if ended > 0.6 {
            return ("success", "of \(number) with it most have an end and no error, so it is taken for “success”")
        }
        if times["finished"] != nil, begun > 0.6 {
            return ("running", "of \(number) with it most have a start and no end, so it is taken for “running”")
        }
        if times["started"] != nil || times["finished"] != nil, begun < 0.4, ended < 0.4 {
            return ("queued", "of \(number) with it few have a start or an end, so it is taken for “queued”")
        }
        return ("other", "its rows do not show it")
    }

    private func isSet(_ value: JSON?) -> Bool {
        switch value {
        case nil, .null?: false
        case .string(let text)?: !text.isEmpty && text != "{}" && text != "[]" && text != "null"
        case .number(let number)?: number.double != 0
        default: true
        }
    }

    private func guess(_ status: inout Status) {
        for meaning in ["queued", "running", "success", "failed", "other"] {
            guard let words = status.words[meaning] else { continue }
            let byWord = words.allSatisfy { StatusGuesser.meaning(of: $0) == meaning }
            status.guesses.append(
                ProfileProposal.Guess(
                    "status \(meaning)",
                    words.joined(separator: ", "),
                    byWord ? .high : .medium,
                    [byWord ? "the words say it" : "rows with it show it"]
                )
            )
        }
    }

    // MARK: Numbers

    private func numbers() -> Status? {
        let columns = facts.columns.filter {
            ["int2", "int4", "int8", "numeric"].contains($0.base) && rank($0) != nil && !$0.isKey
                && seen($0).count <= 20
        }
        guard let column = columns.min(by: { (rank($0) ?? 0) < (rank($1) ?? 0) }) else { return nil }
        var status = Status(column: column, kind: .int)
        var evidence = ["it is called “\(column.name)” and is \(column.type)"]
        if !seen(column).isEmpty { evidence.append("rows hold \(seen(column).joined(separator: ", "))") }
        let legend = StatusGuesser.legend(column.comment ?? "")
        if !legend.isEmpty { evidence.append("its comment says what the numbers mean") }
        status.guesses.append(ProfileProposal.Guess("status", column.name, .high, evidence))
        let usual = ["0": "queued", "1": "running", "2": "success", "3": "failed", "-1": "failed"]
        var values = seen(column)
        for number in legend.keys.sorted() where !values.contains(number) { values.append(number) }
        for value in values {
            if let meaning = legend[value] {
                status.words[meaning, default: []].append(value)
                continue
            }
            let (shown, why) = byRows(column, value)
            let meaning = shown == "other" ? usual[value] ?? "other" : shown
            status.words[meaning, default: []].append(value)
            status.unknown.append(
                shown == "other" && usual[value] != nil
                    ? "what \(value) of \(column.name) means: \(why); by custom it is “\(meaning)”"
                    : "what \(value) of \(column.name) means: \(why)"
            )
        }
        guess(&status)
        return status
    }

    /// Numbers and what a text says of them: `0=pending, 1: running`.
    static func legend(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for match in text.lowercased().matches(of: /(-?\d+)\s*(?:=|:|->|-|\))\s*([a-z_ ]+[a-z])/) {
            let words = String(match.output.2).split(separator: " ")
            let tried = [String(match.output.2)] + words.map(String.init)
            if let meaning = tried.lazy.compactMap({ StatusGuesser.meaning(of: $0) }).first {
                found[String(match.output.1)] = meaning
            }
        }
        return found
    }
}
