import ArgumentParser
import Commands
import Foundation
import Processes

BodyGuard.runIfAsked()
Sandbox.runIfAsked()
signal(SIGPIPE, SIG_IGN)

/// Cancels the command on the first Ctrl-C or TERM, so that it ends its child processes; the second ends at once.
let work = Task {
    var command = try Bailey.parseAsRoot()
    if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
}
let signals = [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number)
    source.setEventHandler {
        if work.isCancelled { _exit(ExitStatus.interrupted.rawValue) }
        work.cancel()
    }
    source.resume()
    return source
}

do {
    try await work.value
    exit(Console.status(ExitStatus.done.rawValue))
} catch let code as ExitCode {
    exit(Console.status(code.rawValue))
} catch {
    let usual = Bailey.exitCode(for: error)
    if usual == .validationFailure {
        FileHandle.standardError.write(Data((Bailey.fullMessage(for: error) + "\n").utf8))
        exit(ExitStatus.usage.rawValue)
    }
    // Asking for help or the version is no failure.
    if usual == .success { Bailey.exit(withError: error) }
    // A connection that was closed because of the interruption is no failure of the system at its other end.
    let (status, lines) = ExitStatus.of(work.isCancelled ? CancellationError() : error)
    Console.complain(lines)
    exit(status.rawValue)
}
