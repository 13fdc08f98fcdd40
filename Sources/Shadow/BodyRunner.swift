import Airflow
import Foundation
import LosslessJSON
import Migration
public import Processes
import Subprocess
import SystemPackage

/// Runs the body of a task as a child process in a session of its own, so that it can be ended together with all that it started.
public struct BodyRunner: Sendable {
    /// An interpreter of `bailey.yaml`.
    public struct Environment: Sendable {
        var python: String
        var path: [String]
        var variables: [String: String]
        var preload: [String]

        /// Makes an environment.
        ///
        /// - Parameters:
        ///   - python: the program.
        ///   - path: folders put in front of the module path.
        ///   - variables: environment variables.
        ///   - preload: modules that a warm interpreter imports once for all bodies.
        public init(python: String, path: [String], variables: [String: String], preload: [String] = []) {
            self.python = python
            self.preload = preload
            self.path = path
            self.variables = variables
        }
    }

    /// How one attempt ended.
    enum Ending: Sendable {
        case success(JSON?)
        case failure(RunError)
        /// A failure that no repetition would mend.
        case refusal(RunError)
    }

    private let environments: [String: Environment]
    let connections: [String: String]
    let directory: String
    private let inherited: [String: String]
    private let guardProgram: String
    /// What keeps sandboxed bodies from everything else.
    let ladder: SandboxLadder
    /// Nil where each body starts an interpreter of its own.
    private let interpreters: WarmInterpreters?
    private static let outputLimit = 64 * 1024 * 1024

    /// A runner.
    ///
    /// - Parameters:
    ///   - connections: URLs of the connections that bodies name, by name.
    ///   - directory: the working directory of bodies that name none.
    ///   - inherited: the environment that bodies start from; what leads to legacy systems is not handed on unless an environment names it.
    ///   - guardProgram: Bailey's own program, which stands between it and each body; see `BodyGuard`.
    ///   - ladder: what finds the sandbox that this machine permits; nil for all it may be.
    ///   - isWarm: whether Python bodies are forked of an interpreter that has started before, where that makes no difference to them.
    ///   - tell: takes a line for people.
    public init(
        environments: [String: Environment],
        connections: [String: String] = [:],
        directory: String,
        inherited: [String: String],
        guardProgram: String,
        ladder: SandboxLadder? = nil,
        isWarm: Bool = true,
        tell: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        interpreters =
            isWarm
            ? WarmInterpreters(program: BodyReport.warmCaller, guardProgram: guardProgram, tell: tell) : nil
        self.guardProgram = guardProgram
        self.ladder = ladder ?? SandboxLadder(program: guardProgram, path: inherited["PATH"] ?? "/usr/bin:/bin")
        self.environments = environments
        self.connections = connections
        self.directory = directory
        self.inherited = PlainEnvironment.of(inherited)
    }

    /// Runs one attempt. Cancelling the task ends the whole process group.
    ///
    /// - Parameters:
    ///   - payload: the job's payload, for a job type.
    ///   - redirect: variables that lead the body to connections of its own.
    ///   - timeout: how many seconds it may take; then all that it started is ended.
    ///   - box: what it is kept in; nil where the mapping says that it has no effects.
    ///   - place: where its effects go.
    func run(
        _ body: TaskBody,
        payload: JSON?,
        redirect: [String: String],
        timeout: Double,
        in box: SandboxedBody? = nil,
        effects place: EffectsComparison.Place = .init()
    ) async throws -> Ending {
        let call: (program: [String], input: String, variables: [String: String], directory: String?)
        var reports = false
        var preload: [String]?
        switch body {
        case .queue(let drain):
            return try await run(
                drain.runs,
                payload: payload,
                redirect: redirect,
                timeout: timeout,
                in: box,
                effects: place
            )
        case .command(let command):
            call = (command.arguments, (payload ?? command.input).text(), command.environment, command.directory)
        case .python(let python):
            let arguments = python.args.isNull ? JSON.array(payload.map { [$0] } ?? []) : python.args
            let environment =
                python.environment.flatMap { environments[$0] }
                ?? Environment(python: "python3", path: [], variables: [:])
            var variables = environment.variables
            if !environment.path.isEmpty { variables["PYTHONPATH"] = environment.path.joined(separator: ":") }
            let input = DAGRuntime.pythonCall(python.callable, args: arguments, kwargs: python.kwargs).text()
            call = ([environment.python, "-c", BodyReport.caller], input, variables, nil)
            reports = true
            preload = environment.preload
        case .sql, .http:
            let environment =
                body.environment.flatMap { environments[$0] }
                ?? Environment(python: "python3", path: [], variables: [:])
            do {
                let request = try DataRequest(
                    body,
                    connections: connections.merging(place.connections) { $1 },
                    seconds: timeout,
                    effects: place
                )
                call = ([environment.python, "-c", request.program], request.text, environment.variables, nil)
            } catch {
                return .refusal(RunError(type: "connection", message: error.description))
            }
            reports = true
        case .wait:
            return .refusal(RunError(type: "not-run", message: "another pipeline is waited for in Airflow alone"))
        case .copy:
            return .refusal(
                RunError(type: "not-run", message: "a copy writes to its target; it is never run in shadow")
            )
        case .celery:
            return .failure(
                RunError(
                    type: "not-run",
                    message: "a Celery body would be sent to the legacy workers; it is never run in shadow"
                )
            )
        case .own:
            return .refusal(RunError(type: "not-run", message: "a DAG that a person has written runs in Airflow alone"))
        case .untranslatable(let reason):
            return .failure(RunError(type: "untranslatable", message: reason))
        }
        var variables = inherited.merging(call.variables) { $1 }.merging(redirect) { $1 }
        variables["BAILEY_SHADOW"] = "1"
        if let box {
            return try await run(box, call.program, input: call.input, variables, call.directory, timeout, reports)
        }
        if let preload, let python = call.program.first {
            let kind = WarmInterpreter.Kind(
                python: python,
                variables: variables,
                directory: call.directory ?? directory,
                preload: preload
            )
            if let ending = try await fork(kind, input: call.input, timeout: timeout) { return ending }
        }
        return try await start(
            call.program,
            arguments: BodyGuard.arguments(call.program),
            input: call.input,
            variables: variables,
            directory: call.directory ?? directory,
            timeout: timeout,
            reports: reports
        )
    }

    /// Has a warm interpreter fork a child for it; nil if none of it ran.
    private func fork(_ kind: WarmInterpreter.Kind, input: String, timeout: Double) async throws -> Ending? {
        guard let interpreters else { return nil }
        return try await limited(timeout) {
            do {
                let ended = try await interpreters.run(kind, input: input, limit: BodyRunner.outputLimit)
                try Task.checkCancellation()
                return ended.map {
                    BodyRunner.ending(kind.python, reports: true, $0.status, output: $0.output, errors: $0.errors)
                }
            } catch WarmInterpreter.Failure.outputLimit {
                let words = "The process's output exceeded the limit of \(BodyRunner.outputLimit) bytes."
                return .failure(RunError(type: "exit", message: "\(kind.python) could not be run: \(words)"))
            }
        } late: {
            .failure($0)
        }
    }

    /// Starts a program under what Bailey's own is called with, and waits for it.
    func start(
        _ program: [String],
        arguments: [String],
        input: String,
        variables: [String: String],
        directory: String,
        timeout: Double,
        reports: Bool
    ) async throws -> Ending {
        guard let name = program.first else {
            return .failure(RunError(type: "exit", message: "the command has no program"))
        }
        var options = PlatformOptions()
        options.createSession = true
        // To the guard, which ends all that the body has started, politely or not, before it ends itself.
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        let environment = Dictionary(
            variables.map { (Subprocess.Environment.Key(stringLiteral: $0.key), $0.value) },
            uniquingKeysWith: { $1 }
        )
        let configuration = Configuration(
            executable: .path(FilePath(guardProgram)),
            arguments: Arguments(arguments),
            environment: .custom(environment),
            workingDirectory: FilePath(directory),
            platformOptions: options
        )
        return try await limited(timeout) {
            do {
                let result = try await Subprocess.run(
                    configuration,
                    input: .fileDescriptor(try namelessFile(holding: input), closeAfterSpawningProcess: true),
                    output: .string(limit: BodyRunner.outputLimit),
                    error: .string(limit: BodyRunner.outputLimit)
                )
                try Task.checkCancellation()
                return BodyRunner.ending(
                    name,
                    reports: reports,
                    result.terminationStatus,
                    output: result.standardOutput,
                    errors: result.standardError
                )
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                try Task.checkCancellation()
                return .failure(RunError(type: "exit", message: "\(name) could not be run: \(error)"))
            }
        } late: {
            .failure($0)
        }
    }

    /// Ends the work when the time is over.
    private func limited<Answer: Sendable>(
        _ timeout: Double,
        _ work: @escaping @Sendable () async throws -> Answer,
        late: (RunError) -> Answer
    ) async throws -> Answer {
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: .seconds(timeout))
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            if let first { return first }
            // The killed process is waited for before the attempt counts as ended.
            while let rest = await group.nextResult() { _ = rest }
            return late(
                RunError(
                    type: "timeout",
                    message: "it took longer than \(timeout) s and was ended with all it had started"
                )
            )
        }
    }
}
