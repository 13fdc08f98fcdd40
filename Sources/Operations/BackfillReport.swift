package import LosslessJSON
import Migration
import Schedules

/// What `backfill` did or would do.
package struct BackfillReport: Sendable {
    package var pipeline: String
    package var airflow: String
    package var version: String
    package var executed = false
    package var ticks: [BackfillTick] = []
    /// How long it took; nil where nothing was done.
    package var seconds: Double?

    init(pipeline: String, airflow: String, version: String) {
        self.pipeline = pipeline
        self.airflow = airflow
        self.version = version
    }

    /// Whether nothing is refused, and what ran ended well.
    package var holds: Bool {
        ticks.allSatisfy { tick in
            switch tick.fate {
            case .refused: false
            case .claimed: true
            case .run, .again, .replace: !executed || tick.ended == "success"
            }
        }
    }

    /// The ticks that are to run, in stretches without another between them.
    var stretches: [ClosedRange<Instant>] { BackfillReport.stretches(of: ticks, where: \.runs) }

    static func stretches(of ticks: [BackfillTick], where isPart: (BackfillTick) -> Bool) -> [ClosedRange<Instant>] {
        var found: [ClosedRange<Instant>] = []
        var wasPart = false
        for tick in ticks {
            let isOne = isPart(tick)
            if isOne, wasPart, let last = found.popLast() {
                found.append(last.lowerBound...tick.tick)
            } else if isOne {
                found.append(tick.tick...tick.tick)
            }
            wasPart = isOne
        }
        return found
    }

    // MARK: For people

    package var lines: [String] {
        var lines: [String] = []
        let refused = ticks.filter { if case .refused = $0.fate { true } else { false } }
        let claimed = ticks.filter { if case .claimed = $0.fate { true } else { false } }
        let running = ticks.filter(\.runs)
        let again = running.filter { if case .again = $0.fate { true } else { false } }
        lines.append("\(pipeline): \(ticks.count) ticks in Airflow \(version) at \(airflow)")
        for tick in refused.prefix(20) {
            if case .refused(let why) = tick.fate { lines.append("  refused  \(tick.tick.iso8601): \(why)") }
        }
        if refused.count > 20 { lines.append("  refused  \(refused.count - 20) more") }
        if !claimed.isEmpty { lines.append("  \(claimed.count) were run already, and are not run again") }
        let trials = again.isEmpty ? "" : ", of which \(again.count) were trials or shadows and run anew"
        lines.append("  \(running.count) \(executed ? "to run" : "would run")\(trials)")
        let replaced = running.compactMap { tick in
            if case .replace(let run) = tick.fate { "\(tick.tick.iso8601): \(run)" } else { nil }
        }
        for text in replaced.prefix(20) {
            lines.append(
                "  replaced \(text), which a person started, \(executed ? "was" : "would be") deleted in Airflow for it"
            )
        }
        if replaced.count > 20 { lines.append("  replaced \(replaced.count - 20) more") }
        if executed {
            var counts: [String: Int] = [:]
            for tick in running { counts[tick.ended ?? "under way", default: 0] += 1 }
            let words = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            lines.append("  became: \(words)\(seconds.map { " in \(Int($0.rounded())) s" } ?? "")")
            for tick in running.filter({ $0.ended != "success" }).prefix(20) {
                lines.append("  \(tick.tick.iso8601)  \(tick.ended ?? "under way")  \(tick.run ?? "no run")")
            }
        } else {
            lines.append("Nothing was changed. Run it with --execute to do it.")
        }
        return lines
    }

    // MARK: JSON

    package var json: JSON {
        [
            "bailey": "backfill", "version": 1, "pipeline": .string(pipeline), "airflow": .string(airflow),
            "executed": .bool(executed), "holds": .bool(holds),
            "seconds": seconds.map { .number(JSONNumber($0)) } ?? .null,
            "ticks": .array(
                ticks.map { tick in
                    var (fate, why) = ("run", JSON.null)
                    switch tick.fate {
                    case .run: break
                    case .again: fate = "again"
                    case .claimed: fate = "claimed"
                    case .refused(let text): (fate, why) = ("refused", .string(text))
                    case .replace(let run):
                        (fate, why) = ("replace", .string("the run \(run), which a person started, is deleted for it"))
                    }
                    return [
                        "tick": .string(tick.tick.iso8601), "fate": .string(fate), "why": why,
                        "run": tick.run.map { .string($0) } ?? .null, "ended": tick.ended.map { .string($0) } ?? .null,
                    ]
                }
            ),
        ]
    }
}
