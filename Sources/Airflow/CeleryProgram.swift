public import LosslessJSON
import Processes

/// The program that makes and sends messages as a DAG's tasks do, run by Bailey itself to prove them: in the application's own
/// interpreter, or in one that has Celery.
public struct CeleryProgram: Sendable {
    /// Why it gave no answer, with what to do about it.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// What to do, in words.
        public let description: String
    }

    private let child: PythonChild

    /// The program in an interpreter.
    ///
    /// - Parameters:
    ///   - path: folders put in front of the module path.
    ///   - variables: what the interpreter gets beside the plain variables of this process.
    ///   - folder: the working directory.
    public init(interpreter: String, path: [String], variables: [String: String], folder: String) {
        child = PythonChild(
            interpreter: interpreter,
            path: path,
            variables: variables,
            folder: folder,
            guardProgram: BodyGuard.program
        )
    }

    /// Whether the interpreter has Celery.
    ///
    /// - Throws: `Failure` if it cannot be run; `CancellationError`.
    public func hasCelery() async throws -> Bool {
        do {
            _ = try await child.answer(of: "import celery, kombu", to: "", seconds: 60)
            return true
        } catch let failure as PythonChild.Failure where failure.cause == .status {
            return false
        } catch let failure as PythonChild.Failure {
            throw Failure(description: failure.description)
        }
    }

    /// Its answer to a request, which holds secrets and goes by standard input.
    ///
    /// - Throws: `Failure` if there is none, or the answer says why it could not be done; `CancellationError`.
    public func answer(_ request: JSON, seconds: Double) async throws -> JSON {
        let output: String
        do {
            output = try await child.answer(of: CeleryText.proving, to: request.text(), seconds: seconds)
        } catch let failure as PythonChild.Failure {
            let lacksCelery =
                failure.description.contains("No module named 'celery'")
                || failure.description.contains("No module named 'kombu'")
            throw Failure(
                description: failure.description
                    + (lacksCelery
                        ? ": it has no Celery; name an environment that has it: under “environments”, and as the source's “celery: {environment: …}”"
                        : "")
            )
        }
        guard let line = output.split(separator: "\n").last, let reply = try? JSON(parsing: Array(line.utf8))
        else { throw Failure(description: "\(child.interpreter) printed no answer") }
        if reply["failed"] != nil {
            throw Failure(description: reply["words"]?.string ?? reply.text())
        }
        return reply
    }
}
