import ArgumentParser
import Migration
import Operations
import Reports

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Read all sources into an inventory; nothing is changed in them."
    )

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try await workspace.importInventory()
        if common.json { Console.print(inventory.json) } else { Console.print(inventory.textLines()) }
    }
}
