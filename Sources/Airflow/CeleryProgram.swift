import Foundation
public import LosslessJSON
import Processes
import Subprocess
import SystemPackage

/// The program that makes and sends messages as a DAG's tasks do, run by Bailey itself to prove them: in the application's own
/// interpreter, or in one that has Celery.
public struct CeleryProgram: Sendable {
    /// Why it gave no answer, with what to do about it.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// What to do, in words.
        public let description: String
    }

    private let interpreter: String
    private let path: [String]
    private let variables: [String: String]
    private let folder: String
    private static let outputLimit = 16 * 1024 * 1024

    /// The program in an interpreter.
    ///
    /// - Parameters:
    ///   - path: folders put in front of the module path.
    ///   - variables: what the interpreter gets beside the plain variables of this process.
    ///   - folder: the working directory.
    public init(interpreter: String, path: [String], variables: [String: String], folder: String) {
        self.interpreter = interpreter
        self.path = path
        self.variables = variables
        self.folder = folder
    }

    /// Whether the interpreter has Celery.
    public func hasCelery() async throws -> Bool {
        let ending = try await run(["-c", "import celery, kombu"], input: "", seconds: 60)
        return ending.succeeded
    }

    /// Its answer to a request, which holds secrets and goes by standard input.
    ///
    /// - Throws: `Failure` if there is none, or the answer says why it could not be done; `CancellationError`.
    public func answer(_ request: JSON, seconds: Double) async throws -> JSON {
        let ending = try await run(["-c", CeleryText.proving], input: request.text(), seconds: seconds)
        guard ending.succeeded else {
            let last = ending.errors.split(separator: "\n").last.map(String.init) ?? ending.status
            throw Failure(
                description: last.contains("No module named 'celery'") || last.contains("No module named 'kombu'")
                    ? "\(interpreter) has no Celery (\(last)); name an environment that has it: under “environments”, and as the source's “celery: {environment: …}”"
                    : "\(interpreter) ended with \(ending.status): \(last)"
            )
        }
        guard let line = ending.output.split(separator: "\n").last, let reply = try? JSON(parsing: Array(line.utf8))
        else { throw Failure(description: "\(interpreter) printed no answer") }
        if reply["failed"] != nil {
            throw Failure(description: reply["words"]?.string ?? reply.text())
        }
        return reply
    }

    private struct Ending: Sendable {
        var succeeded: Bool
        var output: String
        var errors: String
        var status: String
    }

    private func run(_ words: [String], input: String, seconds: Double) async throws -> Ending {
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))
        ]
        var all = PlainEnvironment.of(ProcessInfo.processInfo.environment, travels: true).merging(variables) { $1 }
        if !path.isEmpty { all["PYTHONPATH"] = path.joined(separator: ":") }
        let configuration = Configuration(
            executable: interpreter.contains("/") ? .path(FilePath(interpreter)) : .name(interpreter),
            arguments: Arguments(words),
            environment: .custom(
                Dictionary(
                    all.map { (Environment.Key(stringLiteral: $0.key), $0.value) },
                    uniquingKeysWith: { $1 }
                )
            ),
            workingDirectory: FilePath(folder),
            platformOptions: options
        )
        let name = interpreter
        return try await withThrowingTaskGroup(of: Ending?.self) { group in
            group.addTask {
                do {
                    let result = try await Subprocess.run(
                        configuration,
                        input: .fileDescriptor(try namelessFile(holding: input), closeAfterSpawningProcess: true),
                        output: .string(limit: CeleryProgram.outputLimit),
                        error: .string(limit: CeleryProgram.outputLimit)
                    )
                    return Ending(
                        succeeded: result.terminationStatus.isSuccess,
                        output: result.standardOutput,
                        errors: result.standardError,
                        status: "\(result.terminationStatus)"
                    )
                } catch {
                    try Task.checkCancellation()
                    throw Failure(description: "\(name) cannot be run (\(error)); see whether it is installed there")
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let ending = first else {
                throw Failure(description: "\(name) gave no answer within \(Int(seconds)) s and was killed")
            }
            return ending
        }
    }
}
