import LosslessJSON

extension DAGDefinition {
    /// A digest of everything in the mapping that decides what runs in shadow and how it is compared. What was compared under another form
    /// says nothing of this one. How a task is placed in Airflow (pool, priority, group, owner) is no part of it.
    public var form: String {
        let parts = tasks.map { task -> JSON in
            [
                "id": .string(task.id), "entry": JSON(task.entry?.description), "body": task.body.form,
                "after": JSON(task.after), "rule": .string(task.triggerRule.rawValue),
                "when": task.condition?.json ?? .null, "retries": JSON(task.retry.retries),
                "timeout": JSON(task.timeout),
                "shadow": .string(task.shadow.rawValue),
                "redirect": .object(JSONObject(task.redirect.map { ($0, .string($1)) })),
                "compare": task.compare.form,
            ]
        }
        let whole: JSON = [
            "entries": JSON(entries.map(\.description)), "driver": JSON(clock.driver?.description),
            "tasks": .array(parts),
        ]
        return StableDigest(whole.text(.canonical)).description
    }
}

extension TaskBody {
    fileprivate var form: JSON {
        switch self {
        case .celery(let call): ["celery": [.string(call.source), .string(call.task), call.args, call.kwargs]]
        case .python(let call): ["python": [.string(call.callable), JSON(call.environment), call.args, call.kwargs]]
        case .command(let command):
            [
                "command": JSON(command.arguments), "directory": JSON(command.directory),
                "environment": .object(JSONObject(command.environment.map { ($0, .string($1)) })),
            ]
        case .queue(let drain): ["queue": .string(drain.entry.description), "runs": drain.runs.form]
        case .untranslatable(let reason): ["untranslatable": .string(reason)]
        }
    }
}

extension CompareRules {
    fileprivate var form: JSON {
        [
            "ignore": .array(ignore.map { [.string($0.name), .string($0.path)] }),
            "tolerance": .array(tolerances.map { [.string($0.path), JSON($0.relative), JSON($0.absolute)] }),
            "unordered": JSON(unordered), "pattern": .array(patterns.map { [.string($0.path), .string($0.pattern)] }),
            "slowest": JSON(slowestRatio),
        ]
    }
}
