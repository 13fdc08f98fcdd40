package import Cutover
package import LosslessJSON
package import Migration
import Reports
package import Schedules

/// What `cutover` and `rollback` print.
package struct OwnershipReport {
    package var command: String
    package var executed: Bool
    package var pipelines: [PipelineReport]
    /// What the policy says of each pipeline that is still legacy's.
    package var policies: [PolicyEvaluation] = []
    package var queues: [QueueReport]

    package init(command: String, executed: Bool, crossings: [CrossingReport]) {
        self.command = command
        self.executed = executed
        (pipelines, queues) = ([], [])
        for report in crossings {
            switch report {
            case .ticks(let report): pipelines.append(report)
            case .jobs(let report): queues.append(report)
            }
        }
    }

    package var holds: Bool {
        guard policies.allSatisfy(\.permits) else { return false }
        return queues.allSatisfy { $0.holds(executed: executed) }
            && pipelines.allSatisfy { report in
                if executed {
                    return report.refusal == nil && report.outcome != nil && report.outcome != "given-back"
                        && report.outcome != "given-back-by-others"
                }
                return report.preview.holds
            }
    }
}

extension OwnershipReport {
    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": .string(command), "version": 1, "executed": .bool(executed), "holds": .bool(holds),
            "pipelines": .array(pipelines.map(\.json)), "queues": .array(queues.map(\.json)),
            "policies": .array(policies.map(\.json)),
        ]
    }

    /// For a terminal.
    package func lines(zones: ZoneDatabase) -> [String] {
        var lines: [String] = []
        for report in pipelines { lines += report.lines(command: command, executed: executed) + [""] }
        for report in queues { lines += report.lines(command: command) + [""] }
        for policy in policies {
            lines.append("policy of \(policy.pipeline)")
            lines += policy.textLines().map { "  \($0)" } + [""]
        }
        if !policies.allSatisfy(\.permits) {
            lines.append("The policy refuses. --override NAME --reason TEXT goes on all the same, and is journaled.")
        }
        if !executed {
            lines.append(
                holds
                    ? "Nothing was changed. Run it with --execute to do it."
                    : "Nothing was changed, and --execute would refuse: see the lines with NO and those of the policy."
            )
        }
        return lines
    }
}

extension PipelineReport {
    fileprivate var json: JSON {
        func instant(_ value: Instant?) -> JSON { value.map { .string($0.iso8601) } ?? .null }
        return [
            "id": .string(preview.pipeline), "source": .string(preview.source),
            "outcome": outcome.map { .string($0) } ?? .null, "from": instant(from ?? preview.from),
            "entries": .array(
                preview.entries.map { entry in
                    [
                        "key": .string(entry.key), "drives": .bool(entry.drives),
                        "state": .string(entry.state.rawValue),
                        "last_run": instant(entry.lastRun), "next_due": instant(entry.nextDue),
                    ]
                }
            ),
            "checks": .array(
                preview.checks.map { check in
                    [
                        "name": .string(check.name), "holds": .bool(check.holds), "evidence": .string(check.evidence),
                        "advice": check.refusal.map { .string($0.advice) } ?? .null,
                    ]
                }
            ),
            "ticks": .array(preview.ticks.map { instant($0) }),
            "claims": .array(
                preview.claims.map { claim in
                    [
                        "tick": instant(claim.tick), "run": .string(claim.run), "at": instant(claim.at),
                        "how": .string(claim.how.rawValue),
                    ]
                }
            ),
            "refusal": refusal.map { refusal in
                [
                    "reason": .string(refusal.reason.rawValue), "found": .string(refusal.found),
                    "advice": .string(refusal.advice),
                ]
            } ?? .null,
            "notes": .array(notes.map { .string($0) }),
            "steps": .array(seconds.map { ["step": .string($0.step), "seconds": .number(JSONNumber($0.seconds))] }),
        ]
    }

    fileprivate func lines(command: String, executed: Bool) -> [String] {
        var lines = [preview.pipeline]
        if let refusal {
            lines.append("  refused: \(refusal.found)")
            lines.append("  \(refusal.advice)")
        } else if let outcome {
            let since = (from ?? preview.from).map { " from \($0.iso8601) on" } ?? ""
            switch (command, outcome) {
            case ("cutover", "given-back"): lines.append("  given back, because another pipeline could not be cut over")
            case ("cutover", "given-back-by-others"): lines.append("  somebody gave it back meanwhile: legacy owns it")
            case ("cutover", "already"): lines.append("  Airflow owned it already\(since)")
            case ("cutover", "completed"):
                lines.append("  completed what was half done: Airflow owns the ticks\(since)")
            case ("cutover", _): lines.append("  done: Airflow owns the ticks\(since)")
            case (_, "restored"): lines.append("  restored: its switch was lost; legacy owns the ticks again")
            case (_, "nothing"): lines.append("  nothing to give back: legacy owns it")
            default: lines.append("  done: legacy owns the ticks\(since)")
            }
        } else if executed {
            lines.append("  not tried")
        }
        for entry in preview.entries {
            let role = entry.drives ? "drives" : "goes with it"
            let last = entry.lastRun?.iso8601 ?? "never"
            lines.append(
                "  \(entry.key) (\(role)): owner \(entry.state.rawValue); last run \(last); next due \(entry.nextDue?.iso8601 ?? "–")"
            )
        }
        for check in preview.checks {
            lines.append("  \(check.holds ? "yes" : "NO ")  \(check.name): \(check.evidence)")
            if let refusal = check.refusal { lines.append("       \(refusal.advice)") }
        }
        if outcome == nil, !preview.entries.isEmpty { lines += command == "cutover" ? cutoverLines : rollbackLines }
        return lines + notes.map { "  \($0)" }
    }

    private var cutoverLines: [String] {
        let ticks = preview.ticks.map(\.iso8601)
        return [
            "  changes owner: \(ticks.isEmpty ? "every tick from the moment it settles" : ticks.joined(separator: ", ") + ", …")",
            "  a tick that falls due while it closes waits for one loop of beat (at most \(Int(preview.longestFence)) s while one lives)",
            "  cannot be rolled back: what a run of the DAG did for a tick it had claimed; such a run also finishes after a rollback",
        ]
    }

    private var rollbackLines: [String] {
        if !preview.entries.isEmpty, preview.entries.allSatisfy({ $0.state == .legacy }) {
            return ["  nothing to give back: legacy owns it"]
        }
        let ticks = preview.ticks.map(\.iso8601)
        // Its notes say of what was deleted that it stays so.
        if ticks.isEmpty, preview.entries.first?.isGone == true { return [] }
        return [
            "  goes back to legacy: \(ticks.isEmpty ? "every tick not claimed" : ticks.joined(separator: ", ") + ", …")",
            "  of those that are due already beat runs one at once, as after any stop; it looks at the entry again within its longest loop",
            "  stays with its run: \(preview.claims.isEmpty ? "no tick is claimed" : preview.claims.map(\.tick.iso8601).joined(separator: ", "))",
        ]
    }
}
