package import Cutover
package import LosslessJSON

extension SwitchRemoval {
    /// The document's part; see docs/json.md.
    package var json: JSON {
        [
            "queue": .string(source), "table": .string(table), "types": .array(members.map { .string($0) }),
            "installed": .bool(isInstalled), "removed": .bool(isRemoved),
            "used_by": .array(usedBy.map { .string($0) }),
            "refusal": refusal.map { error in
                [
                    "reason": .string(error.reason.rawValue), "found": .string(error.found),
                    "advice": .string(error.advice),
                ]
            } ?? .null,
        ]
    }

    /// For a terminal.
    package var lines: [String] {
        var lines = ["  \(members.joined(separator: ", ")) in queue \(source)"]
        if let refusal { return lines + ["  NO   \(refusal.found)", "       \(refusal.advice)"] }
        if isRemoved {
            lines.append("  removed: the triggers on \(table) and the functions in schema bailey")
        } else if isInstalled, !usedBy.isEmpty {
            lines.append("  the triggers on \(table) and schema bailey stay for \(usedBy.joined(separator: "; "))")
        } else if isInstalled {
            lines.append("  will remove the triggers on \(table) and the functions in schema bailey")
        } else {
            lines.append("  nothing is installed on \(table)")
        }
        return lines
    }
}
