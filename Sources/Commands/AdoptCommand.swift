import ArgumentParser
import Foundation
import Migration
import Operations
import Schedules
import Settings

struct AdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Make a schedule in a Celery application's code RedBeat's, so that it can be moved.",
        discussion: """
            Without --execute it says what to change, whether every entry arrives with the same ticks, and from which last run RedBeat would go on. With it,
            once the old beat is stopped, it writes the entries so that RedBeat's beat loses no tick and fires none twice. --check looks afterwards.
            Ends with status 1 if something speaks against it.
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The source of kind celery, if there are several.")
    var source: String?

    @Option(
        help: ArgumentHelp(
            "Where RedBeat is to keep the schedule: a URL, or the environment variable that holds it; the broker if left out.",
            valueName: "url"
        )
    )
    var redis: String?

    @Option(
        help: ArgumentHelp(
            "When the old beat was stopped: now, or an instant such as 2026-11-29T14:00:00Z.",
            valueName: "time"
        )
    )
    var stoppedAt: String?

    @Option(help: ArgumentHelp("How far that may be wrong.", valueName: "time"))
    var within = "1s"

    @Flag(help: "Go on where it cannot be seen whether a tick was fired.")
    var acceptDoubts = false

    @Flag(help: "Do it: write the entries into Redis.")
    var execute = false

    @Flag(help: "Look whether RedBeat drives all entries, and the old beat is gone.")
    var check = false

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("How long --check watches for ticks that fire twice.", valueName: "time")
    )
    var watched = "0s"

    func validate() throws {
        if execute, stoppedAt == nil {
            throw ValidationError(
                "--execute needs --stopped-at: stop the old beat first, then say when, such as --stopped-at now"
            )
        }
        if check, execute { throw ValidationError("--check only looks") }
        if YAMLFields.seconds(within) == nil { throw ValidationError("--within takes a length of time such as 1s") }
        if watched != "0s", YAMLFields.seconds(watched) == nil {
            throw ValidationError("--for takes a length of time such as 60s")
        }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let adopting = try Adopting(
            workspace,
            source: source,
            redis: redis,
            environment: ProcessInfo.processInfo.environment
        )
        let report: AdoptionReport
        if check {
            report = try await adopting.check(after: YAMLFields.seconds(watched) ?? 0)
        } else {
            report = try await adopting.run(
                stopped: stopped(workspace),
                within: YAMLFields.seconds(within) ?? 1,
                acceptsDoubt: acceptDoubts,
                execute: execute
            )
        }
        if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    private func stopped(_ workspace: Workspace) throws -> Instant? {
        guard let stoppedAt else { return nil }
        let now = workspace.surroundings.now()
        if stoppedAt == "now" { return now }
        guard let instant = Instant(iso8601: stoppedAt) else {
            throw OperationFailure(
                .usage,
                "“\(stoppedAt)” is no instant: write one such as 2026-11-29T14:00:00Z, or now"
            )
        }
        guard instant <= now else {
            throw OperationFailure(.usage, "\(stoppedAt) is still to come: stop the old beat first")
        }
        return instant
    }
}
