public import LosslessJSON
public import Migration
import Schedules

extension PolicyEvaluation {
    /// The evaluation in documents of Bailey's; see docs/json.md.
    public var json: JSON {
        [
            "pipeline": .string(pipeline), "at": .string(at.iso8601), "holds": .bool(holds), "permits": .bool(permits),
            "override": override.map { ["by": .string($0.by), "reason": .string($0.reason)] } ?? .null,
            "lines": .array(
                lines.map { line in
                    [
                        "rule": .string(line.rule.rawValue), "verdict": .string(line.verdict.rawValue),
                        "evidence": .string(line.evidence), "when": line.when.map { .string($0.iso8601) } ?? .null,
                    ]
                }
            ),
        ]
    }

    /// The evaluation for a terminal: one line per rule.
    public func textLines() -> [String] {
        var table = TextTable(["RULE", "VERDICT", "EVIDENCE"])
        for line in lines {
            let when = line.when.map { " (\(line.verdict == .fail ? "not before" : "enough by") \($0.iso8601))" } ?? ""
            table.add([line.rule.rawValue, line.verdict.rawValue, line.evidence + when])
        }
        var text = table.lines(width: 400)
        if !holds, let override {
            text.append("Overridden by \(override.by): \(override.reason)")
        }
        return text
    }
}

extension Rehearsal {
    /// The rehearsal for a terminal.
    public func textLines() -> [String] {
        var table = TextTable(["STEP", "SECONDS", "", "WHAT WAS SEEN"])
        for step in steps { table.add([step.name, decimal(step.seconds), step.passed ? "ok" : "FAILED", step.detail]) }
        return table.lines(width: 240) + ["\(pipeline): the rehearsal \(passed ? "passed" : "failed")"]
    }
}
