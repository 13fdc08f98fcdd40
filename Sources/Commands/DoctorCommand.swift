import ArgumentParser
import LosslessJSON
import Operations
import Reports

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check every system: reachable, readable, and what to mend."
    )

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let checkup = try await Checkup(Workspace(common)) { ExitStatus.of($0).lines.joined(separator: "; ") }
        if common.json {
            Console.print(checkup.json)
        } else {
            var table = TextTable(["CHECK", "", "DETAIL"])
            for check in checkup.checks { table.add([check.name, check.holds ? "ok" : "FAILS", check.detail]) }
            Console.print(table.lines(width: 400))
        }
        if !checkup.holds { throw ExitCode(ExitStatus.unreachable.rawValue) }
    }
}
