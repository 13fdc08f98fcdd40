import CTexts
import LosslessJSON
import Migration
public import Processes

/// The code of a Celery application, loaded in its own interpreter as beat loads it: a child with a deadline. It sends nothing.
public struct ApplicationCode: Sendable {
    /// `package.module:attribute`.
    public let name: String
    private let python: PythonChild
    private let secrets: [String]
    private let seconds: Double

    /// The code of an application.
    ///
    /// - Parameters:
    ///   - python: its own interpreter.
    ///   - secrets: texts that must not be shown.
    ///   - seconds: how long its modules may take to load.
    public init(name: String, python: PythonChild, secrets: [String] = [], seconds: Double = 30) {
        self.name = name
        self.python = python
        self.secrets = secrets
        self.seconds = seconds
    }

    /// What the code says.
    struct Reading: Sendable {
        /// Every entry that beat would have, as `celery_probe.entries` writes it.
        var entries: [JSON]
        /// How the tasks of the entries repeat themselves.
        var tasks: JSON
        /// What a worker with this code would answer: `conf`, `own`, `queues`, `tasks`, `report`.
        var answers: JSON

        /// One of the answers, as if a worker had given it.
        func answer(_ question: String, by name: String) -> [CeleryWorkers.Answer] {
            answers[question].map { [CeleryWorkers.Answer(worker: name, settings: $0)] } ?? []
        }

        /// How the application is configured.
        func configuration(by name: String) -> CeleryConfiguration? {
            CeleryConfiguration(
                conf: answer("conf", by: name),
                own: answer("own", by: name),
                queues: answer("queues", by: name),
                tasks: answer("tasks", by: name),
                report: answer("report", by: name)
            )
        }
    }

    /// Loads it.
    ///
    /// - Throws: `UnusableSource` that says what the application did instead, or `CancellationError`.
    func read() async throws -> Reading {
        let options = JSON.array(CeleryConfiguration.taskOptions.keys.sorted().map { .string($0) })
        let request: JSON = ["app": .string(name), "options": options]
        let text: String
        do {
            text = try await python.answer(
                of: String(cString: carried_celery_probe_py()),
                to: request.text(),
                seconds: seconds
            )
        } catch let failure as PythonChild.Failure {
            throw unusable("\(failure)")
        }
        guard let reply = try? JSON(parsing: Array(text.utf8)) else {
            throw unusable("\(python.interpreter) ended before it had answered (os._exit, or a crash)")
        }
        if let failed = reply["failed"]?.string {
            let words = reply["words"]?.string ?? failed
            throw failed == "celery"
                ? UnusableSource("\(words); name the application's own interpreter under “environments” of bailey.yaml")
                : unusable(words)
        }
        return Reading(
            entries: reply["entries"]?.array ?? [],
            tasks: reply["tasks"] ?? [:],
            answers: reply["answers"] ?? [:]
        )
    }

    private func unusable(_ found: String) -> UnusableSource {
        let words = found.split(whereSeparator: \.isNewline).joined(separator: " ")
        return UnusableSource(
            "the Celery application “\(name)” cannot be read from its code: \(Credentials.hidden(in: words, secrets: secrets)). "
                + "Try “\(python.interpreter) -c 'import \(name.prefix { $0 != ":" })'” in the folder of bailey.yaml; what it needs stands under “environments” "
                + "(python, path, env)"
        )
    }
}
