import Airflow
package import Cutover
package import LosslessJSON
package import Migration
import Reports

/// What `retire` prints.
package struct RetireReport {
    /// One entry that goes.
    package struct Entry {
        package var key: String
        package var state: SwitchState
    }

    package var pipeline: String
    package var executed: Bool
    /// Where its entries lie; nil of job types, or where nothing is left.
    package var source: String?
    /// What was done: `done`, `waiting`, `undone`, `already`, `nothing`, `refused`; nil when nothing was tried.
    package var outcome: String?
    package var policy: PolicyEvaluation?
    /// Whether a retirement was begun and not finished.
    package var isBegun = false
    package var entries: [Entry] = []
    /// Names of entries that the application's code still makes.
    package var inCode: [String] = []
    /// Job types whose handlers the legacy worker needs no more.
    var handlers: [String] = []
    /// The DAG's file without a gate, and where it goes.
    package var file: String?
    package var changes: [Finding] = []
    package var queues: [SwitchRemoval] = []
    package var refusal: Refusal?
    package var notes: [String] = []
    package var archive: JSON?

    package init(pipeline: String, executed: Bool) {
        self.pipeline = pipeline
        self.executed = executed
    }

    /// Whether everything holds but, perhaps, that the code is rid of its entries: then what can be done already is done.
    package var mayBegin: Bool {
        guard let policy else { return false }
        return policy.lines.allSatisfy { line in
            line.verdict == .pass || (line.rule == .code && line.verdict == .fail)
                || (CutoverPolicy.isForPeople(line.rule) && policy.override != nil)
        }
    }

    package var holds: Bool {
        if let outcome { return ["done", "undone", "already", "nothing"].contains(outcome) }
        return policy?.permits ?? queues.allSatisfy { $0.refusal == nil }
    }

    /// Takes what was seen.
    package mutating func look(
        _ retiring: Retiring,
        _ evidence: RetirementEvidence,
        _ look: RetirementLook,
        _ override: PolicyOverride?
    ) {
        policy = retiring.pipeline.policy.retirement(evidence, override: override)
        source = retiring.crossing.source
        isBegun = evidence.record.value??.isRetiring == true
        entries = look.entries.map { Entry(key: $0.key, state: $0.state) }
        inCode = evidence.inCode.value ?? []
        file = retiring.exchange.file(gated: false).name
        changes = retiring.exchange.changes(countsTicks: true)
        notes = [
            "delete its mapping, if it has one of its own, before the next bailey import: the entry is gone then",
            "the file is yours from then on: bailey generate does not write it any more after that import",
        ]
    }
}

extension RetireReport {
    /// Takes what was seen of job types.
    package mutating func look(_ retiring: JobsRetiring, _ override: PolicyOverride?) async throws {
        policy = retiring.pipeline.policy.retirement(try await retiring.evidence(), override: override)
        isBegun = retiring.isBegun
        handlers = retiring.types
        file = retiring.exchange.file(gated: false).name
        changes = retiring.exchange.changes(countsTicks: false)
        queues = try await retiring.crossings.removals(.look)
        notes = [
            "keep its mapping: bailey generate goes on writing its file, without a gate",
            "the application goes on queueing its jobs as before",
        ]
    }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "retire", "version": 1, "executed": .bool(executed), "holds": .bool(holds),
            "pipeline": .string(pipeline), "outcome": outcome.map { .string($0) } ?? .null, "begun": .bool(isBegun),
            "policy": policy?.json ?? .null,
            "entries": .array(entries.map { ["key": .string($0.key), "state": .string($0.state.rawValue)] }),
            "delete_from_code": .array((inCode + handlers).map { .string($0) }),
            "file": file.map { .string($0) } ?? .null,
            "findings": .array(
                changes.map { finding in
                    [
                        "code": .string(finding.code.id), "name": .string(finding.code.name),
                        "severity": .string(finding.severity.rawValue), "text": .string(finding.text),
                    ]
                }
            ),
            "queues": .array(queues.map(\.json)),
            "refusal": refusal.map { refusal in
                [
                    "reason": .string(refusal.reason.rawValue), "found": .string(refusal.found),
                    "advice": .string(refusal.advice),
                ]
            } ?? .null,
            "notes": .array(notes.map { .string($0) }), "archive": archive ?? .null,
        ]
    }

    /// For a terminal.
    package var lines: [String] {
        var lines = [pipeline]
        if let refusal {
            lines += ["  refused: \(refusal.found)", "  \(refusal.advice)"]
        } else {
            switch outcome {
            case "done"? where !handlers.isEmpty:
                lines.append("  done: the DAG takes these jobs by itself, and asks no switch")
            case "done"? where queues.isEmpty:
                lines.append(
                    "  done: Airflow runs it by itself, and nothing of it is left in \(source ?? "the legacy system")"
                )
            case "done"?: lines.append("  done: the bridge is taken away")
            case "nothing"? where !queues.isEmpty: lines.append("  nothing to take away")
            case "waiting"?:
                lines.append(
                    "  waiting: the bytes are kept; the rest is done once the code is rid of what is named below"
                )
            case "undone"?:
                lines.append("  undone: the gate is in its place, and bailey rollback \(pipeline) is possible again")
            case "already"?: lines.append("  retired already")
            case "refused"?: lines.append("  refused: see what does not hold below")
            default: break
            }
        }
        if let policy { lines += policy.textLines().map { "  \($0)" } }
        for name in inCode {
            lines.append("  delete from the application's beat_schedule: \"\(name)\"")
        }
        for type in handlers {
            lines.append("  delete from the legacy worker: its handler of the job type \"\(type)\"")
        }
        if outcome == nil, policy != nil, !handlers.isEmpty {
            lines += [
                "  will keep the rows of the switch and the newest claims in Bailey's state and journal",
                "  will pause the DAG at a moment without a run, put \(file ?? "") without a gate in its place, and wait until Airflow has made the DAG from exactly that text",
                "  will then let the held jobs wait as they were, and unpause the DAG, which takes them by SQL of its own: there is no rollback after that",
            ]
        }
        if outcome == nil, policy != nil, !entries.isEmpty {
            lines.append(
                "  will keep the bytes of \(entries.map(\.key).joined(separator: ", ")) in Bailey's state and journal"
            )
            lines.append(
                "  will pause the DAG at a moment without a run, put \(file ?? "") without a gate in its place, wait until Airflow has made the DAG from exactly that text, and unpause it"
            )
            lines.append(
                "  will then remove \(entries.map(\.key).joined(separator: ", ")) from \(source ?? "the legacy system"), with switch and claims: there is no rollback after that"
            )
        }
        lines += changes.map { "  \($0.code.id) \($0.severity.rawValue): \($0.text)" }
        for queue in queues { lines += queue.lines }
        if outcome != nil || policy != nil { lines += notes.map { "  \($0)" } }
        if !executed {
            lines += [
                "",
                holds
                    ? "Nothing was changed. Run it with --execute to do it."
                    : "Nothing was changed, and --execute would not finish it: see the lines without pass.",
            ]
        }
        return lines
    }
}
