import Alerts
import ArgumentParser
import LosslessJSON
import Operations
import Settings

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Keep switches whole: settle, heal, end bounded windows, roll back by policy, send alerts.",
        discussion: """
            Runs until Ctrl-C, and may be stopped at any time: the switches, the gates and legacy need no bailey that runs. Survives restarts of Redis.
            It acts on legacy systems only where a person has cut a pipeline over, and rolls back only where the policy says so.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Look once, do what is to be done, and end.")
    var once = false

    @Option(help: ArgumentHelp("The time between two looks.", valueName: "time"))
    var every = "5s"

    func validate() throws {
        guard YAMLFields.seconds(every) != nil else { throw ValidationError("--every is “\(every)”; write 5s or 1m") }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let watchman = Watchman(workspace)
        if once {
            let events = await watchman.look()
            if common.json {
                Console.print(["bailey": "watch", "version": 1, "events": .array(events.map(\.json))])
            } else {
                Console.print(events.isEmpty ? ["Nothing to do."] : events.map(\.line))
            }
            if events.contains(where: { ["unreachable", "state-unreadable"].contains($0.event) }) {
                throw ExitCode(ExitStatus.unreachable.rawValue)
            }
            return
        }
        Console.note("watching \(workspace.settings.sources.map(\.name).joined(separator: ", ")); end it with Ctrl-C")
        let seconds = YAMLFields.seconds(every) ?? 5
        do {
            while true {
                for event in await watchman.look() {
                    if common.json { Console.print(compact: event.json) } else { Console.print(line: event.line) }
                }
                try await Task.sleep(for: .seconds(seconds))
            }
        } catch is CancellationError {
            Console.note("Ended; switches and gates go on without it.")
        }
    }
}
