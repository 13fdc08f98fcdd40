import ArgumentParser
import Operations
import Schedules

struct LaunchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract:
            "Let Airflow own the ticks of a pipeline without a legacy side; without --execute, say what would happen.",
        discussion: """
            Until it is launched such a pipeline's runs are trials: bodies run only as their shadow modes allow. A launch is a window of ticks
            in a variable of the Airflow, which the DAG's gate reads; --stop ends it. Ends with status 1 if the policy refuses.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Option(
        help: ArgumentHelp(
            "The first tick that may be Airflow's: an instant to come; now if left out.",
            valueName: "time"
        )
    )
    var from: String?

    @Flag(help: "End the launch: from now on its runs are trials.")
    var stop = false

    @OptionGroup var override: OverrideOptions

    @Argument(help: "The pipeline.")
    var pipeline: String

    func validate() throws {
        if let from, Instant(iso8601: from) == nil {
            throw ValidationError(
                "--from \(from) is no instant; write it with its offset, such as 2026-12-01T02:00:00Z"
            )
        }
        if from != nil, stop { throw ValidationError("--from and --stop exclude each other") }
    }

    func run() async throws {
        let override = try override.decision()
        let launching = try Launching(try Workspace(common), pipeline)
        let request = stop ? Launching.Request.stop : .launch(from: from.flatMap { Instant(iso8601: $0) })
        let report = try await launching.run(request, executes: execute, override: override)
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
