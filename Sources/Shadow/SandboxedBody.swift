import Foundation
import LosslessJSON
import Migration
import Processes

/// What one attempt of a body is kept in.
struct SandboxedBody: Sendable {
    /// The type of the error that says that a body was not run, because it could not be kept.
    static let refusal = "sandbox"

    /// That it cannot be kept.
    struct Refused: Error {
        let error: RunError
    }

    let sandbox: Sandbox
    let choice: SandboxLadder.Choice
    let rules: SandboxRules
    /// Where its calls over HTTP end; nil where the mapping does not ask for them.
    let recorder: HTTPRecorder?
}

extension BodyRunner {
    /// Makes what an attempt of a task is kept in.
    ///
    /// - Throws: `SandboxedBody.Refused`.
    func box(_ task: TaskDefinition) async throws(SandboxedBody.Refused) -> SandboxedBody {
        do {
            let choice = try await ladder.choice()
            let sandbox = try Sandbox(choice.rung, in: FileManager.default.temporaryDirectory.path)
            var recorder: HTTPRecorder?
            if let answers = task.effects.http { recorder = try await HTTPRecorder(answers) }
            return SandboxedBody(sandbox: sandbox, choice: choice, rules: task.sandbox, recorder: recorder)
        } catch let refusal as SandboxLadder.Refusal {
            throw SandboxedBody.Refused(error: refused("no sandbox on this machine: \(refusal). The body was not run"))
        } catch {
            throw SandboxedBody.Refused(error: refused("the sandbox cannot be made: \(error). The body was not run"))
        }
    }

    /// Runs a program in it.
    ///
    /// - Parameter reports: whether the program tells its ending as data.
    func run(
        _ box: SandboxedBody,
        _ program: [String],
        input: String,
        _ variables: [String: String],
        _ directory: String?,
        _ timeout: Double,
        _ reports: Bool
    ) async throws -> Ending {
        var (program, variables) = (program, variables)
        // Relative to where it starts without a sandbox.
        if let name = program.first, name.contains("/"), !name.hasPrefix("/") {
            program[0] = (directory ?? self.directory) + "/" + name
        }
        if reports {
            // Modules beside the mapping are found as without a sandbox, where the interpreter starts among them.
            variables["PYTHONPATH"] = [variables["PYTHONPATH"], self.directory].compactMap { $0 }.joined(separator: ":")
            variables["PYTHONDONTWRITEBYTECODE"] = "1"
        }
        for (name, value) in variables { variables[name] = value.replacing("{scratch}", with: box.sandbox.scratch) }
        variables["HOME"] = box.sandbox.home
        variables["TMPDIR"] = box.sandbox.temporary
        variables["BAILEY_SCRATCH"] = box.sandbox.scratch
        if let recorder = box.recorder {
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
                variables[name] = "http://127.0.0.1:\(recorder.port)"
            }
            let direct = box.rules.network.map(\.host).joined(separator: ",")
            for name in ["no_proxy", "NO_PROXY"] { variables[name] = direct }
        }
        let network: Network
        do {
            network = try Network(box.rules.network, box.recorder)
        } catch {
            return .refusal(refused("\(error). The body was not run"))
        }
        let arguments = try box.sandbox.arguments(
            program,
            limits: Sandbox.Limits(
                memory: box.rules.memory,
                cpu: box.rules.cpu,
                processes: box.rules.processes,
                disk: box.rules.disk
            ),
            places: network.places,
            names: network.names,
            directory: directory
        )
        let ending = try await start(
            program,
            arguments: arguments,
            input: input,
            variables: variables,
            directory: self.directory,
            timeout: timeout,
            reports: reports
        )
        let report = box.sandbox.report()
        if let (limit, found) = report.passed {
            return .failure(RunError(type: "sandbox-limit", message: told(limit, found, box.rules)))
        }
        if !report.started, case .failure(let error) = ending, error.type != "timeout" {
            return .refusal(refused("\(box.choice.rung): \(error.message). The body was not run"))
        }
        return ending
    }

    private func refused(_ message: String) -> RunError { RunError(type: SandboxedBody.refusal, message: message) }

    private func told(_ limit: String, _ found: Int, _ rules: SandboxRules) -> String {
        let end = "and was ended with all it had started; see “sandbox: {\(limit): …}” of the task"
        switch limit {
        case "cpu":
            return
                "it took more than the \(Int(rules.cpu)) s of processor time that its sandbox allows (\(found) s) \(end)"
        case "memory":
            return
                "it took more than the \(rules.memory) bytes of memory that its sandbox allows (\(found)) \(end)"
        default:
            return
                "it wrote more than the \(rules.disk) bytes, or the 20000 files, that its sandbox allows (\(found) bytes) \(end)"
        }
    }
}

/// The places that a body may connect to, as its sandbox reads them.
private struct Network {
    /// A name that has no address.
    struct Unknown: Error, CustomStringConvertible {
        let description: String
    }

    var places: [String] = []
    /// What it reads in place of the machine's hosts; nil where it may connect to nothing.
    var names: String?

    init(_ wanted: [SandboxRules.Place], _ recorder: HTTPRecorder?) throws(Unknown) {
        guard !wanted.isEmpty || recorder != nil else { return }
        var lines = ["127.0.0.1 localhost", "::1 localhost"]
        if let recorder {
            places.append("127.0.0.1:\(recorder.port)")
            for host in recorder.hosts {
                places.append(host.place)
                if !lines.contains("\(host.address) \(host.name)") { lines.append("\(host.address) \(host.name)") }
            }
        }
        for place in wanted {
            let addresses = HostNames.addresses(of: place.host)
            if addresses.isEmpty {
                throw Unknown(
                    description: "“network” of its sandbox names \(place), and \(place.host) has no address here"
                )
            }
            for address in addresses {
                places.append("\(address.contains(":") ? "[\(address)]" : address):\(place.port)")
                let line = "\(address) \(place.host)"
                if address != place.host, place.host != "localhost", !lines.contains(line) { lines.append(line) }
            }
        }
        names = lines.joined(separator: "\n") + "\n"
        if places.count > 60 {
            throw Unknown(
                description: "“network” of its sandbox names \(places.count) addresses; at most 60 can be held"
            )
        }
    }
}
