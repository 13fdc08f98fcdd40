import ArgumentParser
import Foundation
import Migration
import Operations
import Reports
import Store

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show what shadowing showed: a table, JSON, or one HTML file.",
        discussion: "Ends with status 1 if anything that was compared differs."
    )

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Write one self-contained HTML file.", valueName: "path"))
    var html: String?

    @Argument(help: "The pipeline; all if none is named.")
    var pipeline: String?

    func run() async throws {
        let workspace = try Workspace(common)
        let plan = try workspace.plan(try workspace.inventory())
        let pipelines = plan.pipelines.filter { pipeline == nil || $0.dag.id == pipeline }
        let comparisons = try workspace.store().comparisons(pipeline: pipeline)
        if let pipeline, pipelines.isEmpty, comparisons.isEmpty {
            throw OperationFailure(.usage, "there is no pipeline “\(pipeline)”")
        }
        let report = ShadowReport(comparisons: comparisons, pipelines: pipelines, madeAt: currentInstant())
        if let html {
            do {
                try Data(report.html().utf8).write(to: URL(fileURLWithPath: html), options: .atomic)
            } catch {
                throw OperationFailure(
                    .usage,
                    "writing \(html): \(error). See whether the folder is there and writable"
                )
            }
            Console.note("wrote \(html)")
        }
        if common.json { Console.print(report.json) } else { Console.print(report.textLines()) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
