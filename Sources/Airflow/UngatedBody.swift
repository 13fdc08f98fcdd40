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
            return failure(
                "jobs of type “\(drain.entry.name)” are taken by gated files only: their queue says which of them are Airflow's"
            )
        case .command(let command):
            return run(
                .list(command.arguments.map { .string($0) }),
                .none,
                [
                    ("environment", dictionary(command.environment)),
                    ("directory", command.directory.map { .string($0) } ?? .none),
                ]
            )
        case .python(let python):
            let arguments = JSON.object([
                "callable": .string(python.callable), "args": python.args.isNull ? [] : python.args,
                "kwargs": python.kwargs.isNull ? [:] : python.kwargs,
            ])
            let interpreter =
                environment(task.body).map { PythonExpression.string($0.python) } ?? .name("sys.executable")
            return run(
                .list([interpreter, .string("-c"), .name("_CALL_FUNCTION")]),
                parsed(arguments),
                [("environment", dictionary(variables(task.body)))]
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

    private func parsed(_ json: JSON) -> PythonExpression { .call("json.loads", [.string(json.text())], []) }

    private func failure(_ reason: String) -> String {
        "raise " + PythonExpression.call("RuntimeError", [.string(reason)], []).text(indent: 0)
    }
}
