import ArgumentParser
import Migration
import Operations
import Settings

struct RetireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire",
        abstract:
            "Take the bridge away from a pipeline that has proved itself in Airflow; without --execute, say what would happen.",
        discussion: """
            Proves the policy's clean ticks, or as many clean jobs, keeps the legacy entry's bytes, exchanges the DAG's file for one without a gate,
            waits until Airflow runs that, and removes the entry and its switch. What the application's code still makes is never removed: delete
            it there first. The jobs of job types wait for the DAG from then on, as they were, and the switch goes with the queue's last type that needs
            it; also that of a queue which was given back. May be broken off and repeated.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(
        help:
            "Put the gate back where a retirement was begun and not finished, so that the pipeline can be rolled back."
    )
    var undo = false

    @Option(
        help: ArgumentHelp("How long Airflow may take to come to rest and to read a file: 60s, 10m.", valueName: "time")
    )
    var wait = "6m"

    @Flag(help: "Print the SQL that takes a queue's switch away, for its administrator, and do nothing.")
    var sql = false

    @OptionGroup var override: OverrideOptions

    @Argument(help: "The pipeline.")
    var pipeline: String

    func validate() throws {
        guard YAMLFields.seconds(wait) != nil else { throw ValidationError("--wait is “\(wait)”; write 60s or 10m.") }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let retirement = Retirement(
            workspace,
            pipeline,
            executes: execute,
            undoes: undo,
            override: try override.decision(),
            patience: YAMLFields.seconds(wait) ?? 360
        )
        if sql {
            for script in try await retirement.scripts() { Console.print(text: script) }
            return
        }
        let report = try await retirement.run()
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
