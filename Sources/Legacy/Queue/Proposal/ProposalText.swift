import LosslessJSON
import Migration
import Postgres

/// The text of a proposed profile, each guess with what speaks for it beside it.
struct ProposalText {
    let facts: TableFacts
    let parts: [String: ColumnGuesser.Part]
    let kind: TypeGuesser.Kind
    let status: StatusGuesser.Status

    private static let order = [
        "id", "key", "type", "payload", "status", "queued", "started", "finished", "due", "attempts", "max_attempts",
        "error", "result",
        "queue",
    ]

    var proposal: ProfileProposal {
        ProfileProposal(table: facts.full, name: name, guesses: guesses, unknown: unknown, profile: text)
    }

    /// A name that a file may have.
    private var name: String {
        let plain = ColumnGuesser.plain(facts.name).map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        let trimmed = String(plain.prefix(60)).split(separator: "_").joined(separator: "_")
        return trimmed.isEmpty ? "jobs" : trimmed
    }

    private var guesses: [ProfileProposal.Guess] {
        ProposalText.order.flatMap { meaning -> [ProfileProposal.Guess] in
            switch meaning {
            case "type": return [kind.guess]
            case "status": return status.guesses
            default:
                guard let part = parts[meaning] else { return [] }
                return [ProfileProposal.Guess(meaning, part.sql ?? part.column.name, part.confidence, part.evidence)]
            }
        }
    }

    private var isNaive: Bool {
        ["queued", "started", "finished", "due"].contains { parts[$0]?.column.base == "timestamp" }
    }

    /// What a table never tells, and what this one does not.
    private var unknown: [String] {
        var found = status.unknown + [kind.unknown].compactMap { $0 }
        for (meaning, what) in [
            ("started", "when a job began, so that there are no durations"), ("finished", "when a job ended"),
            ("error", "why a job failed"), ("result", "what a job gave"),
        ] where parts[meaning] == nil { found.append("\(what): no column says it") }
        if isNaive {
            found.append(
                "the zone of its times, which have none: it is that of the application's sessions; write it as timezone of the source"
            )
        }
        if facts.rows.isEmpty { found.append("whether any of this is so: the table has no rows that this role sees") }
        if let unseen = facts.unseenStatements {
            found.append("how workers take jobs: \(unseen)")
        } else if !facts.statements.contains(where: { $0.lowercased().contains("skip locked") }) {
            found.append(
                "whether workers lock the rows that they take: no remembered statement about it has SKIP LOCKED"
            )
        }
        return found + [
            "how often and when a failed job is repeated: that is in the worker's code",
            "whether rows can be held: write “hold” (docs/queues.md) and try it with bailey rehearse before a cutover",
        ]
    }

    // MARK: The file

    private var text: String {
        var lines = [
            "# Proposed by bailey profile init from the table itself. Look at each line: what stands behind # is why, and how sure it is.",
            "profile: \(name)", "table: \(quoted(facts.full))", "columns:",
        ]
        for meaning in ProposalText.order {
            switch meaning {
            case "type":
                lines.append("  type: \(value(kind.column?.name, kind.sql, nil))" + comment(kind.guess))
            case "status":
                let why = status.guesses.first { $0.meaning == "status" }
                lines.append(
                    "  status: \(value(status.column?.name, status.sql, status.kind))" + (why.map(comment) ?? "")
                )
            default:
                guard let part = parts[meaning] else { continue }
                let guess = ProfileProposal.Guess(meaning, "", part.confidence, part.evidence)
                let name = part.sql == nil ? part.column.name : nil
                lines.append("  \(meaning): \(value(name, part.sql, part.kind))" + comment(guess))
            }
        }
        lines.append("statuses:")
        for meaning in ["queued", "running", "success", "failed", "other"] {
            guard let words = status.words[meaning], !words.isEmpty else { continue }
            lines.append("  \(meaning): [\(words.map(quoted).joined(separator: ", "))]")
        }
        if isNaive {
            lines.append("# The times have no zone: write timezone of the source.")
            lines.append("naive_timestamps: true")
        }
        lines.append("# What the table does not tell:")
        lines += unknown.map { "# - \($0.visible)" }
        return lines.joined(separator: "\n") + "\n"
    }

    private func value(_ column: String?, _ sql: String?, _ kind: QueueKind?) -> String {
        let place = column.map { "column: \(quoted($0))" } ?? "sql: \(quoted(sql ?? ""))"
        guard let kind else { return column.map(quoted) ?? "{\(place)}" }
        return "{\(place), kind: \(kind.rawValue)}"
    }

    private func comment(_ guess: ProfileProposal.Guess) -> String {
        "  # \(guess.confidence.rawValue): \(guess.evidence.joined(separator: "; ").visible.prefix(160))"
    }

    /// A text as YAML, which reads JSON's; a plain word as it is.
    private func quoted(_ text: String) -> String {
        let isPlain =
            text.first?.isLetter == true
            && text.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "_" || $0 == ".")
            }
            && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
        return isPlain ? text : JSON.string(text).text()
    }
}
