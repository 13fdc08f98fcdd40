import LosslessJSON
import Migration

/// Tasks of gated files: operators and functions of `bailey_runtime.dag`, which run a body, or shadow it, and record the outcome.
extension DAGWriter {
    /// Arguments stay JSON text down to the body, so that every number and string arrives as it was.
    private func json(_ value: JSON) -> PythonExpression { .string(value.text()) }

    /// The operator of a task that runs once in a DAG run.
    func gatedTask(_ task: TaskDefinition) -> PythonExpression {
        let (name, own) = operatorCall(task)
        var arguments = arguments(task) + own
        if let entry = task.entry { arguments.append(("entry", .string(entry.description))) }
        if !task.inputs.isEmpty { arguments.append(("inputs", json(inputs(task)))) }
        if task.items == nil { arguments += looking(task) }
        switch task.body {
        case .python, .command: arguments += shadow(task)
        case .wait: break
        case .sql, .copy, .http: arguments.append(("shadow", .string(mode(task))))
        case .celery, .queue, .own, .untranslatable: break
        }
        guard task.items != nil else { return .call(name, [], arguments) }
        let item = PythonExpression.name(names[task.id].items + ".output")
        return .call(
            PythonExpression.call(name + ".partial", [], arguments).text(indent: 0) + ".expand",
            [],
            [("item", item)]
        )
    }

    /// The operator that lists the items for each of which a task runs.
    func gatedItems(_ task: TaskDefinition, _ items: TaskItems) -> PythonExpression {
        .call("ItemsTask", [], entranceArguments(task) + [("items", json(items.json))] + looking(task))
    }

    /// What a task looks at before it does anything.
    private func looking(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
        let needs = needs(task)
        return (task.conditions.isEmpty ? [] : [("when", json(task.conditions.json))])
            + (needs.isEmpty ? [] : [("needs", .list(needs.map { .string($0) }))])
    }

    /// The name of a task's operator, and what it alone takes.
    private func operatorCall(_ task: TaskDefinition) -> (String, [(name: String, value: PythonExpression)]) {
        switch task.body {
        case .celery(let call):
            var own: [(name: String, value: PythonExpression)] = [
                ("source", .string(call.source)), ("task", .string(call.task)), ("args", json(call.args)),
                ("kwargs", json(call.kwargs)), ("options", json(call.options)),
            ]
            own += sending(call)
            return ("CeleryTask", own)
        case .python(let python):
            return ("PythonTask", [("callable", .string(python.callable))] + pythonArguments(python, task.body))
        case .command(let command):
            let words = PythonExpression.list(command.arguments.map { .string($0) })
            return ("CommandTask", [("command", words)] + commandArguments(command))
        case .sql(let call):
            var own: [(name: String, value: PythonExpression)] = [
                ("connection", .string(call.connection)), ("statements", .list(call.statements.map(parts))),
            ]
            if call.parameters != [:] { own.append(("parameters", json(call.parameters))) }
            if !call.isTransaction { own.append(("transaction", .bool(false))) }
            return ("SQLTask", own + interpreter(task.body))
        case .copy(let call):
            var own: [(name: String, value: PythonExpression)] = [
                ("source", .string(call.source)), ("query", parts(call.query)), ("target", .string(call.target)),
                ("table", .list(call.table.map { .string($0) })),
            ]
            if call.parameters != [:] { own.append(("parameters", json(call.parameters))) }
            if !call.columns.isEmpty { own.append(("columns", .list(call.columns.map { .string($0) }))) }
            if let column = call.column { own += [("column", .string(column)), ("window", json(call.window))] }
            return ("CopyTask", own + interpreter(task.body))
        case .http(let call):
            var own: [(name: String, value: PythonExpression)] = [
                ("method", .string(call.method)), ("url", .string(call.url)),
            ]
            if let connection = call.connection { own.append(("connection", .string(connection))) }
            if !call.headers.isEmpty { own.append(("headers", dictionary(call.headers))) }
            if call.query != [:] { own.append(("query", json(call.query))) }
            if !call.body.isNull || task.inputs.contains(where: { $0.place.first == .key("json") }) {
                own.append(("json", json(call.body)))
            }
            if !call.expected.isEmpty { own.append(("expect", .list(call.expected.map { .integer($0) }))) }
            if call.repeated != HTTPCall(url: "").repeated {
                own.append(("retry_on", .list(call.repeated.map { .integer($0) })))
            }
            return ("HTTPTask", own)
        case .wait(let wait): return ("WaitTask", awaited(wait))
        case .own: return ("FailingTask", [("reason", .string("this task stands in a file that a person has written"))])
        case .untranslatable(let reason):
            return ("FailingTask", [("reason", .string(reason))])
        case .queue(let drain):
            return ("FailingTask", [("reason", .string(reasonAgainst(drain)))])
        }
    }

    /// Why nothing can run a queue's jobs.
    func reasonAgainst(_ drain: QueueDrain) -> String {
        if case .untranslatable(let reason) = drain.runs { return reason }
        if drain.runs.runsProgram {
            return
                "the profile of the queue “\(drain.entry.source)” does not say how jobs are held, so no DAG can take them"
        }
        if drain.runs.runsProgram {
            return
                "jobs of type “\(drain.entry.name)” cannot be taken: the profile of queue \(drain.entry.source) does not say how its rows are held"
        }
        return
            "a job of type “\(drain.entry.name)” cannot be handed to a Celery worker; give the task python or command"
    }

    func take(_ drain: QueueDrain, _ task: TaskDefinition) -> PythonExpression {
        .call(
            "take_jobs",
            [.string(drain.entry.source), .string(drain.entry.name)],
            [("limit", .integer(drain.limit))] + (task.conditions.isEmpty ? [] : [("when", json(task.conditions.json))])
        )
    }

    /// The body of the function that is mapped over a queue's jobs.
    func jobBody(_ task: TaskDefinition, _ drain: QueueDrain) -> String {
        let job: [PythonExpression] = [.string(drain.entry.source), .string(drain.entry.name), .name("job")]
        switch drain.runs {
        case .python(let python):
            return returned(
                "run_job_python",
                job + [.string(python.callable)],
                pythonArguments(python, drain.runs) + shadow(task)
            )
        case .command(let command):
            let words = PythonExpression.list(command.arguments.map { .string($0) })
            return returned("run_job_command", job + [words], commandArguments(command) + shadow(task))
        case .untranslatable, .celery, .queue, .own, .sql, .copy, .http, .wait:
            return "pass"
        }
    }

    private func returned(
        _ function: String,
        _ positional: [PythonExpression],
        _ named: [(name: String, value: PythonExpression)]
    ) -> String {
        "return " + PythonExpression.call(function, positional, named).text(indent: 0)
    }

    private func awaited(_ wait: PipelineWait) -> [(name: String, value: PythonExpression)] {
        var own: [(name: String, value: PythonExpression)] = [("dag_id", .string(wait.pipeline))]
        if let task = wait.task { own.append(("awaited", .string(task))) }
        own += [
            ("schedule", json(wait.schedule)), ("timezone", .string(wait.timezone)), ("timeout", .number(wait.within)),
            ("poke_interval", .number(wait.every)),
        ]
        return own
    }

    /// A statement: texts and names of parameters by turns.
    private func parts(_ statement: SQLStatement) -> PythonExpression { .list(statement.parts.map { .string($0) }) }

    private func interpreter(_ body: TaskBody) -> [(name: String, value: PythonExpression)] {
        guard let environment = environment(body) else { return [] }
        return [("interpreter", .string(environment.python))] + gatedVariables(body)
    }

    private func pythonArguments(_ python: PythonCall, _ body: TaskBody) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = []
        if !python.args.isNull { arguments.append(("args", json(python.args))) }
        if !python.kwargs.isNull { arguments.append(("kwargs", json(python.kwargs))) }
        if let environment = environment(body) { arguments.append(("interpreter", .string(environment.python))) }
        return arguments + gatedVariables(body)
    }

    private func commandArguments(_ command: CommandLine) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = []
        if !command.environment.isEmpty { arguments.append(("environment", dictionary(command.environment))) }
        if let directory = command.directory { arguments.append(("directory", .string(directory))) }
        if !command.input.isNull { arguments.append(("input", json(command.input))) }
        return arguments
    }

    /// What a worker of Airflow may do with a body in shadow: it has no sandbox and no copies of databases, and runs
    /// without them only what the mapping calls harmless.
    private func mode(_ task: TaskDefinition) -> String {
        (task.shadow == .sandbox || !task.rows.isEmpty ? ShadowMode.observe : task.shadow).rawValue
    }

    private func shadow(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = [("shadow", .string(mode(task)))]
        if !task.redirect.isEmpty { arguments.append(("redirect", dictionary(task.redirect))) }
        return arguments
    }
}
