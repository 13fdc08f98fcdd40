import ArgumentParser
import Commands
import Foundation
import Operations
import Processes
import ThirdSystem

// `bailey` as somebody would have it who has a legacy system of their own: the same commands, and one line more.
BodyGuard.runIfAsked()
do {
    try await SystemKind.$added.withValue([.almanac]) {
        var command = try Bailey.parseAsRoot()
        if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
    }
} catch let code as ExitCode {
    exit(Console.status(code.rawValue))
} catch {
    let (status, lines) = ExitStatus.of(error)
    Console.complain(lines)
    exit(status.rawValue)
}
