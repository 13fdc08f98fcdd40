import ArgumentParser
import Foundation
import Migration
import Operations
import Reports

struct DiscoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover",
        abstract: "Look at servers, and say what schedules or queues work there.",
        discussion: """
            Reads Redis and PostgreSQL servers once, and asks live Celery workers for their configuration, a message to each. Says what is there, how
            sure that is, how much, who writes it, and what moves, can only be read or is better left; prints the bailey.yaml that reads it.
            Needs no bailey.yaml. Ends with status 3 if a server did not answer, with 1 if nothing was found, or a crontab has a line that
            endangers what was.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "URLs of Redis and PostgreSQL servers and of a Celery broker, or names of environment variables that hold them.",
            valueName: "url"
        )
    )
    var urls: [String] = []

    @Option(
        help: ArgumentHelp("Judge the lines of a crontab; - for standard input. May be repeated.", valueName: "file")
    )
    var crontab: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help: "Ask live Celery workers how they are configured: a message to each of them."
    )
    var askWorkers = true

    @Flag(help: "Print the bailey.yaml alone.")
    var yaml = false

    @Flag(name: .long, help: "Print one JSON document on standard output.")
    var json = false

    func validate() throws {
        if urls.isEmpty, crontab.isEmpty { throw ValidationError("name at least one URL, or a file with --crontab") }
        if yaml, json { throw ValidationError("--yaml and --json are two forms of one result: take one") }
    }

    func run() async throws {
        let found = try await Discovering(
            servers: DiscoverCommand.servers(urls),
            crontabs: crontab.map { try DiscoverCommand.file($0) },
            asksWorkers: askWorkers,
            surroundings: .machine(tell: Console.note)
        ).run { ExitStatus.of($0).lines.joined(separator: "; ") }
        if json {
            Console.print(found.json)
        } else if yaml {
            Console.print(text: String(found.settings.dropLast()))
        } else {
            Console.print(found.textLines())
            if found.hasSources {
                Console.print(line: "")
                Console.print(text: String(found.settings.dropLast()))
            }
        }
        DiscoverCommand.advise(found)
        if !found.isWhole { throw ExitCode(ExitStatus.unreachable.rawValue) }
        if !found.holds || found.isEmpty { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// The servers that arguments name.
    static func servers(_ urls: [String]) throws -> [Discovering.Server] {
        let environment = ProcessInfo.processInfo.environment
        return try urls.enumerated().map {
            try Discovering.Server($0.element, number: $0.offset + 1, environment: environment)
        }
    }

    /// What to do with the settings.
    static func advise(_ found: Discovery) {
        for name in found.unsetVariables {
            Console.note("Set \(name) to the URL that was given here: bailey.yaml names it, and holds no password")
        }
    }

    private static func file(_ path: String) throws -> Discovering.Crontab {
        let isInput = path == "-"
        // More than this is nobody's crontab; cron itself takes far less.
        let most = 4 << 20
        let handle = isInput ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let handle else { throw OperationFailure(.usage, "\(path) cannot be read, or is not there") }
        let data: Data?
        do { data = try handle.read(upToCount: most + 1) } catch {
            throw OperationFailure(.usage, "\(path) cannot be read: it may be a folder")
        }
        let shown = isInput ? "standard input" : path
        guard let data else { return Discovering.Crontab(file: shown, text: "") }
        guard data.count <= most, !data.contains(0), let text = String(validating: data, as: UTF8.self) else {
            throw OperationFailure(
                .usage,
                "\(shown) is no crontab: it holds bytes that are no text, or more than \(most >> 20) MB"
            )
        }
        let whole = URL(fileURLWithPath: path).standardizedFileURL.path
        return Discovering.Crontab(file: shown, text: text, path: isInput ? nil : whole)
    }
}
