public import ArgumentParser
import Migration
import Operations

/// The command line.
public struct Bailey: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "bailey",
        abstract: "Moves scheduled work from Celery Beat and PostgreSQL queues to Airflow, one pipeline at a time.",
        discussion: """
            Commands read bailey.yaml in this folder or a parent, or take --config. Exit status: 0 done or holds; 1 checked, and it does not hold;
            2 usage or configuration; 3 a system that is needed is unreachable; 70 a defect in Bailey; 130 interrupted.
            """,
        version: "0.1.0",
        subcommands: [
            InitCommand.self, DiscoverCommand.self, ProfileCommand.self, AdoptCommand.self, DoctorCommand.self,
            ImportCommand.self, DurationsCommand.self,
            TicksCommand.self, PlanCommand.self,
            GenerateCommand.self,
            BacktestCommand.self, DeployCommand.self, ShadowCommand.self, ReportCommand.self, RulesCommand.self,
            HistoryCommand.self,
            VerifyBundleCommand.self,
            CutoverCommand.self,
            RollbackCommand.self, LaunchCommand.self,
            BackfillCommand.self, StatusCommand.self, WatchCommand.self, RehearseCommand.self,
            RetireCommand.self,
        ]
    )

    /// Makes the command.
    public init() {}
}

/// Options of every command.
struct CommonOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("The settings file.", valueName: "path"))
    var config: String?

    @Flag(name: .long, help: "Print one JSON document on standard output.")
    var json = false
}

extension Workspace {
    /// The workspace that a command is called in, or is told of.
    init(_ options: CommonOptions) throws {
        try self.init(config: options.config, surroundings: .machine(tell: Console.note))
    }
}
