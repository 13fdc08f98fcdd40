import Foundation
import Processes
import Subprocess
import SystemPackage

/// Runs a program on this machine to its end.
struct Program: Sendable {
    /// How it ended.
    struct Ending: Sendable {
        var succeeded: Bool
        /// What it printed, errors last.
        var output: String
        /// Its exit status in words.
        var status: String
    }

    /// Variables that it gets beside the plain ones of this process.
    var variables: [String: String] = [:]
    /// The time it may take, in seconds; then its whole process group is killed.
    var limit = 300.0
    private static let outputLimit = 1024 * 1024

    /// Runs it; no shell is involved and nothing is typed in.
    ///
    /// - Throws: `DeliveryError` if it could not be started or took too long, `CancellationError`.
    func run(_ words: [String], in folder: String) async throws -> Ending {
        guard let name = words.first else { throw DeliveryError("running a command", "it has no program", "Name one") }
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))
        ]
        let configuration = Configuration(
            executable: name.contains("/") ? .path(FilePath(name)) : .name(name),
            arguments: Arguments(Array(words.dropFirst())),
            environment: .custom(
                Dictionary(
                    PlainEnvironment.of(ProcessInfo.processInfo.environment, travels: true)
                        .merging(variables) { $1 }
                        .map { (Environment.Key(stringLiteral: $0.key), $0.value) },
                    uniquingKeysWith: { $1 }
                )
            ),
            workingDirectory: FilePath(folder),
            platformOptions: options
        )
        let limit = limit
        return try await withThrowingTaskGroup(of: Ending?.self) { group in
            group.addTask {
                do {
                    let result = try await Subprocess.run(
                        configuration,
                        output: .string(limit: Program.outputLimit),
                        error: .string(limit: Program.outputLimit)
                    )
                    let texts = [result.standardOutput, result.standardError].compactMap { $0 }
                    return Ending(
                        succeeded: result.terminationStatus.isSuccess,
                        output: texts.filter { !$0.isEmpty }.joined(separator: "\n"),
                        status: "\(result.terminationStatus)"
                    )
                } catch {
                    try Task.checkCancellation()
                    throw DeliveryError("running \(name)", "\(error)", "See whether it is installed and may be run")
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(limit))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let ending = first else {
                throw DeliveryError(
                    "running \(name)",
                    "it had not ended after \(Int(limit)) s and was killed",
                    "Run it by hand to see what it waits for"
                )
            }
            return ending
        }
    }
}
