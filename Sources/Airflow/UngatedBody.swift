import LosslessJSON
import Migration

/// Tasks of files without a gate: they carry along what they need and import nothing of Bailey's.
extension DAGWriter {
    func ungatedBody(_ task: TaskDefinition) -> String {
        guard let condition = task.condition else { return ungatedCall(task) }
        let required = PythonExpression.call("_require", [.string(condition.json.text())], [])
        return required.text(indent: 0) + "\n" + ungatedCall(task)
    }

    private func ungatedCall(_ task: TaskDefinition) -> String {
        switch task.body {
        case .untranslatable(let reason):
            return failure(reason)
        case .queue(let drain):
            return failure(reasonAgainst(drain))
        case .command(let command):
            return run(
                .list(command.arguments.map { .string($0) }),
                .string("null"),
                environment(of: command)
            )
        case .python(let python):
            return run(
                caller(task.body),
                .string(DAGRuntime.pythonCall(python.callable, args: python.args, kwargs: python.kwargs).text()),
                [("environment", ungatedVariables(task.body))]
            )
        case .celery(let celery):
            var named: [(name: String, value: PythonExpression)] = [
                ("connection_id", .string(DAGFile.connectionID(celery.source))), ("task", .string(celery.task)),
                ("args", parsed(celery.args)), ("kwargs", parsed(celery.kwargs)), ("options", parsed(celery.options)),
                ("run_key", .name("f\"{context['dag'].dag_id}/{context['run_id']}/{context['ti'].task_id}\"")),
                ("attempt", .name("context[\"ti\"].try_number")), ("timeout", .number(task.timeout ?? 86_400)),
            ]
            if hasOwnResults(celery.source) {
                named.append(("results_id", .string(DAGFile.connectionID(celery.source) + "_results")))
            }
            return "context = get_current_context()\nreturn "
                + PythonExpression.call("_celery_call", [], named).text(indent: 0)
        }
    }

    private func run(
        _ program: PythonExpression,
        _ payload: PythonExpression,
        _ named: [(name: String, value: PythonExpression)]
    ) -> String {
        "return " + PythonExpression.call("_run_program", [program, payload], named).text(indent: 0)
    }

    private func environment(of command: CommandLine) -> [(name: String, value: PythonExpression)] {
        [
            ("environment", dictionary(command.environment)),
            ("directory", command.directory.map { .string($0) } ?? .none),
        ]
    }

    /// The program that calls a Python function.
    private func caller(_ body: TaskBody) -> PythonExpression {
        let interpreter = environment(body).map { PythonExpression.string($0.python) } ?? .name("sys.executable")
        return .list([interpreter, .string("-c"), .name("_CALL_FUNCTION")])
    }

    // MARK: Jobs of a queue

    /// The body of the function that lists a queue's due jobs.
    func ungatedTake(_ task: TaskDefinition, _ drain: QueueDrain) -> String {
        let required = task.condition.map { condition in
            PythonExpression.call("_require", [.string(condition.json.text())], []).text(indent: 0) + "\n"
        }
        let list = PythonExpression.call(
            "_due_jobs",
            [queue(drain), .string(drain.entry.name)],
            [("limit", .integer(drain.limit))]
        )
        return (required ?? "") + "return " + list.text(indent: 0)
    }

    /// The body of the function that is mapped over a queue's jobs.
    func ungatedJob(_ drain: QueueDrain) -> String {
        let body: PythonExpression
        switch drain.runs {
        case .python(let python):
            let payload: PythonExpression
            if python.args.isNull {
                let kwargs = (python.kwargs.isNull ? [:] : python.kwargs).text()
                payload = .call("_call_of", [.string(python.callable), .name("payload"), .string(kwargs)], [])
            } else {
                let call = DAGRuntime.pythonCall(python.callable, args: python.args, kwargs: python.kwargs)
                payload = .string(call.text())
            }
            body = .call(
                "_run_program",
                [caller(drain.runs), payload],
                [("environment", ungatedVariables(drain.runs))]
            )
        case .command(let command):
            let words = PythonExpression.list(command.arguments.map { .string($0) })
            body = .call("_run_program", [words, .name("payload")], environment(of: command))
        case .celery, .queue, .untranslatable:
            return failure(reasonAgainst(drain))
        }
        return [
            "def body(payload):", indented("return " + body.text(indent: 0)), "",
            "return "
                + PythonExpression.call("_run_job", [queue(drain), .name("job"), .name("body")], []).text(indent: 0),
        ].joined(separator: "\n")
    }

    private func queue(_ drain: QueueDrain) -> PythonExpression {
        .name("_QUEUES[\(PythonExpression.literal(drain.entry.source))]")
    }

    /// The queues whose jobs the file takes, and how.
    var queues: PythonExpression {
        var taken: [String: QueueStatements] = [:]
        for task in dag.tasks where takes(task) {
            guard let name = task.body.drain?.entry.source else { continue }
            taken[name] = statements(name)
        }
        return .dictionary(
            taken.sorted { $0.key < $1.key }.map { name, sql in
                var parts = [
                    ("connection", DAGFile.connectionID(name)), ("due", sql.due), ("claim", sql.claim),
                    ("own", sql.own), ("success", sql.success),
                ]
                if let retry = sql.retry { parts.append(("retry", retry)) }
                parts.append(("failure", sql.failure))
                return (name, .dictionary(parts.map { ($0.0, .string($0.1)) }))
            }
        )
    }

    private func parsed(_ json: JSON) -> PythonExpression { .call("json.loads", [.string(json.text())], []) }

    private func failure(_ reason: String) -> String {
        "raise " + PythonExpression.call("RuntimeError", [.string(reason)], []).text(indent: 0)
    }
}
