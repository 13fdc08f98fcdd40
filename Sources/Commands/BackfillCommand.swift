import ArgumentParser
import Operations
import Schedules
import Settings

struct BackfillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Run ticks of the past in Airflow, each once; without --execute, say what would happen.",
        discussion: """
            A tick that a live run has is not run again; one at which there was a trial or a shadow is run anew, live. A tick that was legacy's is
            refused unless it is named. Ends with status 1 if any tick is refused or did not end well.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Option(help: ArgumentHelp("The first tick: an instant, or a day in the pipeline's zone.", valueName: "time"))
    var from: String

    @Option(help: ArgumentHelp("The last tick: an instant, or a day, whose ticks belong to it.", valueName: "time"))
    var to: String

    @Option(help: ArgumentHelp("How many runs may be under way at once.", valueName: "number"))
    var parallel = 1

    @Option(
        help: ArgumentHelp(
            "Run this tick although legacy ran it, or may have; may be repeated.",
            valueName: "time"
        )
    )
    var althoughLegacy: [String] = []

    @Option(help: ArgumentHelp("How long all of it may take: 90m, 2h, 1d.", valueName: "time"))
    var wait = "1d"

    @Argument(help: "The pipeline.")
    var pipeline: String

    func validate() throws {
        for text in [from, to] where Backfilling.Moment(text) == nil {
            throw ValidationError(
                "“\(text)” is neither an instant such as 2026-12-01T02:00:00Z nor a day such as 2026-12-01"
            )
        }
        for text in althoughLegacy where Instant(iso8601: text) == nil {
            throw ValidationError("--although-legacy \(text) is no instant; write it with its offset")
        }
        if !(1...1000).contains(parallel) { throw ValidationError("--parallel must be 1 to 1000") }
        guard YAMLFields.seconds(wait) != nil else { throw ValidationError("--wait is “\(wait)”; write 90m, 2h or 1d") }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        guard let first = Backfilling.Moment(from), let last = Backfilling.Moment(to) else { return }
        let request = Backfilling.Request(
            from: first,
            to: last,
            parallel: parallel,
            named: Set(althoughLegacy.compactMap { Instant(iso8601: $0) }),
            seconds: YAMLFields.seconds(wait) ?? 86_400
        )
        let report = try await Backfilling(workspace, pipeline, request).run(executes: execute)
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
