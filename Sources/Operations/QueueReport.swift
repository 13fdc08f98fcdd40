package import Cutover
package import LosslessJSON
import Migration

extension QueueReport {
    /// The document's part; see docs/json.md.
    package var json: JSON {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        return [
            "pipeline": .string(pipeline), "queue": .string(queue), "types": .array(types.map { .string($0) }),
            "outcome": outcome.map { .string($0) } ?? .null,
            "share": plan.map { number($0.share) } ?? .null,
            "installed": plan.map { .bool($0.readiness.installation == .present) } ?? .null,
            "workers": plan.map { plan in
                [
                    "locking": .string(plan.workers.locking.rawValue), "drain": .bool(plan.workers.needDrain),
                    "evidence": .array(plan.workers.evidence.map { .string($0) }),
                ]
            } ?? .null,
            "notes": .array((plan?.readiness.notes ?? []).map { .string($0) }),
            "standings": .array(
                standings.map { standing in
                    [
                        "type": .string(standing.type), "state": .string(standing.state.rawValue),
                        "share": number(standing.share),
                        "fence": number(Int(standing.fence)), "waiting": number(standing.waiting),
                        "outside": number(standing.outside),
                        "retries": number(standing.retries), "held": number(standing.held), "due": number(standing.due),
                        "claimed": number(standing.claimed), "running": number(standing.running),
                        "stuck": number(standing.stuck), "trouble": standing.trouble.map { .string($0) } ?? .null,
                    ]
                }
            ),
            "claims": .array(
                claims.map { claim in
                    [
                        "type": .string(claim.type), "run": .string(claim.run), "jobs": number(claim.count),
                        "since": .string(claim.since),
                    ]
                }
            ),
            "refusals": .array(
                refusals.map { error in
                    [
                        "reason": .string(error.reason.rawValue), "found": .string(error.found),
                        "advice": .string(error.advice),
                    ]
                }
            ),
            "unswept": .array(unswept.map { .string($0.type) }),
            "blocked": .array(
                unswept.filter { $0.held > 0 }.map { rest in
                    [
                        "type": .string(rest.type), "held": number(rest.held),
                        "by": .array(
                            rest.blockers.map { blocker in
                                [
                                    "pid": blocker.pid.map { number($0) } ?? .null, "name": .string(blocker.name),
                                    "state": .string(blocker.state), "query": .string(blocker.query),
                                    "since": .string(blocker.since),
                                ]
                            }
                        ),
                    ]
                }
            ),
        ]
    }

    /// For a terminal.
    package func lines(command: String) -> [String] {
        var lines = ["\(pipeline): \(types.joined(separator: ", ")) in queue \(queue)"]
        switch (command, outcome) {
        case ("cutover", "done"?): lines.append("  done: DAG runs take these jobs")
        case ("rollback", "done"?): lines.append("  done: legacy takes these jobs")
        case (_, "given-back"?): lines.append("  given back, because another pipeline could not be cut over")
        default: break
        }
        for error in refusals { lines += ["  NO   \(error.found)", "       \(error.advice)"] }
        if let plan, outcome == nil {
            switch plan.readiness.installation {
            case .present: lines.append("  yes  the switch is installed on \(plan.table) in \(plan.address)")
            case .absent: lines.append("  will make schema bailey and two triggers on \(plan.table) in \(plan.address)")
            case .outdated: lines.append("  will bring schema bailey and its triggers on \(plan.table) up to date")
            }
            let seen = plan.workers.evidence.isEmpty ? "" : ": " + plan.workers.evidence.joined(separator: "; ")
            switch plan.workers.locking {
            case .locks: lines.append("  yes  workers lock the rows that they claim\(seen)")
            case .lockless: lines.append("  workers were seen not to lock the rows that they claim\(seen)")
            case .unknown: lines.append("  whether workers lock the rows that they claim was not seen")
            }
            if plan.workers.needDrain {
                lines.append(
                    "  waits until legacy's workers are seen to run none of these jobs; until then nobody begins one"
                )
            }
            lines += plan.readiness.notes.map { "  note: \($0)" }
            lines.append("  times without a zone are written in \(plan.timezone)")
            let which = plan.share == 100 ? "every job" : "\(plan.share) % of the jobs, by a hash of their ids,"
            lines.append("  changes owner: \(which) that waits and that legacy has not begun, and every such new one")
            lines.append(
                "  cannot be rolled back: what a run of the DAG did for a job that it had taken; such a run also finishes after a rollback"
            )
        }
        lines += standings.map(\.line)
        if command == "rollback" {
            for claim in claims {
                let word = outcome == nil ? "stays with its run" : "still with its run"
                lines.append("  \(word): \(claim.count) jobs of \(claim.type) that \(claim.run) took at \(claim.since)")
            }
            if !claims.isEmpty { lines.append("  if such a run is dead, --return-claims RUN gives its jobs back too") }
        }
        for rest in unswept {
            if rest.held > 0 {
                let by = rest.blockers.map(\.text)
                lines.append(
                    "  NO   \(rest.held) jobs of \(rest.type) are held still: "
                        + (by.isEmpty ? "who has them locked is not known" : "locked by \(by.joined(separator: "; "))")
                )
                lines.append(
                    "       End what locks them; bailey watch, the next gate, or bailey rollback again gives them back"
                )
            } else {
                lines.append(
                    "  a transaction that began before is under way still: what it adds to \(rest.type) is given back by bailey watch, the next gate, or bailey rollback again"
                )
            }
        }
        return lines
    }
}

extension QueueStanding {
    fileprivate var line: String {
        var parts = [
            "\(waiting) wait", "\(held) held (\(due) due)", "\(claimed) with runs", "\(running) run by legacy",
        ]
        if outside > 0 { parts.append("\(outside) outside the share") }
        if retries > 0 { parts.append("\(retries) retries that stay legacy's") }
        if stuck > 0 { parts.append("\(stuck) left behind by a dead worker") }
        if let trouble {
            return
                "  \(type): owner \(state.rawValue); its rows cannot be counted: \(trouble); \(held) are seen to be held"
        }
        let owner = state == .airflow ? "airflow, \(share) %" : state.rawValue
        return "  \(type): owner \(owner); \(parts.joined(separator: ", "))"
    }
}
