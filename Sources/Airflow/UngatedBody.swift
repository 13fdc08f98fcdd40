import LosslessJSON
import Migration

/// Tasks of files without a gate: they carry along what they need and import nothing of Bailey's.
extension DAGWriter {
    func ungatedBody(_ task: TaskDefinition) -> String {
        // Of a task that runs once for each item the one before it looks at conditions.
        (task.items == nil ? required(task) : "") + given(task) + ungatedCall(task)
    }

    /// The line that skips a task whose conditions do not hold.
    private func required(_ task: TaskDefinition) -> String {
        guard !task.conditions.isEmpty else { return "" }
        return PythonExpression.call("_require", [.string(task.conditions.json.text())], []).text(indent: 0) + "\n"
    }

    /// The body of the function that lists the items for each of which a task runs.
    func ungatedItems(_ task: TaskDefinition, _ items: TaskItems) -> String {
        required(task) + "return " + PythonExpression.call("_items", [.string(items.json.text())], []).text(indent: 0)
    }

    /// The line that fills a body's input in.
    private func given(_ task: TaskDefinition) -> String {
        guard !task.inputs.isEmpty else { return "" }
        let call = PythonExpression.call(
            "_given",
            [.string(task.body.input.text()), .string(inputs(task).text())]
                + (task.items == nil ? [] : [.name("item")]),
            []
        )
        return "given = " + call.text(indent: 0) + "\n"
    }

    /// A part of a body's input as JSON text: what was filled in, or else as it stands.
    private func text(_ task: TaskDefinition, _ name: String, _ value: JSON) -> PythonExpression {
        task.inputs.isEmpty ? .string(value.text()) : .name("json.dumps(given[\"\(name)\"])")
    }

    private func ungatedCall(_ task: TaskDefinition) -> String {
        switch task.body {
        case .own: return failure("this task stands in a file that a person has written")
        case .untranslatable(let reason):
            return failure(reason)
        case .queue(let drain):
            return failure(reasonAgainst(drain))
        case .wait: return "pass"
        case .sql(let call):
            return data(
                task,
                "_SQL",
                [
                    ("statements", .list(call.statements.map { .list($0.parts.map { .string($0) }) })),
                    ("transaction", .bool(call.isTransaction)), ("read_only", .bool(false)),
                ],
                places: [("connection", call.connection)]
            )
        case .copy(let call):
            let copied: [(key: String, value: PythonExpression)] = [
                ("query", .list(call.query.parts.map { .string($0) })),
                ("table", .list(call.table.map { .string($0) })),
                ("columns", .list(call.columns.map { .string($0) })),
                ("column", call.column.map { .string($0) } ?? .none),
            ]
            return data(
                task,
                "_SQL",
                [("copy", .dictionary(copied))],
                places: [("from", call.source), ("to", call.target)]
            )
        case .http(let call):
            return data(
                task,
                "_HTTP",
                [
                    ("method", .string(call.method)), ("url", .string(call.url)), ("headers", dictionary(call.headers)),
                    ("expect", .list(call.expected.map { .integer($0) })),
                    ("retry_on", .list(call.repeated.map { .integer($0) })),
                ],
                places: call.connection.map { [("connection", $0)] } ?? []
            )
        case .command(let command):
            return run(
                .list(command.arguments.map { .string($0) }),
                text(task, "input", command.input),
                environment(of: command)
            )
        case .python(let python):
            var call = PythonExpression.string(
                DAGRuntime.pythonCall(python.callable, args: python.args, kwargs: python.kwargs).text()
            )
            if !task.inputs.isEmpty {
                let members: [(key: String, value: PythonExpression)] = [
                    ("callable", .string(python.callable)), ("args", text(task, "args", python.args)),
                    ("kwargs", text(task, "kwargs", python.kwargs)),
                ]
                call = .call("json.dumps", [.dictionary(members)], [])
            }
            return run(
                caller(task.body),
                call,
                [("environment", ungatedVariables(task.body))]
            )
        case .celery(let celery):
            let (broker, results) = suffixes(celery.source)
            let id = DAGFile.connectionID(celery.source)
            var request: [(key: String, value: PythonExpression)] = [
                ("task", .string(celery.task)), ("args", text(task, "args", celery.args)),
                ("kwargs", text(task, "kwargs", celery.kwargs)), ("options", .string(celery.options.text())),
                ("wait", .string(celery.sending.wait.rawValue)), ("unsure", .string(celery.sending.unsure.rawValue)),
                // A little less than Airflow, which would end the task without a word of why nothing came.
                ("seconds", .number(task.timeout.map { max($0 / 2, $0 - 15) } ?? 86_400)),
            ]
            var places: [(key: String, value: PythonExpression)] = [("marks", .string(id))]
            if let app = celery.sending.app {
                request.append(("app", .string(app)))
            } else {
                let known = celery.sending.configuration?.part(for: celery.task) ?? [:]
                request.append(("configuration", .call("json.loads", [.string(known.text())], [])))
                request.append(("beat", .call("json.loads", [.string((known["celery"] ?? [0, 0]).text())], [])))
                places.append(("broker", .string(id + broker)))
                if celery.sending.wait == .result { places.append(("results", .string(id + results))) }
            }
            let interpreter = environment(task.body).map { PythonExpression.string($0.python) }
            return "return "
                + PythonExpression.call(
                    "_celery_call",
                    [interpreter ?? .name("sys.executable"), .dictionary(request), .dictionary(places)],
                    [("environment", ungatedVariables(task.body))]
                ).text(indent: 0)
        }
    }

    /// A body that moves data: its request and its connections go to the program that the gated body runs too.
    private func data(
        _ task: TaskDefinition,
        _ program: String,
        _ request: [(key: String, value: PythonExpression)],
        places: [(key: String, value: String)]
    ) -> String {
        let interpreter = environment(task.body).map { PythonExpression.string($0.python) }
        let input: PythonExpression =
            task.inputs.isEmpty ? .call("json.loads", [.string(task.body.input.text())], []) : .name("given")
        return "return "
            + PythonExpression.call(
                "_move_data",
                [
                    .list([interpreter ?? .name("sys.executable"), .string("-c"), .name(program)]),
                    .dictionary(request + [("seconds", .number(task.timeout ?? 86_400))]), input,
                    .dictionary(places.map { ($0.key, .string($0.value)) }),
                ],
                [("environment", ungatedVariables(task.body))]
            ).text(indent: 0)
    }

    /// Airflow's own sensor; which run it looks for the runtime tells.
    func sensor(_ task: TaskDefinition, _ wait: PipelineWait) -> PythonExpression {
        let own: [(name: String, value: PythonExpression)] = [
            ("external_dag_id", .string(wait.pipeline)), ("external_task_id", wait.task.map { .string($0) } ?? .none),
            (
                "execution_date_fn",
                .call("last_tick", [.string(wait.schedule.text())], [("timezone", .string(wait.timezone))])
            ),
            (
                "failed_states",
                .list(["failed", "upstream_failed", "skipped"].prefix(wait.task == nil ? 1 : 3).map { .string($0) })
            ),
            ("mode", .string("reschedule")), ("timeout", .number(wait.within)), ("poke_interval", .number(wait.every)),
        ]
        return .call("ExternalTaskSensor", [], arguments(task) + own)
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
        let list = PythonExpression.call(
            "_due_jobs",
            [queue(drain), .string(drain.entry.name)],
            [("limit", .integer(drain.limit))]
        )
        return required(task) + "return " + list.text(indent: 0)
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
        case .celery, .queue, .own, .untranslatable, .sql, .copy, .http, .wait:
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

    private func failure(_ reason: String) -> String {
        "raise " + PythonExpression.call("RuntimeError", [.string(reason)], []).text(indent: 0)
    }
}
