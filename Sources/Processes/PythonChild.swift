import Foundation
import Subprocess
import SystemPackage

/// A program text that a Python interpreter runs as a child: it reads one document, and answers with one. It ends by itself or by a deadline,
/// and what it has started in its session ends with it; under a guard, whatever it has started ends with the deadline, and with Bailey.
public struct PythonChild: Sendable {
    /// Why there is no answer, with what to do about it.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// What kept the answer away.
        public enum Cause: Sendable, Hashable {
            /// The interpreter cannot be run.
            case start
            /// The program ended with another status than 0.
            case status
            /// It took longer than it may.
            case deadline
            /// It wrote more than is read.
            case size
        }

        /// What kept the answer away.
        public let cause: Cause
        /// What was found, in words.
        public let description: String
    }

    /// The interpreter, as it was written.
    public let interpreter: String
    private let path: [String]
    private let variables: [String: String]
    private let folder: String
    private let guardProgram: String?
    private static let answerLimit = 256 * 1024 * 1024

    /// An interpreter.
    ///
    /// - Parameters:
    ///   - path: folders put in front of the module path.
    ///   - variables: what it gets beside the plain variables of this process.
    ///   - folder: the working directory.
    ///   - guardProgram: Bailey's own program, which stands between it and the child; see `BodyGuard`. Without one, only the session ends.
    public init(
        interpreter: String,
        path: [String],
        variables: [String: String],
        folder: String,
        guardProgram: String? = nil
    ) {
        self.guardProgram = guardProgram
        self.interpreter = interpreter
        self.path = path
        self.variables = variables
        self.folder = folder
    }

    /// What the program writes on standard output.
    ///
    /// - Parameters:
    ///   - request: what it reads on standard input.
    ///   - seconds: how long it may take.
    /// - Throws: `Failure` or `CancellationError`.
    public func answer(of program: String, to request: String, seconds: Double) async throws -> String {
        // Files, for a pipe is held open by whatever the program leaves behind.
        let (output, errors) = (try namelessFile(holding: ""), try namelessFile(holding: ""))
        defer {
            try? output.close()
            try? errors.close()
        }
        let status = try await ended(["-c", program], input: request, (output, errors), seconds: seconds)
        guard status.isSuccess else {
            if guardProgram != nil, case .exited(let code) = status,
                let complaint = BodyGuard.complaint(status: Int(code), errors: try text(errors))
            {
                throw Failure(cause: .start, description: "\(complaint); see whether it is installed there")
            }
            let last = try text(errors).split(separator: "\n").last.map { ": \($0)" } ?? ""
            throw Failure(cause: .status, description: "\(interpreter) ended with \(status)\(last)")
        }
        return try text(output)
    }

    private func ended(
        _ words: [String],
        input: String,
        _ files: (output: FileDescriptor, errors: FileDescriptor),
        seconds: Double
    ) async throws -> TerminationStatus {
        let configuration = configuration(words)
        let name = interpreter
        return try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
            group.addTask {
                do {
                    let result = try await Subprocess.run(
                        configuration,
                        input: .fileDescriptor(try namelessFile(holding: input), closeAfterSpawningProcess: true),
                        output: .fileDescriptor(files.output, closeAfterSpawningProcess: false),
                        error: .fileDescriptor(files.errors, closeAfterSpawningProcess: false)
                    )
                    // What it left in its session is no use to anybody.
                    kill(-result.processIdentifier.value, SIGKILL)
                    return result.terminationStatus
                } catch {
                    try Task.checkCancellation()
                    throw Failure(
                        cause: .start,
                        description: "\(name) cannot be run (\(error)); see whether it is installed there"
                    )
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let status = first else {
                throw Failure(
                    cause: .deadline,
                    description: "\(name) gave no answer within \(Int(seconds)) s and was killed"
                )
            }
            return status
        }
    }

    private func configuration(_ words: [String]) -> Configuration {
        var options = PlatformOptions()
        options.createSession = true
        // A guard ends all that the child has started, and then itself.
        options.teardownSequence =
            guardProgram == nil
            ? [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))]
            : [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
        let program = guardProgram ?? interpreter
        let words = guardProgram == nil ? words : BodyGuard.arguments([interpreter] + words)
        var all = PlainEnvironment.of(ProcessInfo.processInfo.environment, travels: true).merging(variables) { $1 }
        if !path.isEmpty { all["PYTHONPATH"] = path.joined(separator: ":") }
        return Configuration(
            executable: program.contains("/") ? .path(FilePath(program)) : .name(program),
            arguments: Arguments(words),
            environment: .custom(
                Dictionary(all.map { (Environment.Key(stringLiteral: $0.key), $0.value) }, uniquingKeysWith: { $1 })
            ),
            workingDirectory: FilePath(folder),
            platformOptions: options
        )
    }

    private func text(_ file: FileDescriptor) throws -> String {
        guard try file.seek(offset: 0, from: .end) <= PythonChild.answerLimit else {
            throw Failure(
                cause: .size,
                description: "\(interpreter) wrote more than \(PythonChild.answerLimit >> 20) MiB"
            )
        }
        try file.seek(offset: 0, from: .start)
        let handle = FileHandle(fileDescriptor: file.rawValue, closeOnDealloc: false)
        return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
    }
}
