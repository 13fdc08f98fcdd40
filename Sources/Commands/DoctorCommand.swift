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
            "With --rights it asks nobody, and prints the least rights that each command needs, as ACL lines of Redis and GRANTs of PostgreSQL."
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Print the least rights that each command needs on each source, and end.")
    var rights = false

    func run() async throws {
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
