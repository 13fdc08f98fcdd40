import ArgumentParser
import Migration
import Operations
import Reports

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Group entries into pipelines, translate them, and say what changes in meaning.",
        discussion: "Ends with status 1 if there is a finding of error severity."
    )

    @OptionGroup var common: CommonOptions

    @Option(
        help: ArgumentHelp("An inventory that bailey import --json printed; - for standard input.", valueName: "path")
    )
    var inventory: String?

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try workspace.inventory(inventory)
        let plan = try workspace.plan(inventory)
        try workspace.notePlanned(inventory)
        if common.json {
            Console.print(plan.document)
        } else {
            Console.print(plan.textLines(inventory: inventory, zones: workspace.zones))
        }
        if !plan.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
