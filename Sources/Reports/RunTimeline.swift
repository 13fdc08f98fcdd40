import Migration
import Schedules

/// The runs of both sides on one time axis, as an SVG picture.
enum RunTimeline {
    private static let width = 860

    static func svg(_ comparisons: [Comparison], from: Instant, until: Instant) -> String {
        let span = max(1, until.seconds(since: from))
        func x(_ instant: Instant) -> Double { 64 + (instant.seconds(since: from) / span) * Double(width - 76) }
        var parts = [
            "<svg class=\"axis\" viewBox=\"0 0 \(width) 66\" width=\"\(width)\" height=\"66\" role=\"img\" aria-label=\"runs of both sides\">"
        ]
        parts.append("<text x=\"0\" y=\"17\">legacy</text><text x=\"0\" y=\"39\">shadow</text>")
        for step in 0...4 {
            let at = from.adding(microseconds: Int64(span * 250_000) * Int64(step))
            // Days matter on an axis of more than one.
            let label = span > 86_400 ? String(at.iso8601.prefix(16)) : LocalTime(wallSeconds: at.seconds).clock
            let place = decimal(x(at))
            parts.append("<line class=\"grid\" x1=\"\(place)\" x2=\"\(place)\" y1=\"4\" y2=\"48\"/>")
            parts.append(
                "<text class=\"small\" x=\"\(place)\" y=\"62\" text-anchor=\"\(step == 4 ? "end" : "middle")\">\(label)</text>"
            )
        }
        // One path for all runs that look the same, which keeps the page small.
        var paths: [String: [String]] = [:]
        for comparison in comparisons {
            for (outcome, y) in [(comparison.legacy, 6), (comparison.shadow, 28)] {
                guard let outcome, let end = outcome.end ?? outcome.start ?? outcome.queued ?? comparison.legacy?.end
                else { continue }
                let start = outcome.start ?? end
                let size = max(3, x(end) - x(start))
                let left = min(max(64, x(start)), Double(width) - 8)
                paths["\(outcome.state.rawValue) \(comparison.verdict.rawValue)", default: []].append(
                    "M\(short(left)) \(y)h\(short(size))v15h-\(short(size))z"
                )
            }
        }
        for (look, runs) in paths.sorted(by: { $0.key < $1.key }) {
            parts.append("<path class=\"run \(look)\" d=\"\(runs.joined())\"><title>\(look)</title></path>")
        }
        return parts.joined() + "</svg>"
    }

    private static func short(_ value: Double) -> String {
        let rounded = (value * 10).rounded() / 10
        return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
    }
}
