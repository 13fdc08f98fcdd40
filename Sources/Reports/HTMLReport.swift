import LosslessJSON
import Migration
import Schedules

extension ShadowReport {
    /// The report as one HTML file that needs nothing else: a row per pipeline, the DAG drawn, the runs of both sides on one time axis, and
    /// an example of each cause side by side. Of many pipelines fewer runs are drawn and fewer examples shown, so that the page stays small.
    public func html() -> String {
        let examplesPerPipeline = rows.count > 20 ? 2 : 10
        let runs = rows.count > 20 ? 50 : 200
        let instants = rows.flatMap { $0.comparisons.suffix(runs) }.flatMap {
            [$0.legacy?.start ?? $0.legacy?.end, $0.legacy?.end, $0.shadow?.start, $0.shadow?.end]
        }.compactMap { $0 }
        let from = instants.min() ?? madeAt
        let until = instants.max() ?? madeAt
        var parts = [
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">",
            "<title>Bailey: shadow report</title><style>\(HTMLStyle.css)</style></head><body>",
            "<h1>Shadow report</h1><p>Made \(madeAt.iso8601). \(headline)</p>", HTMLStyle.legend, summary,
        ]
        for row in rows {
            parts.append(section(row, from: from, until: until, runs: runs, examples: examplesPerPipeline))
        }
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
                + "<td>\(row.covered)</td><td>\(row.count(.match))</td><td>\(row.count(.mismatch))</td><td>\(row.count(.insufficient))</td>"
                + "<td>\(row.summary.ignored)</td><td>\(Reports.html(row.schedule))</td></tr>"
        }
        return
            "<table><thead><tr><th>pipeline</th><th>verdict</th><th>compared</th><th>match</th><th>mismatch</th><th>not enough data</th>"
            + "<th>ignored differences</th><th>due</th></tr></thead><tbody>" + lines.joined() + "</tbody></table>"
    }

    private func section(_ row: Row, from: Instant, until: Instant, runs: Int, examples: Int) -> String {
        var parts = [
            "<section id=\"\(Reports.html(row.id))\"><h2>\(Reports.html(row.id)) \(badge(row.verdict))</h2>",
            "<p>Due: \(Reports.html(row.schedule)).</p>",
        ]
        if let policy = row.policy { parts.append(lines(policy)) }
        if let dag = row.dag { parts.append(DAGDrawing.svg(dag)) }
        guard row.summary.compared > 0 || !row.comparisons.isEmpty else {
            return parts.joined()
                + "<p>Nothing was compared yet: legacy has recorded no run of this pipeline, and none ended while Bailey watched.</p></section>"
        }
        for coverage in row.coverage {
            parts.append("<p>\(Reports.html(coverage.entry.description)): \(Reports.html(coverage.text)).</p>")
            for gap in coverage.gaps.suffix(3) {
                parts.append(
                    "<p class=\"ignored\">Lost to a gap from \(gap.from.iso8601) until \(gap.until.iso8601): \(Reports.html(gap.reason)).</p>"
                )
            }
        }
        let recent = Array(row.comparisons.suffix(runs))
        parts.append(RunTimeline.svg(recent, from: from, until: until))
        if recent.count < row.total {
            parts.append("<p class=\"ignored\">The newest \(recent.count) of \(row.total) runs are drawn.</p>")
        }
        let counting = row.summary.counting
        for (place, cause) in counting.enumerated() {
            parts.append(
                "<p class=\"group\"><b>\(cause.runs) ×</b> \(Reports.html(cause.kind)): \(Reports.html(cause.words))</p>"
            )
            if place < examples, let example = cause.example { parts.append(sideBySide(example, open: place == 0)) }
        }
        if counting.count < row.summary.causeCount {
            parts.append("<p>\(counting.count) of \(row.summary.causeCount) causes are shown.</p>")
        }
        for cause in row.summary.hidden {
            guard let rule = cause.hidden else { continue }
            parts.append(
                "<p class=\"ignored\">Ignored by the rule “\(Reports.html(rule))”: \(counted(cause.runs, "difference")) at \(Reports.html(cause.place)).</p>"
            )
        }
        if row.summary.hidden.count < row.summary.hiddenCauseCount {
            parts.append(
                "<p class=\"ignored\">\(row.summary.hidden.count) of \(row.summary.hiddenCauseCount) ignored causes are shown.</p>"
            )
        }
        for rule in row.summary.unmetRules {
            parts.append("<p class=\"ignored\">The rule “\(Reports.html(rule))” met nothing that was compared.</p>")
        }
        let summary = row.summary
        if summary.notScheduled > 0 {
            parts.append(
                "<p class=\"ignored\">Apart: \(counted(summary.notScheduled, "call")) that no tick made, \(summary.notScheduledDiffering) of which differ.</p>"
            )
        }
        if summary.older > 0 {
            parts.append(
                "<p class=\"ignored\">\(summary.older) more were compared under an older form of the mapping and do not count.</p>"
            )
        }
        if let legacy = summary.legacy, let shadow = summary.shadow {
            parts.append(
                "<p>Legacy: half within \(seconds(legacy.median.value))\(legacy.median.margin), 95 of 100 within \(seconds(legacy.p95.value))\(legacy.p95.margin). Shadow: \(seconds(shadow.median.value))\(shadow.median.margin), \(seconds(shadow.p95.value))\(shadow.p95.margin). \(Reports.html(summary.pace?.words.map { $0.prefix(1).uppercased() + $0.dropFirst() + "." } ?? ""))</p>"
            )
        }
        if let uncompared = row.uncompared { parts.append("<p>Not compared: \(Reports.html(uncompared)).</p>") }
        for line in row.isolations { parts.append("<p>Sandbox: \(Reports.html(line)).</p>") }
        let reasons = Dictionary(grouping: row.comparisons.compactMap(\.reason)) { $0 }.sorted { $0.key < $1.key }
        for (reason, runs) in reasons {
            parts.append(
                "<p class=\"ignored\">\(runs.count) of the \(counted(row.comparisons.count, "run")) shown: \(Reports.html(reason)).</p>"
            )
        }
        return parts.joined(separator: "\n") + "</section>"
    }

    private func lines(_ policy: PolicyEvaluation) -> String {
        let lines = policy.lines.map { line in
            "<li><b>\(line.rule.rawValue)</b> \(line.verdict.rawValue): \(Reports.html(line.evidence))</li>"
        }
        return "<p>\(policy.holds ? "It may move." : "It may not move yet.")</p><ul>\(lines.joined())</ul>"
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
        if let result = outcome.result { parts.append("<pre>\(cut(result, differing))</pre>") }
        if let error = outcome.error {
            parts.append("<p class=\"error\">\(Reports.html(error.type)): \(Reports.html(error.message))</p>")
            if let detail = error.detail { parts.append("<pre>\(Reports.html(detail.suffix(HTMLReport.most)))</pre>") }
        }
        let kind = outcome.argumentsKind == .json ? "" : ": \(outcome.argumentsKind.words)"
        parts.append("<h5>arguments\(kind)</h5><pre>\(cut(outcome.arguments, []))</pre></div>")
        return parts.joined()
    }
}

extension ShadowReport {
    /// A value, or its beginning where it would make the page too long to read.
    private func cut(_ value: JSON, _ differing: Set<String>) -> String {
        let text = value.text()
        guard text.utf8.count > HTMLReport.most else { return JSONMarkup.html(value, marked: differing) }
        return Reports.html(text.prefix(HTMLReport.most)) + "… (\(text.utf8.count) bytes)"
    }
}

private enum HTMLReport {
    /// The longest value that is shown whole.
    static let most = 4000
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
                    + write(member.value, path + ComparePath.written(member.key), indent + 1, marked)
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
