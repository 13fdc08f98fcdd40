import CGuard
import Foundation
public import Subprocess
import Synchronization
import SystemPackage

/// A Python interpreter that has started and forks a child for each body, which spares the body the start.
///
/// Its program is given (`warm_interpreter.py`, after that of the body). It was started with the environment and in the folder of the bodies, so
/// that a fork of it is what a new interpreter would be. It ends when this value is gone, and bodies that run then end by themselves.
public final class WarmInterpreter: Sendable {
    /// What bodies must have in common to be forked of one interpreter.
    public struct Kind: Sendable, Hashable {
        /// The interpreter, as it was written.
        public var python: String
        /// All variables.
        public var variables: [String: String]
        /// The working directory.
        public var directory: String
        /// Modules that are imported once for all.
        public var preload: [String]

        /// What bodies have in common.
        public init(python: String, variables: [String: String], directory: String, preload: [String] = []) {
            (self.python, self.variables, self.directory) = (python, variables, directory)
            self.preload = preload
        }
    }

    /// How a body ended.
    public struct Ended: Sendable {
        /// As a process ends.
        public var status: TerminationStatus
        /// What it wrote on standard output.
        public var output: String
        /// What it wrote on standard error.
        public var errors: String
    }

    /// Why no body is forked.
    public enum Failure: Error, Sendable {
        /// A fork would not be what a new interpreter is, or it did not start; in words.
        case cold(String)
        /// It is gone; nothing of the body ran.
        case gone
        /// The body wrote more than is read, and was ended.
        case outputLimit
    }

    private let requests: Int32
    /// How long an interpreter may take to start, in milliseconds.
    private static let startLimit: Int32 = 20_000

    /// Starts an interpreter.
    ///
    /// - Parameters:
    ///   - program: the text it runs.
    ///   - guardProgram: Bailey's own program; see `BodyGuard`.
    /// - Throws: `Failure.cold`.
    public init(_ kind: Kind, program: String, guardProgram: String) async throws {
        let (own, its) = try WarmInterpreter.sockets()
        requests = own
        var options = PlatformOptions()
        options.createSession = true
        let configuration = Configuration(
            executable: .path(FilePath(guardProgram)),
            arguments: Arguments(BodyGuard.arguments([kind.python, "-c", program] + kind.preload)),
            environment: .custom(
                Dictionary(
                    kind.variables.map { (Environment.Key(stringLiteral: $0.key), $0.value) },
                    uniquingKeysWith: { $1 }
                )
            ),
            workingDirectory: FilePath(kind.directory),
            platformOptions: options
        )
        // Until the other end of its socket is closed; nobody waits for that.
        Task.detached {
            _ = try? await Subprocess.run(
                configuration,
                input: .fileDescriptor(FileDescriptor(rawValue: its), closeAfterSpawningProcess: true),
                output: .discarded,
                error: .discarded
            )
        }
        let answer = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: WarmInterpreter.answer(own)) }
        }
        guard answer == "warm" else {
            throw Failure.cold(answer ?? "it did not start, or took too long")
        }
    }

    deinit { close(requests) }

    /// Runs a body. Cancelling the task ends all that it has started.
    ///
    /// - Parameters:
    ///   - input: what it reads on standard input.
    ///   - limit: the most bytes that are read of what it writes.
    /// - Throws: `Failure`; `CancellationError`.
    public func run(input: String, limit: Int) async throws -> Ended {
        let body = try start(input, limit)
        do { return try await body.end() } catch WarmBody.Failure.notBegun {
            throw Failure.gone
        } catch WarmBody.Failure.outputLimit { throw Failure.outputLimit }
    }

    private func start(_ input: String, _ limit: Int) throws -> WarmBody {
        var open: [Int32] = []
        // The other process holds its own of these once they are given.
        defer { for descriptor in open { close(descriptor) } }
        let file = try namelessFile(holding: input)
        open.append(file.rawValue)
        var outputs: [Int32] = []
        do {
            for _ in 0..<2 {
                var pipe: [Int32] = [0, 0]
                guard bailey_pipe(&pipe) == 0 else { throw Errno(rawValue: errno) }
                outputs.append(pipe[0])
                open.append(pipe[1])
            }
            let (control, its) = try WarmInterpreter.sockets()
            open.append(its)
            guard bailey_give_descriptors(requests, open) == 0 else {
                close(control)
                throw Failure.gone
            }
            return WarmBody(control: control, outputs: outputs, limit: limit)
        } catch {
            for descriptor in outputs { close(descriptor) }
            throw error
        }
    }

    private static func sockets() throws -> (Int32, Int32) {
        var both: [Int32] = [0, 0]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &both) == 0 else { throw Errno(rawValue: errno) }
        return (both[0], both[1])
    }

    /// What it says when it has started; nil if it ends or takes too long.
    private static func answer(_ socket: Int32) -> String? {
        var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, startLimit) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
