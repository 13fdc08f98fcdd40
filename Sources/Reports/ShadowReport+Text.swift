import LosslessJSON
import Migration
import Schedules

extension ShadowReport {
    /// The report for a terminal of 80 columns: a line per pipeline, then a page of each that differs; of one pipeline its page alone. The lines
    /// of pipelines are as long as names and figures need: a name is what the next command is given, and half a figure is none.
    public func textLines(width: Int = 80) -> [String] {
        if rows.count == 1, let row = rows.first { return TextPage(width: width).page(row) }
        var table = TextTable(["PIPELINE", "VERDICT", "COMPARED", "DIFFER", "IGNORED", "LEGACY", "SHADOW"])
        for row in rows {
            table.add([
                row.id, row.verdict.rawValue, row.covered,
                "\(row.count(.mismatch) + row.count(.broken))",
                "\(row.summary.ignored)", row.summary.legacy.map { seconds($0.median.value) } ?? "–",
                row.summary.shadow.map { seconds($0.median.value) } ?? "–",
            ])
        }
        let longest = rows.map(\.id.count).max() ?? 0
        var lines = table.lines(width: 2 * (width + longest))
        for row in rows where row.verdict == .mismatch || row.verdict == .broken {
            lines += ["", "\(row.id):"] + TextPage(width: width).causes(row)
        }
        return lines
    }
}

/// One pipeline's page, from what decides down to what explains.
private struct TextPage {
    let width: Int

    func page(_ row: ShadowReport.Row) -> [String] {
        var lines = ["\(row.id): \(row.verdict.rawValue)"] + wrapped("Due: \(row.schedule).", by: 0)
        if let policy = row.policy {
            lines += ["", policy.holds ? "MAY IT MOVE? Yes." : "MAY IT MOVE? Not yet."]
            for line in policy.lines {
                let when =
                    line.when.map { " (\(line.verdict == .fail ? "not before" : "enough by") \($0.iso8601))" } ?? ""
                lines += wrapped("\(line.rule.rawValue): \(line.verdict.rawValue). \(line.evidence)\(when)")
            }
        }
        lines += ["", "WHAT WAS SEEN"]
        if row.coverage.isEmpty { lines += wrapped("Nobody knows how much there was to compare.") }
        for coverage in row.coverage {
            let since = coverage.since.map { " since \($0.iso8601)" } ?? ""
            lines += wrapped("\(coverage.entry)\(since): \(coverage.text)")
            for gap in coverage.gaps.suffix(3) {
                lines += wrapped(
                    "lost to a gap from \(gap.from.iso8601) until \(gap.until.iso8601): \(gap.reason)",
                    by: 4
                )
            }
            if coverage.unreadable > 0 { lines += wrapped("\(coverage.unreadable) records could not be read", by: 4) }
        }
        if row.summary.notScheduled > 0 {
            lines += wrapped(
                "Apart: \(row.summary.notScheduled) calls that no tick made, \(row.summary.notScheduledDiffering) of which differ."
            )
        }
        if row.summary.older > 0 {
            lines += wrapped(
                "\(row.summary.older) more were compared under an older form of the mapping and do not count."
            )
        }
        lines += ["", "WHAT DIFFERED"] + causes(row)
        if !row.ticks.isEmpty {
            lines += ["", "WHO RAN WHICH TICK"]
            for tick in row.ticks { lines += wrapped("\(tick.tick.iso8601)  \(runner(tick.runner))") }
        }
        let isolations = row.isolations
        if let uncompared = row.uncompared { lines += ["", "WHAT WAS NOT COMPARED"] + wrapped(uncompared) }
        if !isolations.isEmpty { lines += ["", "IN WHICH SANDBOX"] + isolations.flatMap { wrapped($0) } }
        lines += ["", "HOW LONG"] + durations(row)
        lines += ["", "WHAT WAS IGNORED"]
        let hidden = row.summary.hidden
        if hidden.isEmpty { lines += wrapped("Nothing.") }
        for cause in hidden { lines += wrapped("\(cause.runs) × \(cause.place), by the rule “\(cause.hidden ?? "")”") }
        if hidden.count < row.summary.hiddenCauseCount {
            lines += wrapped("\(hidden.count) of \(row.summary.hiddenCauseCount) ignored causes are shown.")
        }
        for rule in row.summary.unmetRules { lines += wrapped("The rule “\(rule)” met nothing that was compared.") }
        return lines
    }

    func causes(_ row: ShadowReport.Row) -> [String] {
        let counting = row.summary.counting
        guard !counting.isEmpty else {
            return wrapped(row.summary.compared == 0 ? "Nothing was compared." : "Nothing.")
        }
        var lines: [String] = []
        for cause in counting {
            lines += wrapped("\(cause.runs) × \(cause.kind): \(cause.words)")
            guard let example = cause.example, let difference = cause.difference else { continue }
            lines += [
                short("    run \(example.key)"), short("    legacy: \(text(difference.legacy))"),
                short("    shadow: \(text(difference.shadow))"),
            ]
        }
        let runs = row.count(.mismatch) + row.count(.broken)
        lines += wrapped(
            "\(runs) of \(row.summary.compared) runs differ; \(counting.count) of \(row.summary.causeCount) causes are shown."
        )
        return lines
    }

    private func durations(_ row: ShadowReport.Row) -> [String] {
        var lines: [String] = []
        for (name, times) in [("legacy", row.summary.legacy), ("shadow", row.summary.shadow)] {
            guard let times else {
                lines += wrapped("\(name): not recorded")
                continue
            }
            lines += wrapped(
                "\(name): half within \(seconds(times.median.value))\(times.median.margin), 95 of 100 within \(seconds(times.p95.value))\(times.p95.margin) (\(times.count) runs)"
            )
        }
        if let words = row.summary.pace?.words { lines += wrapped(words) }
        if let sequential = row.times.sequential, let projected = row.times.projected, projected < sequential {
            lines += wrapped("one after another \(seconds(sequential)), side by side \(seconds(projected))")
        }
        return lines
    }

    private func runner(_ runner: PipelineStatus.Runner) -> String {
        switch runner {
        case .airflow(let run, let how): "Airflow, \(how): \(run)"
        case .legacy(let seen): seen ? "legacy" : "legacy, not seen"
        case .unclaimed: "Airflow's, not claimed"
        case .trial(let run): "a trial (\(run))"
        case .nobody: "no run"
        case .unknown: "not known"
        }
    }

    private func text(_ value: JSON?) -> String { value?.text() ?? "(nothing)" }

    private func short(_ line: String) -> String { line.visible.cut(columns: width) }

    /// A text in lines that begin two columns in; a word that is too long is cut into parts.
    private func wrapped(_ text: String, by indent: Int = 2) -> [String] {
        let pad = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in text.visible.split(separator: " ", omittingEmptySubsequences: true) {
            var rest = word
            while rest.columns > width - indent - 2 {
                if !line.isEmpty { lines.append(line) }
                let part = rest.prefix(columns: width - indent - 2)
                lines.append(String(part))
                rest = rest[part.endIndex...]
                line = ""
            }
            if line.isEmpty {
                line = String(rest)
            } else if line.columns + rest.columns + 1 > width - indent - (lines.isEmpty ? 0 : 2) {
                lines.append(line)
                line = String(rest)
            } else {
                line += " " + rest
            }
        }
        if !line.isEmpty { lines.append(line) }
        return lines.enumerated().map { ($0.offset == 0 ? pad : pad + "  ") + $0.element }
    }
}

extension ComparisonSummary.Durations.Quantile {
    /// What it lies within, in brackets; nothing where there are too few runs to say.
    var margin: String {
        guard let low, let high else { return "" }
        return " (\(seconds(low)) to \(seconds(high)))"
    }
}
