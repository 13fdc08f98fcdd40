import ArgumentParser
import Cutover
import Operations

struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Give pipelines' ticks and jobs back to legacy; without --execute, say what would happen.",
        discussion: """
            Needs the legacy system alone: neither Airflow, nor Bailey's own state, nor the mappings. Undoes a cutover that was broken off.
            Ticks and jobs that a run of the DAG has claimed stay that run's; all others are legacy's again.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(help: "Write an entry anew that the application has deleted meanwhile.")
    var recreate = false

    @Flag(help: "Print SQL by which a queue's administrator gives the jobs back, and do nothing.")
    var sql = false

    @Option(
        help: ArgumentHelp(
            "A run that is dead, as <dag id>/<run id>: the jobs that it took are given back too; may be repeated.",
            valueName: "run"
        )
    )
    var returnClaims: [String] = []

    @Argument(help: "The pipelines.")
    var pipelines: [String]

    func run() async throws {
        let workspace = try Workspace(common)
        var request = RollbackRequest()
        (request.recreates, request.deadRuns) = (recreate, returnClaims)
        let rolling = try RollingBack(workspace, request, executes: execute)
        if sql {
            for pipeline in pipelines {
                for script in try await rolling.scripts(pipeline) { Console.print(line: script) }
            }
            return
        }
        let report = try await rolling.run(pipelines)
        if common.json { Console.print(report.json) } else { Console.print(report.lines(zones: workspace.zones)) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
