import ArgumentParser
import Foundation
import Operations
import Reports

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write bailey.yaml and an empty mappings folder.",
        discussion: "URLs are taken by the name of an environment variable, so that secrets stay out of files."
    )

    @Option(help: ArgumentHelp("The variable that holds the URL of RedBeat's Redis.", valueName: "NAME"))
    var redbeat: String?

    @Option(
        help: ArgumentHelp("The variable that holds the URL of Celery's broker, if it is another.", valueName: "NAME")
    )
    var broker: String?

    @Option(
        help: ArgumentHelp(
            "The variable that holds the URL of Celery's results, if they are elsewhere.",
            valueName: "NAME"
        )
    )
    var results: String?

    @Option(help: ArgumentHelp("The variable that holds the URL of the queue's PostgreSQL.", valueName: "NAME"))
    var queue: String?

    @Option(help: "The queue's profile.")
    var profile = "background_jobs"

    @Option(help: ArgumentHelp("RedBeat's key prefix.", valueName: "text"))
    var prefix = "redbeat:"

    @Flag(help: "Look at the servers, and write what is found there instead of what their variables' names say.")
    var discover = false

    func run() async throws {
        let initializing = Initializing(
            folder: FileManager.default.currentDirectoryPath,
            environment: ProcessInfo.processInfo.environment,
            surroundings: .machine(tell: Console.note)
        )
        let names = Initializing.Variables(redbeat: redbeat, broker: broker, results: results, queue: queue)
        var lines = try initializing.settings(names, profile: profile, prefix: prefix)
        if discover {
            let found = try await initializing.discover(names) { ExitStatus.of($0).lines.joined(separator: "; ") }
            Console.print(found.textLines())
            lines = try initializing.settings(of: found)
        }
        try initializing.write(lines)
        Console.note("Wrote bailey.yaml and mappings/. Next: bailey import")
    }
}
