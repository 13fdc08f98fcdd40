import ArgumentParser
import Cutover
import Foundation
import Legacy
import Migration
import Operations
import Redis
import Reports
import Schedules
import Store

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract:
            "Say of each pipeline where it stands, who owns the next tick, who ran the last five, and what it waits for.",
        discussion:
            "Works with a legacy system or Bailey's own state missing: it says what it does not know. Reads only."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The pipeline, with its ticks and policy; all if none is named.")
    var pipeline: String?

    func run() async throws {
        let workspace = try Workspace(common)
        let survey = await Survey(workspace)
        var wanted = survey.pipelines
        if let pipeline {
            guard wanted.contains(pipeline) else {
                throw Workspace.noPipeline(pipeline, wanted)
            }
            wanted = [pipeline]
        }
        let deployments = await workspace.deployments(wanted)
        let launches = await workspace.launches(survey.planned(wanted))
        let statuses = await survey.statuses(wanted, deployments: deployments, launches: launches)
        let report = StatusReport(pipelines: statuses, unknowns: survey.unknowns)
        if common.json {
            Console.print(report.json)
        } else {
            Console.print(report.textLines(ticks: pipeline != nil))
            for work in survey.lost { Console.note(work.text) }
        }
        if !survey.lost.isEmpty { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
