import ArgumentParser
import Operations

struct HistoryEntryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entry",
        abstract:
            "What a legacy entry was when it was planned, each time that an import found it otherwise later; with its stored bytes."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The entry, as bailey plan names it: source/name. One of its earlier names will do.")
    var entry: String

    func run() async throws {
        let history = try Workspace(common).history(ofEntry: entry)
        if common.json { Console.print(history.json) } else { Console.print(history.textLines) }
    }
}
