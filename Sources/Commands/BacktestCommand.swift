import ArgumentParser
import Operations
import Schedules

struct BacktestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Compare legacy's ticks with the DAGs' over a span, changes of the clock included.",
        discussion: """
            Ends with status 1 if a DAG would be due at another time than its schedule means, or than beat really runs it. Where the import
            found recorded runs, it also says where legacy itself missed a tick, was late or ran twice; that is legacy's defect, and does
            not change the status.
            """
    )

    @OptionGroup var common: CommonOptions

    @Option(help: "Days back from now.")
    var days = 365

    @Option(help: "Days ahead from now.")
    var ahead = 730

    @Argument(help: "The pipelines; all with a schedule if none is named.")
    var pipelines: [String] = []

    func validate() throws {
        guard days >= 0, ahead >= 0, days + ahead > 0 else {
            throw ValidationError("--days and --ahead must give a span.")
        }
    }

    func run() async throws {
        let now = currentInstant()
        let report = try Backtesting(try Workspace(common)).run(
            pipelines,
            from: now.adding(seconds: -Int64(days) * 86_400),
            until: now.adding(seconds: Int64(ahead) * 86_400)
        )
        if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
