import ArgumentParser
import Migration
import Operations
import Reports

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Read all sources into an inventory; nothing is changed in them.",
        discussion:
            "Ends with status 1 if a source was not read whole: nothing was found, a right is missing, rows are hidden."
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Ask live Celery workers for their time zone: a message to each of them.")
    var askWorkers = false

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try await workspace.importInventory(askWorkers: askWorkers)
        if common.json { Console.print(inventory.json) } else { Console.print(inventory.textLines()) }
        if !inventory.isWhole { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
