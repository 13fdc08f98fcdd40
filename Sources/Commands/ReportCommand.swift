import ArgumentParser
import Foundation
import Migration
import Operations
import Reports
import Schedules
import Settings
import Store

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show what shadowing showed: a table, JSON, HTML, JUnit, Markdown.",
        discussion: "Ends with status 1 if anything that was compared differs."
    )

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Write one self-contained HTML file.", valueName: "path"))
    var html: String?

    @Option(help: ArgumentHelp("Write a file that JUnit's readers take.", valueName: "path"))
    var junit: String?

    @Option(help: ArgumentHelp("Write a Markdown file.", valueName: "path"))
    var markdown: String?

    @Option(
        help: ArgumentHelp(
            "Write a tar file of all evidence, with the hash of each part: see verify-bundle.",
            valueName: "path"
        )
    )
    var bundle: String?

    @Option(
        help: ArgumentHelp(
            "Show only what was compared since then: an instant, or so long ago (2h, 7d).",
            valueName: "time"
        )
    )
    var since: String?

    @Option(help: "Show only comparisons with this verdict: match, mismatch, not-enough-data, observer-broken.")
    var verdict: String?

    @Flag(help: "Show every comparison, not the newest 500 of each pipeline. Counts and status are always of all.")
    var all = false

    @Flag(
        help:
            "Show instead what runs took before and take now: recorded, projected and measured apart; money of given numbers only."
    )
    var savings = false

    @Argument(help: "The pipeline; all if none is named.")
    var pipeline: String?

    func validate() throws {
        let others: [Any?] = [html, junit, markdown, bundle, since, verdict]
        if savings, all || others.contains(where: { $0 != nil }) {
            throw ValidationError("--savings is a report of its own; it goes with --json and a pipeline")
        }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        if savings {
            let report = try await workspace.savingsReport(pipeline: pipeline)
            if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
            return
        }
        var shown = ShownComparisons()
        shown.limit = all ? .max : 500
        if !all, !common.json { shown.limitOfMany = 50 }
        if let verdict {
            guard let known = Comparison.Verdict(rawValue: verdict) else {
                throw OperationFailure(
                    .usage,
                    "--verdict is “\(verdict)”; write match, mismatch, not-enough-data or observer-broken"
                )
            }
            shown.verdicts = [known]
        }
        if let since {
            guard
                let instant = Instant(iso8601: since)
                    ?? YAMLFields.seconds(since).map({ currentInstant().adding(seconds: -Int64($0)) })
            else {
                throw OperationFailure(.usage, "--since is “\(since)”; write an instant, or 90m, 2h, 7d")
            }
            shown.since = instant
        }
        shown.isDrawn = html != nil
        let report = try await workspace.shadowReport(pipeline: pipeline, shown: shown)
        for (path, document) in [(html, report.html), (junit, report.junit), (markdown, report.markdown)] {
            guard let path else { continue }
            do {
                try Console.write(document(), to: path)
            } catch {
                throw OperationFailure(
                    .usage,
                    "writing \(path): \(error). See whether the folder is there and writable"
                )
            }
            Console.note("wrote \(path)")
        }
        if let bundle {
            let version = Bailey.configuration.version
            let made = try await workspace.writeBundle(bundle, pipeline: pipeline, version: version)
            Console.note(
                "wrote \(bundle): \(made.parts) parts of \(made.pipelines.count) pipelines. Keep this apart, the SHA-256 of its manifest: \(made.digest)"
            )
        }
        if common.json {
            // What writing throws is that nobody reads it any more, which is no defect.
            do { try workspace.write(report, shown: shown, to: Console.write(part:)) } catch is Console.ReaderGone {}
        } else {
            Console.print(report.textLines())
        }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
