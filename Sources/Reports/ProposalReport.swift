public import LosslessJSON
public import Migration

/// A proposed profile, as a document and for a terminal.
extension ProfileProposal {
    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "profile", "version": 1, "table": .string(table), "name": .string(name),
            "holds": .bool(failure == nil),
            "guesses": .array(
                guesses.map { guess in
                    [
                        "meaning": .string(guess.meaning), "says": .string(guess.says),
                        "confidence": .string(guess.confidence.rawValue),
                        "evidence": .array(guess.evidence.map { .string($0) }),
                    ]
                }
            ),
            "unknown": .array(unknown.map { .string($0) }), "reading": reading.map { .string($0) } ?? .null,
            "failure": failure.map { .string($0) } ?? .null, "profile": .string(profile),
        ]
    }

    /// What speaks for each guess, for a terminal.
    public func textLines() -> [String] {
        var rows = TextTable(["MEANS", "SAYS", "SURE", "BECAUSE"])
        for guess in guesses {
            rows.add([guess.meaning, guess.says, guess.confidence.rawValue, guess.evidence.joined(separator: "; ")])
        }
        var lines = ["\(table):"] + rows.lines(width: 200)
        lines += ["", "The table does not tell:"] + unknown.map { "  \($0)" } + [""]
        lines.append(
            failure.map { "An import with it fails: \($0)" } ?? reading.map { "Tried: \($0)." } ?? "Not tried."
        )
        return lines
    }
}
