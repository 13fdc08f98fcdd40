import ArgumentParser
import Foundation
import Migration
import Operations
import Reports

struct ProfileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Queue profiles: how a table of jobs is read.",
        subcommands: [ProfileInitCommand.self]
    )
}

struct ProfileInitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Propose a profile for a table that none knows.",
        discussion: """
            Reads the table's catalogue, some of its rows and the statements that the server remembers, in one read-only transaction. Prints what each
            column seems to mean, how sure that is and why, what a table cannot tell, and the profile. Ends with status 1 if an import with it fails.
            """
    )

    @Argument(help: ArgumentHelp("The table, with its schema.", valueName: "table"))
    var table: String

    @Option(
        help: ArgumentHelp(
            "The database's URL, or the name of the environment variable that holds it; DATABASE_URL, POSTGRES_URL or PG_URL if left out.",
            valueName: "url"
        )
    )
    var url: String?

    @Flag(help: "Write it to mappings/profiles here, unless a profile of that name is there.")
    var write = false

    @Flag(name: .long, help: "Print one JSON document on standard output.")
    var json = false

    func run() async throws {
        let proposing = try ProposingProfile(url, environment: ProcessInfo.processInfo.environment)
        let proposal = try await proposing.propose(table)
        if json {
            Console.print(proposal.json)
        } else {
            Console.print(proposal.textLines())
            Console.print(line: "")
            Console.print(text: String(proposal.profile.dropLast()))
        }
        if write { try save(proposal.profile, as: proposal.name) }
        if proposal.failure != nil { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    private func save(_ text: String, as name: String) throws {
        let folder = FileManager.default.currentDirectoryPath + "/mappings/profiles"
        let file = "mappings/profiles/\(name).yaml"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/\(name).yaml"), options: .withoutOverwriting)
        } catch let error as CocoaError where error.code == .fileWriteFileExists {
            throw OperationFailure(.usage, "\(file) is there already, and was left as it is")
        }
        Console.note("Wrote \(file). Name it in bailey.yaml: {kind: queue, profile: \(name), url: …}")
    }
}
