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

    @Flag(
        inversion: .prefixedNo,
        help:
            "Ask live Celery workers how they are configured, their time zone as well: a few messages to each of them."
    )
    var askWorkers = true

    @Option(
        help: ArgumentHelp(
            "Load this Celery application's code too, in its own interpreter, for a source of kind celery.",
            valueName: "module:app"
        )
    )
    var fromApp: String?

    @Option(help: ArgumentHelp("The environment of bailey.yaml that holds it.", valueName: "name"))
    var environment: String?

    func validate() throws {
        if environment != nil, fromApp == nil { throw ValidationError("--environment is for --from-app") }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let (inventory, changes) = try await workspace.importInventory(
            askWorkers: askWorkers,
            from: fromApp.map { NamedApplication($0, environment: environment) }
        )
        if common.json {
            Console.print(inventory.document(with: changes))
        } else {
            Console.print(inventory.textLines() + (changes?.textLines() ?? []))
        }
        if !inventory.isWhole { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
