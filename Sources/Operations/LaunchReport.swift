package import LosslessJSON
package import Migration
import Reports
package import Schedules

/// What `launch` did or would do.
package struct LaunchReport: Sendable {
    /// What came of it.
    package enum Outcome: String, Sendable {
        case done, would, already, refused
    }

    package var pipeline: String
    package var request: Launching.Request
    package var airflow: String
    package var outcome = Outcome.would
    package var before: LaunchRecord?
    package var after: LaunchRecord?
    package var from: Instant?
    package var until: Instant?
    package var nextTick: Instant?
    package var policy: PolicyEvaluation?

    package var holds: Bool { outcome != .refused }

    private var first: Instant? {
        guard let from, let nextTick else { return nil }
        return from <= nextTick ? nextTick : nil
    }

    // MARK: For people

    package var lines: [String] {
        var lines: [String] = []
        if let policy { lines += policy.textLines() + [""] }
        switch (request, outcome) {
        case (.launch, .done), (.launch, .would):
            let word = outcome == .done ? "Airflow owns" : "Airflow would own"
            lines.append(
                "\(pipeline): \(word) its ticks from \(from?.iso8601 ?? "now") on\(first.map { "; the first is \($0.iso8601)" } ?? "")"
            )
        case (.launch, .already):
            lines.append("\(pipeline) is launched already, since \(before?.open?.from.iso8601 ?? "?")")
        case (.launch, .refused):
            lines.append(
                "\(pipeline) is not launched: the policy refuses. --override NAME --reason TEXT goes on all the same, and is journaled."
            )
        case (.stop, .done):
            lines.append(
                "\(pipeline): Airflow owns none of its ticks from \(until?.iso8601 ?? "now") on; its runs are trials. What had begun goes on"
            )
        case (.stop, .would):
            lines.append("\(pipeline): Airflow would own none of its ticks any more; its runs would be trials")
        case (.stop, .already), (.stop, .refused): lines.append("\(pipeline) is not launched")
        }
        if outcome == .would { lines.append("Nothing was changed. Run it with --execute to do it.") }
        return lines
    }

    // MARK: JSON

    package var json: JSON {
        func instant(_ value: Instant?) -> JSON { value.map { .string($0.iso8601) } ?? .null }
        return [
            "bailey": "launch", "version": 1, "pipeline": .string(pipeline), "airflow": .string(airflow),
            "asked": request == .stop ? "stop" : "launch", "outcome": .string(outcome.rawValue), "holds": .bool(holds),
            "from": instant(from), "until": instant(until), "next_tick": instant(nextTick),
            "windows": .array(
                ((after ?? before)?.windows ?? []).map {
                    [
                        "from": instant($0.from), "until": instant($0.until), "cause": .string($0.cause.rawValue),
                    ]
                }
            ),
            "policy": policy?.json ?? .null,
        ]
    }
}
