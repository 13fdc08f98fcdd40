import ArgumentParser
import LosslessJSON
import Migration
import Operations
import Reports

struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract:
            "Cut over and roll back a throw-away copy of the entry that runs nothing, against the real systems, and time each step.",
        discussion: """
            The copy has a name and a queue of its own that nobody consumes from; its messages name a task that no worker has, and expire. Everything
            is removed at the end; what a killed rehearsal leaves, the next one or bailey watch removes. Without --execute it says what it would do.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Argument(help: "The pipeline.")
    var pipeline: String

    func run() async throws {
        let rehearsing = try Rehearsing(try Workspace(common), pipeline)
        guard execute else {
            guard !common.json else {
                let lines = JSON.array(rehearsing.words.map { .string($0) })
                return Console.print(["bailey": "rehearse", "version": 1, "would": lines, "rehearsal": nil])
            }
            rehearsing.words.forEach { Console.print(line: $0) }
            return Console.print(line: "Nothing was changed. Run it with --execute to do it.")
        }
        let rehearsal = try await rehearsing.run()
        if common.json {
            Console.print(["bailey": "rehearse", "version": 1, "would": [], "rehearsal": rehearsal.json])
        } else {
            Console.print(rehearsal.textLines())
        }
        if !rehearsal.passed { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}
