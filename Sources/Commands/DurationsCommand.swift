import ArgumentParser
import Foundation
import Operations
import Reports
import Settings

struct DurationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "durations",
        abstract: "Learn how long legacy's runs take where results do not tell: from workers' logs or events.",
        discussion: """
            Alone it says what is known of each entry, and from what. --log reads logs of Celery workers, which may overlap or be read again: a run counts
            once. --events has live workers send events for a time; without --execute it says whose.
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The source, if Celery does the work of several.")
    var source: String?

    @Option(
        help: ArgumentHelp(
            "A worker's log of the level INFO; - for standard input. May be given several times.",
            valueName: "file"
        )
    )
    var log: [String] = []

    @Option(
        help: ArgumentHelp(
            "Listen to workers' events for so long: 30m, 26h. Those that sent none are told to.",
            valueName: "time"
        )
    )
    var events: String?

    @Flag(help: "Do it: tell workers to send events.")
    var execute = false

    func validate() throws {
        if let events {
            guard let seconds = YAMLFields.seconds(events), seconds <= 31 * 86_400 else {
                throw ValidationError(
                    "--events is “\(events)”; write a length of time up to a month, such as 30m or 26h"
                )
            }
            if !log.isEmpty { throw ValidationError("--log and --events are two ways: give one of them") }
        } else if execute {
            throw ValidationError("--execute goes with --events; a log is only read")
        }
        if log.count(where: { $0 == "-" }) > 1 { throw ValidationError("standard input (-) can be read once") }
    }

    func run() async throws {
        let learning = try LearningDurations(Workspace(common), source: source)
        let report =
            if !log.isEmpty {
                try learning.read(logs: log, lines: lines)
            } else if let seconds = events.flatMap(YAMLFields.seconds) {
                try await learning.listen(seconds: seconds, execute: execute)
            } else {
                try learning.known()
            }
        if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    private func lines(_ file: String, _ take: (ArraySlice<UInt8>) throws -> Void) throws {
        var descriptor = STDIN_FILENO
        if file != "-" {
            var found = stat()
            guard stat(file, &found) == 0 else { throw unreadable(file) }
            guard found.st_mode & S_IFMT != S_IFDIR else {
                throw OperationFailure(.usage, "\(file) is a folder: give the logs in it, each with --log")
            }
            descriptor = open(file, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw unreadable(file) }
        }
        defer { if file != "-" { close(descriptor) } }
        var reader = LineReader(descriptor: descriptor)
        while let line = reader.next() { try take(line) }
    }

    private func unreadable(_ file: String) -> OperationFailure {
        OperationFailure(.usage, "reading \(file): \(String(cString: strerror(errno)))")
    }
}
