public import LosslessJSON
public import Migration
import Schedules

/// Where pipelines stand: what `bailey status` prints.
public struct StatusReport: Sendable {
    /// The pipelines, by id.
    public var pipelines: [PipelineStatus]
    /// What could not be read at all, one sentence each.
    public var unknowns: [String]

    /// Makes a report.
    public init(pipelines: [PipelineStatus], unknowns: [String]) {
        self.pipelines = pipelines
        self.unknowns = unknowns
    }

    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "status", "version": 1, "unknown": .array(unknowns.map { .string($0) }),
            "pipelines": .array(pipelines.map(\.json)),
        ]
    }

    /// For a terminal: one line per pipeline; with the last ticks where only one was asked for.
    public func textLines(ticks: Bool) -> [String] {
        var table = TextTable(["PIPELINE", "STAGE", "NEXT TICK", "OWNER", "LAST FIVE", "WAITS FOR"])
        for status in pipelines {
            table.add([
                status.pipeline, status.stage.rawValue, status.nextTick?.iso8601 ?? "–",
                status.owner?.rawValue ?? (status.hasLegacySide ? "unknown" : "–"),
                status.ticks.map(\.runner.letter).joined(), status.waitsFor,
            ])
        }
        var lines = table.lines(width: 240)
        let own = pipelines.contains { !$0.hasLegacySide } ? ", t trial, · no run" : ""
        lines.append(
            "Last five, newest first: A Airflow, L legacy, l legacy's by the switch but its run was not seen, – unclaimed\(own), ? unknown"
        )
        if ticks {
            for status in pipelines {
                lines += status.ticks.map { "  \($0.tick.iso8601)  \($0.runner.words)" }
                if let policy = status.policy { lines += policy.textLines().map { "  \($0)" } }
            }
        }
        for status in pipelines { lines += status.unknowns.map { "\(status.pipeline): not known: \($0)" } }
        return lines + unknowns.map { "Not known: \($0)" }
    }
}

extension PipelineStatus {
    fileprivate var json: JSON {
        [
            "id": .string(pipeline), "stage": .string(stage.rawValue),
            "next_tick": nextTick.map { .string($0.iso8601) } ?? .null,
            "legacy_side": .bool(hasLegacySide), "owner": owner.map { .string($0.rawValue) } ?? .null,
            "waits_for": .string(waitsFor),
            "ticks": .array(
                ticks.map { tick in
                    var run = JSON.null
                    var how = JSON.null
                    if case .airflow(let id, let word) = tick.runner { (run, how) = (.string(id), .string(word)) }
                    if case .trial(let id) = tick.runner { run = .string(id) }
                    return [
                        "tick": .string(tick.tick.iso8601), "runner": .string(tick.runner.name), "run": run, "how": how,
                    ]
                }
            ),
            "unknown": .array(unknowns.map { .string($0) }), "policy": policy?.json ?? .null,
        ]
    }
}

extension PipelineStatus.Runner {
    fileprivate var letter: String {
        switch self {
        case .airflow: "A"
        case .legacy(let seen): seen ? "L" : "l"
        case .unclaimed: "–"
        case .trial: "t"
        case .nobody: "·"
        case .unknown: "?"
        }
    }

    fileprivate var name: String {
        switch self {
        case .airflow: "airflow"
        case .legacy(let seen): seen ? "legacy" : "legacy-unseen"
        case .unclaimed: "unclaimed"
        case .trial: "trial"
        case .nobody: "nobody"
        case .unknown: "unknown"
        }
    }

    fileprivate var words: String {
        switch self {
        case .airflow(let run, let how): "Airflow, \(run) (\(how))"
        case .legacy(let seen): seen ? "legacy" : "legacy's by the switch; its own record of the run was not seen"
        case .unclaimed: "in Airflow's window, and no run has claimed it"
        case .trial(let run): "a trial, \(run): bodies ran only as their shadow modes allow"
        case .nobody: "no run, and nobody was to make one"
        case .unknown: "not known"
        }
    }
}
