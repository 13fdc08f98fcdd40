import LosslessJSON
import Migration
import Schedules

extension ShadowReport {
    /// The report as one HTML file that needs nothing else: a row per pipeline, the DAG drawn, the runs of both sides on one time axis, and
    /// each mismatch side by side.
    public func html(examplesPerPipeline: Int = 20) -> String {
        let instants = rows.flatMap(\.comparisons).flatMap {
            [$0.legacy?.start ?? $0.legacy?.end, $0.legacy?.end, $0.shadow?.start, $0.shadow?.end]
        }.compactMap { $0 }
        let from = instants.min() ?? madeAt
        let until = instants.max() ?? madeAt
        var parts = [
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">",
            "<title>Bailey: shadow report</title><style>\(HTMLStyle.css)</style></head><body>",
            "<h1>Shadow report</h1><p>Made \(madeAt.iso8601). \(headline)</p>", HTMLStyle.legend, summary,
        ]
        for row in rows { parts.append(section(row, from: from, until: until, examples: examplesPerPipeline)) }
        return parts.joined(separator: "\n") + "\n</body></html>\n"
    }

    /// The whole report in one sentence.
    private var headline: String {
        let counts = Dictionary(rows.map { ($0.verdict, 1) }, uniquingKeysWith: +)
        let parts = Comparison.Verdict.allCases.compactMap { verdict in
            counts[verdict].map { "<b>\($0)</b> \(badge(verdict))" }
        }
        return "\(counted(rows.count, "pipeline")): \(parts.joined(separator: ", "))."
    }

    private func badge(_ verdict: Comparison.Verdict) -> String {
        "<span class=\"verdict \(verdict.rawValue)\">\(verdict.rawValue.replacing("-", with: " "))</span>"
    }

    private var summary: String {
        let lines = rows.map { row in
            "<tr><td><a href=\"#\(Reports.html(row.id))\">\(Reports.html(row.id))</a></td><td>\(badge(row.verdict))</td>"
                + "<td>\(row.comparisons.count)</td><td>\(row.count(.match))</td><td>\(row.count(.mismatch))</td><td>\(row.count(.insufficient))</td>"
                + "<td>\(row.comparisons.reduce(0) { $0 + $1.ignored.count })</td><td>\(Reports.html(row.schedule))</td></tr>"
        }
        return
            "<table><thead><tr><th>pipeline</th><th>verdict</th><th>compared</th><th>match</th><th>mismatch</th><th>not enough data</th>"
            + "<th>ignored differences</th><th>due</th></tr></thead><tbody>" + lines.joined() + "</tbody></table>"
    }

    private func section(_ row: Row, from: Instant, until: Instant, examples: Int) -> String {
        var parts = [
            "<section id=\"\(Reports.html(row.id))\"><h2>\(Reports.html(row.id)) \(badge(row.verdict))</h2>",
            "<p>Due: \(Reports.html(row.schedule)).</p>",
        ]
        if let dag = row.dag { parts.append(DAGDrawing.svg(dag)) }
        guard !row.comparisons.isEmpty else {
            return parts.joined()
                + "<p>Nothing was compared yet: legacy has recorded no run of this pipeline, and none ended while Bailey watched.</p></section>"
        }
        parts.append(RunTimeline.svg(row.comparisons, from: from, until: until))
        for group in grouped(row) {
            parts.append(
                "<p class=\"group\"><b>\(group.count) ×</b> \(Reports.html(group.kind)): \(Reports.html(group.text))</p>"
            )
        }
        let differing = row.comparisons.filter { $0.verdict == .mismatch || $0.verdict == .broken }
        for (place, comparison) in differing.suffix(examples).enumerated() {
            parts.append(sideBySide(comparison, open: place == 0))
        }
        if differing.count > examples {
            parts.append(
                "<p>The latest \(examples) of \(differing.count) differing runs are shown; bailey report --json has all.</p>"
            )
        }
        let hidden = Dictionary(grouping: row.comparisons.flatMap(\.ignored), by: \.rule).sorted { $0.key < $1.key }
        for (rule, ignored) in hidden {
            parts.append(
                "<p class=\"ignored\">Ignored by the rule “\(Reports.html(rule))”: \(counted(ignored.count, "difference")) at \(Reports.html(ignored.first?.difference.path ?? "")).</p>"
            )
        }
        let reasons = Dictionary(grouping: row.comparisons.compactMap(\.reason)) { $0 }.sorted { $0.key < $1.key }
        for (reason, runs) in reasons {
            parts.append("<p class=\"ignored\">\(counted(runs.count, "run")): \(Reports.html(reason)).</p>")
        }
        return parts.joined(separator: "\n") + "</section>"
    }

    private func sideBySide(_ comparison: Comparison, open: Bool) -> String {
        let differing = Set(comparison.differences.map(\.path))
        let list = comparison.differences.map { "<li><b>\($0.kind.rawValue)</b> \(Reports.html($0.text))</li>" }
            .joined()
        return
            "<details\(open ? " open" : "")><summary>\(Reports.html(comparison.key.description))</summary><ul>\(list)</ul><div class=\"pair\">"
            + side("legacy", comparison.legacy, differing) + side("shadow", comparison.shadow, differing)
            + "</div></details>"
    }

    private func side(_ name: String, _ outcome: Outcome?, _ differing: Set<String>) -> String {
        guard let outcome else { return "<div><h4>\(name)</h4><p>did not run</p></div>" }
        var parts = ["<div><h4>\(name): \(outcome.state.rawValue)</h4>"]
        if let duration = outcome.duration {
            parts.append(
                "<p>\(seconds(duration)), \(outcome.attempts.map { counted($0, "attempt") } ?? "attempts unknown")</p>"
            )
        }
        if let result = outcome.result { parts.append("<pre>\(JSONMarkup.html(result, marked: differing))</pre>") }
        if let error = outcome.error {
            parts.append("<p class=\"error\">\(Reports.html(error.type)): \(Reports.html(error.message))</p>")
            if let detail = error.detail { parts.append("<pre>\(Reports.html(detail))</pre>") }
        }
        parts.append("<h5>arguments</h5><pre>\(JSONMarkup.html(outcome.arguments, marked: []))</pre></div>")
        return parts.joined()
    }
}

/// A number and its noun.
private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// JSON as indented HTML, with the values at some paths marked.
enum JSONMarkup {
    static func html(_ value: JSON, marked: Set<String>) -> String { write(value, "$", 0, marked) }

    private static func write(_ value: JSON, _ path: String, _ indent: Int, _ marked: Set<String>) -> String {
        let pad = String(repeating: "  ", count: indent + 1)
        let end = String(repeating: "  ", count: indent)
        var text: String
        switch value {
        case .object(let object) where !object.isEmpty:
            let lines = object.members.map { member in
                pad + Reports.html(JSON.string(member.key).text()) + ": "
                    + write(member.value, path + "." + member.key, indent + 1, marked)
            }
            text = "{\n" + lines.joined(separator: ",\n") + "\n" + end + "}"
        case .array(let items) where !items.isEmpty:
            let lines = items.enumerated().map { pad + write($1, path + "[\($0)]", indent + 1, marked) }
            text = "[\n" + lines.joined(separator: ",\n") + "\n" + end + "]"
        default: text = Reports.html(value.text())
        }
        if marked.contains(path) { text = "<mark>\(text)</mark>" }
        return text
    }
}
