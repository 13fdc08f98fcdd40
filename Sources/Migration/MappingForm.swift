import LosslessJSON

extension DAGDefinition {
    /// A digest of everything in the mapping that decides what runs in shadow and how it is compared. What was compared under another form
    /// says nothing of this one. How a task is placed in Airflow (pool, priority, group, owner) is no part of it.
    public var form: String {
        let parts = tasks.map { task -> JSON in
            var parts: JSONObject = [
                "id": .string(task.id), "entry": JSON(task.entry?.description), "body": task.body.form,
                "after": JSON(task.after), "rule": .string(task.triggerRule.rawValue),
                "when": task.conditions.json, "retries": JSON(task.retry.retries),
                "timeout": JSON(task.timeout),
                "shadow": .string(task.shadow.rawValue),
                "redirect": .object(JSONObject(task.redirect.map { ($0, .string($1)) })),
                "compare": task.compare.form,
            ]
            // What came later is left out where it says nothing, so that what was compared before it came still counts.
            if task.shadow == .sandbox { parts["sandbox"] = task.sandbox.form }
            if !task.effects.isEmpty { parts["effects"] = task.effects.form }
            if !task.inputs.isEmpty { parts["inputs"] = .array(task.inputs.map(\.json)) }
            if let items = task.items { parts["for_each"] = items.json }
            if !task.rows.isEmpty { parts["rows"] = task.rows.json }
            return .object(parts)
        }
        var whole: JSONObject = [
            "entries": JSON(entries.map(\.description)), "driver": JSON(clock.driver?.description),
            "tasks": .array(parts),
        ]
        if let workflow {
            whole["workflow"] = ["entry": .string(workflow.entry.description), "stages": JSON(workflow.stages)]
        }
        if let own { whole["own"] = .string(own.text) }
        let standards = parameters.filter { $0.standard != nil }.map { ($0.name, $0.standard ?? .null) }
        if !standards.isEmpty { whole["params"] = .object(JSONObject(standards)) }
        return StableDigest(JSON.object(whole).text(.canonical)).description
    }
}

extension TaskBody {
    fileprivate var form: JSON {
        switch self {
        case .celery(let call): ["celery": [.string(call.source), .string(call.task), call.args, call.kwargs]]
        case .python(let call): ["python": [.string(call.callable), JSON(call.environment), call.args, call.kwargs]]
        case .command(let command):
            .object(
                JSONObject(
                    [
                        ("command", JSON(command.arguments)), ("directory", JSON(command.directory)),
                        ("environment", .object(JSONObject(command.environment.map { ($0, .string($1)) }))),
                    ] + (command.input.isNull ? [] : [("input", command.input)])
                )
            )
        case .sql(let call):
            [
                "sql": .array(call.statements.map { JSON($0.parts) }), "connection": .string(call.connection),
                "params": call.parameters, "transaction": .bool(call.isTransaction),
            ]
        case .copy(let call):
            [
                "copy": JSON(call.query.parts), "from": .string(call.source), "to": .string(call.target),
                "table": JSON(call.table), "columns": JSON(call.columns), "column": JSON(call.column),
                "params": call.parameters, "window": call.window,
            ]
        case .http(let call):
            [
                "http": [.string(call.method), .string(call.url), JSON(call.connection)],
                "headers": .object(
                    JSONObject(call.headers.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
                ),
                "query": call.query, "json": call.body, "expect": .array(call.expected.map { JSON($0) }),
            ]
        case .wait(let wait): ["wait": .string(wait.pipeline), "task": JSON(wait.task)]
        case .queue(let drain): ["queue": .string(drain.entry.description), "runs": drain.runs.form]
        case .own: ["own": .bool(true)]
        case .untranslatable(let reason): ["untranslatable": .string(reason)]
        }
    }
}

extension CompareRules {
    var form: JSON {
        [
            "ignore": .array(ignore.map { [.string($0.name), .string($0.path)] }),
            "tolerance": .array(tolerances.map { [.string($0.path), JSON($0.relative), JSON($0.absolute)] }),
            "unordered": JSON(unordered), "pattern": .array(patterns.map { [.string($0.path), .string($0.pattern)] }),
            "slowest": JSON(slowestRatio),
        ]
    }
}
