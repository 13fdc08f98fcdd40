package import Airflow
package import LosslessJSON
package import Migration
import Reports
import Schedules

/// What `deploy` did or would do.
package struct DeployReport {
    /// What is to become, or became, of a pool or a connection.
    package struct Setup {
        package enum State: String {
            case exists, missing, made
        }
        package var kind: String
        package var name: String
        package var leadsTo: String
        package var state: State
        /// Whether it is known how to make it.
        package var canBeMade = true
        /// The type of a connection that mappings name, as Airflow calls it; nil of others.
        package var type: String?
        /// The tasks that name it, as `pipeline.task`.
        package var tasks: [String] = []
    }

    package var executed: Bool
    package var address: String
    package var version: String
    package var standings: [(id: String, standing: Deployment.Standing)] = []
    package var files: [DAGDelivery.Placement] = []
    package var setups: [Setup] = []
    package var unpausing: [(id: String, report: Unpausing.Report?)] = []
    package var parsed: Set<String> = []
    package var findings: [Finding] = []

    package var holds: Bool { !findings.contains { $0.severity == .error } }

    // MARK: For people

    package var lines: [String] {
        var lines = ["Airflow \(version) at \(address)"]
        for file in files { lines.append("\(changeWord(file.change))  \(file.name) → \(file.place)") }
        for setup in setups where setup.state != .exists {
            let word = setup.state == .made ? "made" : executed || !setup.canBeMade ? "missing" : "would make"
            let tasks = setup.tasks.isEmpty ? "" : "; for \(setup.tasks.joined(separator: ", "))"
            lines.append("\(word)  \(setup.kind) \(setup.name): \(setup.leadsTo)\(tasks)")
        }
        for (id, standing) in standings { lines.append("\(id): \(words(id, standing))") }
        for (id, report) in unpausing { lines.append("\(id): \(words(report))") }
        for finding in findings {
            let pipeline = finding.pipeline.map { " \($0):" } ?? ""
            lines.append("\(finding.severity.rawValue) \(finding.code)\(pipeline) \(finding.text)")
        }
        return lines
    }

    private func changeWord(_ change: DAGFolder.Change?) -> String {
        switch change {
        case .created?: executed ? "created" : "would create"
        case .updated?: executed ? "updated" : "would update"
        case .unchanged?: "unchanged"
        case .edited?: "edited by hand, left"
        case .foreign?: "not Bailey's, left"
        case nil: executed ? "handed over" : "would hand over"
        }
    }

    private func words(_ id: String, _ standing: Deployment.Standing) -> String {
        if parsed.contains(id) { return "read by Airflow, structure as planned" }
        switch standing {
        case .new: return "not in Airflow yet"
        case .same: return "in Airflow, from this text"
        case .other: return "in Airflow, from an older text of Bailey's"
        case .foreign: return "in Airflow, and not Bailey's"
        }
    }

    private func words(_ report: Unpausing.Report?) -> String {
        guard let report else { return "not in Airflow yet: what an unpause would fire is known once it is there" }
        guard report.wasPaused else { return "is unpaused already; next tick \(report.next?.iso8601 ?? "none")" }
        var parts: [String] = []
        if let tick = report.wouldFire {
            parts.append("an unpause \(executed ? "would have fired" : "would fire") the tick \(tick.iso8601) at once")
            if !executed { parts.append("--execute keeps the scheduler from it") }
        } else {
            parts.append("an unpause fires nothing that was due before")
        }
        if !report.waiting.isEmpty { parts.append("\(report.waiting.count) runs wait for the unpause") }
        if executed {
            parts += report.suppressed.map { "kept the scheduler from making a run for \($0.iso8601)" }
            parts += report.fired.map { "run \($0.run): \($0.became)" }
            parts.append(
                report.refusal.map { "not unpaused: \($0)" } ?? "unpaused; next tick \(report.next?.iso8601 ?? "none")"
            )
        }
        return parts.joined(separator: "; ")
    }

    // MARK: JSON

    package var json: JSON {
        [
            "bailey": "deploy", "version": 1, "executed": .bool(executed), "holds": .bool(holds),
            "airflow": ["address": .string(address), "version": .string(version)],
            "files": .array(
                files.map {
                    [
                        "name": .string($0.name), "place": .string($0.place),
                        "change": $0.change.map { .string($0.rawValue) } ?? .null,
                    ]
                }
            ),
            "setup": .array(
                setups.map {
                    [
                        "kind": .string($0.kind), "name": .string($0.name), "leads_to": .string($0.leadsTo),
                        "state": .string($0.state.rawValue), "type": $0.type.map { .string($0) } ?? .null,
                        "tasks": .array($0.tasks.map { .string($0) }),
                    ]
                }
            ),
            "dags": .array(
                standings.map {
                    [
                        "id": .string($0.id), "standing": .string($0.standing.rawValue),
                        "as_planned": .bool(parsed.contains($0.id)),
                    ]
                }
            ),
            "unpausing": .array(unpausing.map { document($0.id, $0.report) }),
            "findings": .array(
                findings.map {
                    [
                        "code": .string($0.code.id), "name": .string($0.code.name),
                        "severity": .string($0.severity.rawValue),
                        "pipeline": $0.pipeline.map { .string($0) } ?? .null, "text": .string($0.text),
                    ]
                }
            ),
        ]
    }

    private func document(_ id: String, _ report: Unpausing.Report?) -> JSON {
        [
            "id": .string(id), "was_paused": report.map { .bool($0.wasPaused) } ?? .null,
            "would_fire": report?.wouldFire.map { .string($0.iso8601) } ?? .null,
            "waiting": .array((report?.waiting ?? []).map { .string($0) }),
            "suppressed": .array((report?.suppressed ?? []).map { .string($0.iso8601) }),
            "fired": .array((report?.fired ?? []).map { ["run": .string($0.run), "became": .string($0.became)] }),
            "next_tick": report?.next.map { .string($0.iso8601) } ?? .null,
            "refusal": report?.refusal.map { .string($0) } ?? .null,
        ]
    }
}
