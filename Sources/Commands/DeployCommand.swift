import ArgumentParser
import Operations
import Settings

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Bring generated DAG files into Airflow, and check what it makes of them.",
        discussion: """
            Without --execute it only says what it would do. With it: missing pools and connections are made, the files are put in their place,
            and Bailey waits until Airflow has read exactly these texts and compares the structure with the plan. What exists is never
            overwritten. --unpause then unpauses the DAGs so that nothing runs that was due before.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(help: "Unpause the DAGs, in a way that fires no tick that has passed.")
    var unpause = false

    @Option(help: ArgumentHelp("How long Airflow may take to read the files: 60s, 10m.", valueName: "time"))
    var wait = "6m"

    @Argument(help: "The pipelines; all if none is named.")
    var pipelines: [String] = []

    func validate() throws {
        guard YAMLFields.seconds(wait) != nil else {
            throw ValidationError("--wait is “\(wait)”; write 60s or 10m.")
        }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let plan = try workspace.plan(try workspace.inventory())
        let deploying = Deploying(
            workspace,
            execute: execute,
            unpause: unpause,
            seconds: YAMLFields.seconds(wait) ?? 360
        )
        let report = try await deploying.run(pipelines, of: plan)
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
        if !execute { Console.note("Nothing was changed. Do it with --execute") }
    }
}
