import LosslessJSON
import Migration
import Schedules

extension ShadowReport {
    /// The report as JUnit reads it: a suite per pipeline; a case for what was compared, one for each cause, one for each entry's coverage.
    public func junit() -> String {
        var suites: [String] = []
        for row in rows {
            var cases: [String] = []
            var failures = 0
            var skipped = 0
            let name = "name=\"\(Reports.html(row.id))\""
            if row.summary.compared == 0 {
                skipped += 1
                cases.append(test(row, "compared", "<skipped message=\"nothing was compared\"/>"))
            } else {
                cases.append(test(row, "compared: \(row.covered), \(row.count(.match)) match", nil))
            }
            for cause in row.summary.counting {
                // That there is too little to compare is no failure: the report's status is 0.
                if cause.kind == Comparison.Verdict.insufficient.rawValue {
                    skipped += 1
                    cases.append(
                        test(
                            row,
                            "\(cause.kind) \(cause.place)",
                            "<skipped message=\"\(xml("\(cause.runs) runs: \(cause.words)"))\"/>"
                        )
                    )
                    continue
                }
                failures += 1
                let values =
                    "legacy: \(cause.difference?.legacy?.text().prefix(2000) ?? "")\nshadow: \(cause.difference?.shadow?.text().prefix(2000) ?? "")"
                let message = "\(cause.runs) runs: \(cause.words)"
                cases.append(
                    test(
                        row,
                        "\(cause.kind) \(cause.place)",
                        "<failure message=\"\(xml(message))\">\(xml(values))</failure>"
                    )
                )
            }
            for coverage in row.coverage {
                let isWhole = coverage.lost + coverage.unseen + coverage.ambiguous == 0
                if !isWhole { skipped += 1 }
                cases.append(
                    test(
                        row,
                        "coverage of \(coverage.entry)",
                        isWhole ? nil : "<skipped message=\"\(xml(coverage.text))\"/>"
                    )
                )
            }
            suites.append(
                "<testsuite \(name) tests=\"\(cases.count)\" failures=\"\(failures)\" errors=\"0\" skipped=\"\(skipped)\" timestamp=\"\(madeAt.iso8601)\">\n"
                    + cases.joined(separator: "\n") + "\n</testsuite>"
            )
        }
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bailey\">\n"
            + suites.joined(separator: "\n") + "\n</testsuites>\n"
    }

    private func test(_ row: Row, _ name: String, _ inner: String?) -> String {
        let head = "  <testcase classname=\"\(xml(row.id))\" name=\"\(xml(name))\""
        return inner.map { head + ">\($0)</testcase>" } ?? head + "/>"
    }

    /// The report as Markdown, for a pull request or a wiki.
    public func markdown() -> String {
        var lines = [
            "# Shadow report", "", "Made \(madeAt.iso8601).", "",
            "| pipeline | verdict | compared | differ | not enough data | ignored |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in rows {
            lines.append(
                "| \(cell(row.id)) | \(row.verdict.rawValue) | \(row.covered) | \(row.count(.mismatch) + row.count(.broken)) | \(row.count(.insufficient)) | \(row.summary.ignored) |"
            )
        }
        for row in rows where !row.summary.causes.isEmpty || row.policy != nil {
            lines += ["", "## \(cell(row.id))", ""]
            for line in row.policy?.lines ?? [] {
                lines.append("- \(line.rule.rawValue): **\(line.verdict.rawValue)**. \(cell(line.evidence))")
            }
            for coverage in row.coverage {
                lines.append("- \(cell(coverage.entry.description)): \(cell(coverage.text))")
            }
            for cause in row.summary.causes {
                let hidden = cause.hidden.map { ", ignored by “\(cell($0))”" } ?? ""
                lines.append("- \(cause.runs) × \(cause.kind)\(hidden): \(cell(cause.words))")
                guard let difference = cause.difference else { continue }
                lines.append("  - legacy: \(code(difference.legacy))")
                lines.append("  - shadow: \(code(difference.shadow))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A text in which nothing is markup.
    private func cell(_ text: String) -> String {
        var result = ""
        for scalar in text.visible.unicodeScalars {
            switch scalar {
            case "|", "*", "_", "`", "<", ">", "[", "]", "#", "\\": result += "\\" + String(scalar)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private func code(_ value: JSON?) -> String {
        guard let value else { return "nothing" }
        let text = String(value.text().visible.prefix(200))
        let fence = text.contains("`") ? "``" : "`"
        return text.contains("``") ? cell(text) : "\(fence) \(text) \(fence)"
    }

    /// A text in XML, without the control characters that XML cannot hold.
    private func xml(_ text: some StringProtocol) -> String {
        let kept = text.unicodeScalars.filter { scalar in
            scalar == "\n" || scalar == "\t"
                || (scalar.value >= 0x20 && scalar.value != 0xFFFE && scalar.value != 0xFFFF)
        }
        return Reports.html(String(String.UnicodeScalarView(kept)))
    }
}
