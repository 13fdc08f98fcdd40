import ArgumentParser
import Cutover
import LosslessJSON
import Operations
import Reports

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check every system: reachable, readable, and what to mend.",
        discussion:
            """
            With --rights it asks nobody, and prints the least rights that each command needs, as ACL lines of Redis and GRANTs of PostgreSQL.
            With --round-trip it sends Celery's own task without effect, celery.accumulate, the way of each Celery task and waits for the answer; only with --execute.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Print the least rights that each command needs on each source, and end.")
    var rights = false

    @Flag(help: "See whether what is sent the way of each Celery task reaches a worker and comes back.")
    var roundTrip = false

    @Flag(help: "Do it: it sends messages to the legacy workers.")
    var execute = false

    @Argument(help: "The pipelines, for --round-trip; all if none is named.")
    var pipelines: [String] = []

    func validate() throws {
        if !roundTrip, execute || !pipelines.isEmpty {
            throw ValidationError("--execute and pipelines belong to --round-trip")
        }
    }

    func run() async throws {
        if roundTrip {
            let report = try await RoundTripReport(Workspace(common), pipelines, execute: execute)
            if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
            if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
            return
        }
        if rights {
            let report = try RightsReport(Workspace(common))
            if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
            return
        }
        let checkup = try await Checkup(Workspace(common)) { ExitStatus.of($0).lines.joined(separator: "; ") }
        if common.json {
            Console.print(checkup.json)
        } else {
            var table = TextTable(["CHECK", "", "DETAIL"])
            for check in checkup.checks { table.add([check.name, check.holds ? "ok" : "FAILS", check.evidence]) }
            Console.print(table.lines(width: 400))
        }
        if !checkup.holds { throw ExitCode(ExitStatus.unreachable.rawValue) }
    }
}
