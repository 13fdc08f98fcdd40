import Foundation
import LosslessJSON
import Migration
import Reports
import Schedules
import Testing

@Suite("The HTML report") struct HTMLReportTests {
    private static let hostile = "</pre><script>alert(1)</script><img src=\"x\" onerror='y'>&amp; Ж\u{2028}"

    private func dag(_ id: String) -> DAGDefinition {
        DAGDefinition(
            id: id,
            name: id,
            summary: "",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [],
            tasks: [
                TaskDefinition(id: "first", body: .untranslatable(reason: "x")),
                TaskDefinition(id: "second", body: .untranslatable(reason: "x"), after: ["first"]),
            ]
        )
    }

    private func outcome(_ side: Outcome.Side, _ key: Outcome.Key, _ result: JSON, second: Int64) -> Outcome {
        var outcome = Outcome(key: key, side: side, run: "r", state: side == .legacy ? .success : .failed)
        outcome.arguments = ["args": [.string(HTMLReportTests.hostile)], "kwargs": [:]]
        outcome.result = result
        outcome.error = RunError(
            type: HTMLReportTests.hostile,
            message: HTMLReportTests.hostile,
            detail: HTMLReportTests.hostile
        )
        outcome.start = Instant(seconds: second)
        outcome.end = Instant(seconds: second + 2)
        outcome.attempts = 1
        return outcome
    }

    private func report(_ name: String = "e", pipelines: [String] = ["p", "idle"], runs: Int = 3) -> ShadowReport {
        let comparisons = (0..<runs).map { number in
            let key = Outcome.Key(entry: EntryID(source: "s", name: name), job: "\(number)")
            let legacy = outcome(
                .legacy,
                key,
                ["n": 1, "text": .string(HTMLReportTests.hostile)],
                second: Int64(number) * 10
            )
            let shadow = outcome(
                .shadow,
                key,
                ["n": 2, "text": .string(HTMLReportTests.hostile)],
                second: Int64(number) * 10 + 5
            )
            let difference = Difference(
                kind: .result,
                path: "$.n",
                legacy: 1,
                shadow: 2,
                text: "the result differs at $.n \(name)"
            )
            return Comparison(
                key: key,
                pipeline: "p",
                legacy: legacy,
                shadow: shadow,
                verdict: .mismatch,
                differences: [difference],
                ignored: [IgnoredDifference(rule: name, difference: difference)]
            )
        }
        return ShadowReport(
            comparisons: comparisons,
            pipelines: pipelines.map {
                PlannedPipeline(dag: dag($0), scheduleWords: "at 02:00 <b>UTC</b>", nextTicks: [])
            },
            madeAt: Instant(seconds: 100)
        )
    }

    /// The tags of a page, comments and declarations included.
    private func tags(_ page: String) -> Set<String> {
        Set(page.split(separator: "<").dropFirst().map { String($0.prefix { !$0.isWhitespace && $0 != ">" }) })
    }

    @Test func noTextOfTheLegacySystemBecomesMarkup() {
        let plain = tags(report().html())
        let hostile = report(HTMLReportTests.hostile).html()
        #expect(tags(hostile) == plain)
        #expect(!hostile.contains("<script") && !hostile.contains("<img"))
        #expect(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(hostile.contains("Ж"))
    }

    /// Written a comparison after another, the document is the one that is made in one piece.
    @Test func theDocumentIsTheSameHoweverItIsWritten() throws {
        let report = report()
        var text = ""
        try report.writeJSON(to: { text += $0 }) { row, give in for one in row.comparisons { try give(one) } }
        #expect(try JSON(parsing: text).text(.canonical) == report.json.text(.canonical))
        #expect(text.hasSuffix("}\n") && report.rows.contains { !$0.comparisons.isEmpty })
    }

    @Test func thePageNeedsNothingElse() {
        let page = report().html()
        for reference in ["http:", "https:", "//", "@import", "url(", "<link", "<script", "<iframe"] {
            #expect(!page.contains(reference), "\(reference)")
        }
        #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
        for tag in ["section", "table", "details", "svg", "div", "pre", "p", "dl", "span", "ul"] {
            let opened = page.components(separatedBy: "<\(tag)>").count + page.components(separatedBy: "<\(tag) ").count
            #expect(opened - 1 == page.components(separatedBy: "</\(tag)>").count, "\(tag)")
        }
    }

    @Test func everyPipelineHasARowADrawingAndItsRuns() {
        let page = report().html()
        for id in ["p", "idle"] {
            #expect(page.contains("<a href=\"#\(id)\">\(id)</a>"))
            #expect(page.contains("<section id=\"\(id)\">"))
            #expect(page.contains("aria-label=\"DAG of \(id)\""))
        }
        #expect(page.contains("Nothing was compared yet"))
        // An arrow from the first task to the second, in both drawings.
        #expect(page.components(separatedBy: "class=\"arrow\"").count == 3)
        // Three runs of each side.
        for look in ["success", "failed"] {
            let path = page.components(separatedBy: "<path class=\"run \(look) mismatch\" d=\"").last?.prefix {
                $0 != "\""
            }
            #expect(path?.filter { $0 == "M" }.count == 3, "\(look)")
        }
    }

    @Test func aMismatchIsReadableSideBySide() {
        let page = report(runs: 1).html()
        #expect(page.contains("<b>1 ×</b> result: the result differs at $.n e"))
        #expect(page.contains("<h4>legacy: success</h4>") && page.contains("<h4>shadow: failed</h4>"))
        #expect(page.contains("&quot;n&quot;: <mark>1</mark>") && page.contains("&quot;n&quot;: <mark>2</mark>"))
        #expect(page.contains("Ignored by the rule “e”: 1 difference at $.n."))
    }

    @Test func causesThatRulesHideAreNotCountedAmongThoseThatDiffer() {
        var report = report(pipelines: ["p"])
        report.rows[0].summary.causeCount = 21
        report.rows[0].summary.hiddenCauseCount = 7
        let text = report.textLines().joined(separator: "\n")
        #expect(text.contains("3 of 3 runs differ; 1 of 21 causes are shown."))
        #expect(text.contains("1 of 7 ignored causes are shown."))
        let page = report.html()
        #expect(page.contains("<p>1 of 21 causes are shown.</p>") && page.contains("1 of 7 ignored causes are shown."))
        let whole = self.report(pipelines: ["p"])
        #expect(whole.textLines().joined().contains("1 of 1 causes are shown."))
        #expect(!whole.html().contains("causes are shown"))
    }

    @Test func tooLittleToCompareIsNoFailureForJUnit() {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "1")
        var summary = ComparisonSummary()
        summary.verdicts = [.insufficient: 1]
        summary.causeCount = 1
        summary.causes = [
            ComparisonSummary.Cause(kind: "not-enough-data", place: "no body ran", hidden: nil, runs: 1, example: nil)
        ]
        let comparison = Comparison(
            key: key,
            pipeline: "p",
            legacy: nil,
            shadow: nil,
            verdict: .insufficient,
            reason: "no body ran"
        )
        let row = ShadowReport.Row(nil, id: "p", summary: summary, comparisons: [comparison], total: 1)
        let report = ShadowReport(rows: [row], madeAt: Instant(seconds: 100))
        #expect(report.holds)
        let document = report.junit()
        #expect(document.contains("failures=\"0\"") && !document.contains("<failure"))
        #expect(document.contains("<skipped message=\"1 runs: no body ran\"/>"))
    }

    @Test func manyDifferencesAreCountedByCauseAndTheLatestShown() {
        let page = report(runs: 50).html()
        #expect(page.contains("<b>50 ×</b>"))
        // One example of a cause, the newest.
        #expect(page.contains("<summary>s/e 49</summary>") && !page.contains("<summary>s/e 48</summary>"))
    }

    @Test func theTerminalAndJSONSayTheSame() throws {
        let report = report()
        #expect(!report.holds)
        let document = report.json
        #expect(document["holds"] == false)
        let rows = try #require(document["pipelines"]?.array)
        #expect(rows.map { $0["id"]?.string } == ["idle", "p"])
        #expect(rows.map { $0["verdict"]?.string } == ["not-enough-data", "mismatch"])
        let text = report.textLines().joined(separator: "\n")
        #expect(text.contains("3 × result: the result differs at $.n e"))
        #expect(text.contains("legacy: 1") && text.contains("shadow: 2"))
    }
}
