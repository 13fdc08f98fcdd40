import Foundation
import LosslessJSON
import NIOCore
import Processes
import Subprocess
import SystemPackage

/// A program that gets the alert as one line of JSON on standard input. No shell is involved.
enum AlertCommand {
    static func run(
        _ words: [String],
        _ variables: [String: String],
        _ alert: Alert,
        _ channel: AlertChannel,
        timeout: TimeAmount
    ) async throws(AlertError) {
        let environment = PlainEnvironment.of(ProcessInfo.processInfo.environment, travels: true)
            .merging(variables) { $1 }
        let seconds = Double(timeout.nanoseconds) / 1e9
        let status: TerminationStatus?
        do {
            status = try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
                group.addTask {
                    var options = PlatformOptions()
                    options.createSession = true
                    options.teardownSequence = [
                        .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))
                    ]
                    return try await Subprocess.run(
                        words[0].contains("/") ? .path(FilePath(words[0])) : .name(words[0]),
                        arguments: Arguments(Array(words.dropFirst())),
                        environment: .custom(
                            Dictionary(
                                environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) },
                                uniquingKeysWith: { $1 }
                            )
                        ),
                        platformOptions: options,
                        input: .fileDescriptor(
                            try namelessFile(holding: alert.json.text() + "\n"),
                            closeAfterSpawningProcess: true
                        ),
                        output: .discarded,
                        error: .discarded
                    ).terminationStatus
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(seconds))
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
        } catch {
            throw AlertError(channel, "it did not start", "See whether the program exists and may be run")
        }
        switch status {
        case .exited(0): return
        case nil:
            throw AlertError(channel, "it did not end within \(seconds) s and was ended", "See why it takes so long")
        case .exited(let code): throw AlertError(channel, "it ended with status \(code)", "Run it by hand to see why")
        case .signaled(let number): throw AlertError(channel, "signal \(number) ended it", "Run it by hand to see why")
        }
    }
}
