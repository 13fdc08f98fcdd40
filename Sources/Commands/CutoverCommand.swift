import ArgumentParser
import Cutover
import Migration
import Operations
import Schedules

struct CutoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cutover",
        abstract: "Move pipelines' ticks and jobs from legacy to Airflow; without --execute, say what would happen.",
        discussion: """
            Several pipelines are cut over one after another; the first that cannot be ends the command. With --all-or-none those already done
            are given back then. A cutover that was broken off is completed. Ends with status 1 if anything refuses.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Option(help: "Let Airflow own so many ticks; then ownership returns by itself.")
    var ticks: Int?

    @Option(
        help: ArgumentHelp(
            "Let Airflow's window begin at an instant, such as 2026-12-01T02:00:00Z; the command waits until then.",
            valueName: "time"
        )
    )
    var at: String?

    @Option(
        help: ArgumentHelp(
            "Seconds to wait for a moment at which nothing is due; two of beat's longest loops and a minute if left out.",
            valueName: "seconds"
        )
    )
    var patience: Double?

    @Option(
        help: ArgumentHelp(
            "Which of several installations of Airflow that have the DAG is to run the ticks; `bailey status PIPELINE` names them.",
            valueName: "name"
        )
    )
    var installation: String?

    @Flag(help: "If one pipeline cannot be cut over, give back those that were.")
    var allOrNone = false

    @OptionGroup var override: OverrideOptions

    @Option(help: ArgumentHelp("Wait until so many ticks were claimed, and show them.", valueName: "number"))
    var claims = 0

    @Option(
        help: ArgumentHelp(
            "Let Airflow take so many percent of the jobs of queues, by a stable hash of their ids; 100 if left out.",
            valueName: "percent"
        )
    )
    var share: String?

    @Option(
        help: ArgumentHelp(
            "Seconds to wait until legacy's workers have let go of a queue's jobs.",
            valueName: "seconds"
        )
    )
    var drain = 600.0

    @Option(
        help: ArgumentHelp("Let this database user take jobs, such as Airflow's; may be repeated.", valueName: "user")
    )
    var grant: [String] = []

    @Flag(help: "Print the SQL that a queue's switch needs, for its administrator, and do nothing.")
    var sql = false

    @Argument(help: "The pipelines.")
    var pipelines: [String]

    private var percent: Int? {
        guard let share else { return 100 }
        return Int(share.hasSuffix("%") ? String(share.dropLast()) : share).flatMap {
            (0...100).contains($0) ? $0 : nil
        }
    }

    func validate() throws {
        if let ticks, ticks < 1 { throw ValidationError("--ticks must be 1 or more") }
        if percent == nil { throw ValidationError("--share must be a whole number of percent from 0 to 100") }
        if claims < 0 { throw ValidationError("--claims must not be negative") }
        if let at, Instant(iso8601: at) == nil {
            throw ValidationError("--at \(at) is no instant; write it with its offset, such as 2026-12-01T02:00:00Z")
        }
        if Set(pipelines).count != pipelines.count { throw ValidationError("a pipeline is named twice") }
    }

    func run() async throws {
        let override = try override.decision()
        let workspace = execute ? await (try Workspace(common)).askingWorkers() : try Workspace(common)
        var request = CutoverRequest(
            ticks: ticks,
            at: at.flatMap { Instant(iso8601: $0) },
            patience: patience,
            installation: installation
        )
        (request.claims, request.share, request.roles, request.drain) = (claims, percent ?? 100, grant, drain)
        if let at = request.at, at < currentInstant() {
            throw OperationFailure(.usage, "--at \(at.iso8601) has passed")
        }
        let cutting = try CuttingOver(workspace, pipelines, request, sharesJobs: share != nil && !sql)
        if sql {
            for script in try await cutting.scripts() { Console.print(text: script) }
            return
        }
        let report = try await cutting.run(executes: execute, allOrNone: allOrNone, override: override)
        if common.json { Console.print(report.json) } else { Console.print(report.lines(zones: workspace.zones)) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
