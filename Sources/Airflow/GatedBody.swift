import LosslessJSON
import Migration

/// Tasks of gated files: calls of `bailey_runtime.dag`, which runs a body, or shadows it, and records the outcome.
extension DAGWriter {
    /// Arguments stay JSON text down to the body, so that every number and string arrives as it was.
    private func json(_ value: JSON) -> PythonExpression { .string(value.text()) }

    func celeryTask(_ task: TaskDefinition, _ call: CeleryCall) -> PythonExpression {
        var arguments = arguments(task)
        arguments += [("source", .string(call.source)), ("task", .string(call.task)), ("args", json(call.args))]
        arguments += [("kwargs", json(call.kwargs)), ("options", json(call.options))]
        if let entry = task.entry { arguments.append(("entry", .string(entry.description))) }
        if hasOwnResults(call.source) { arguments.append(("results", .string("_results"))) }
        return .call("CeleryTask", [], arguments)
    }

    func take(_ drain: QueueDrain) -> PythonExpression {
        .call(
            "take_jobs",
            [.string(drain.entry.source), .string(drain.entry.name)],
            [("limit", .integer(drain.limit))]
        )
    }

    func gatedBody(_ task: TaskDefinition) -> String {
        if case .queue(let drain) = task.body { return jobBody(task, drain) }
        var named: [(name: String, value: PythonExpression)] = []
        if let entry = task.entry { named.append(("entry", .string(entry.description))) }
        switch task.body {
        case .python(let python):
            return returned(
                "run_python",
                [.string(python.callable)],
                pythonArguments(python, task.body) + named + shadow(task)
            )
        case .command(let command):
            let words = PythonExpression.list(command.arguments.map { .string($0) })
            return returned("run_command", [words], commandArguments(command) + named + shadow(task))
        case .untranslatable(let reason):
            return PythonExpression.call("fail", [.string(reason)], named).text(indent: 0)
        case .celery, .queue:
            return "pass"
        }
    }

    private func jobBody(_ task: TaskDefinition, _ drain: QueueDrain) -> String {
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
        case .untranslatable(let reason):
            return PythonExpression.call("fail", [.string(reason)], []).text(indent: 0)
        case .celery, .queue:
            let reason =
                "a job of type “\(drain.entry.name)” cannot be handed to a Celery worker; give the task python or command"
            return PythonExpression.call("fail", [.string(reason)], []).text(indent: 0)
        }
    }

    private func returned(
        _ function: String,
        _ positional: [PythonExpression],
        _ named: [(name: String, value: PythonExpression)]
    ) -> String {
        "return " + PythonExpression.call(function, positional, named).text(indent: 0)
    }

    private func pythonArguments(_ python: PythonCall, _ body: TaskBody) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = []
        if !python.args.isNull { arguments.append(("args", json(python.args))) }
        if !python.kwargs.isNull { arguments.append(("kwargs", json(python.kwargs))) }
        if let environment = environment(body) { arguments.append(("interpreter", .string(environment.python))) }
        let variables = variables(body)
        if !variables.isEmpty { arguments.append(("environment", dictionary(variables))) }
        return arguments
    }

    private func commandArguments(_ command: CommandLine) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = []
        if !command.environment.isEmpty { arguments.append(("environment", dictionary(command.environment))) }
        if let directory = command.directory { arguments.append(("directory", .string(directory))) }
        return arguments
    }

    private func shadow(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = [("shadow", .string(task.shadow.rawValue))]
        if !task.redirect.isEmpty { arguments.append(("redirect", dictionary(task.redirect))) }
        return arguments
    }
}
