public import LosslessJSON
import Schedules

extension Plan {
    /// The document that `bailey plan --json` prints; see docs/json.md.
    public var document: JSONDocument {
        JSONDocument([
            ("bailey", .value("plan")), ("version", .value(1)),
            ("inventory_read_at", .value(.string(inventoryReadAt.iso8601))), ("holds", .value(.bool(holds))),
            ("entries", .list(judgements.lazy.map(\.json))), ("pipelines", .list(pipelines.lazy.map(\.json))),
            ("findings", .list(findings.lazy.map(\.json))),
            (
                "pools",
                .list(
                    pools.map {
                        [
                            "name": .string($0.name), "slots": .number(JSONNumber($0.slots)),
                            "description": JSON($0.summary),
                            "location": .string($0.location.description),
                        ]
                    }
                )
            ),
            (
                "set_aside",
                .list(
                    setAside.map {
                        [
                            "entry": .string($0.entry.description), "reason": .string($0.reason),
                            "location": .string($0.location.description),
                        ]
                    }
                )
            ),
        ])
    }
}

extension EntryJudgement {
    var json: JSON {
        [
            "id": .string(entry.description), "verdict": .string(verdict.rawValue), "reason": JSON(reason),
            "pipeline": JSON(pipeline),
            "schedule": JSON(scheduleWords), "next_ticks": .array(nextTicks.map { .string($0.iso8601) }),
            "runs_per_day": JSON(runsPerDay),
        ]
    }
}

extension PlannedPipeline {
    var json: JSON {
        [
            "id": .string(dag.id), "name": .string(dag.name), "entries": JSON(dag.entries.map(\.description)),
            "workflow": dag.workflow.map {
                ["entry": .string($0.entry.description), "stages": JSON($0.stages)]
            } ?? .null, "driver": JSON(dag.clock.driver?.description), "schedule": .string(scheduleWords),
            "timezone": .string(dag.clock.timezone),
            "timetable": JSON(dag.clock.timetable?.shortText), "assets": JSON(dag.clock.assets),
            "jobs_every_seconds": JSON(dag.clock.jobsEvery),
            "next_ticks": .array(nextTicks.map { .string($0.iso8601) }),
            "missed_ticks": .string(dag.missedTicks.rawValue), "sla_seconds": JSON(dag.sla),
            "sequential_seconds": JSON(projection.sequential),
            "unlimited_seconds": JSON(projection.unlimited),
            "projected_seconds": JSON(projection.projected),
            "held_back_by": JSON(projection.narrowest?.name),
            "pools": .array(projection.pools.map(\.json)),
            "waits": .array(
                waits.map {
                    [
                        "entry": .string($0.entry.description), "arrivals": JSON($0.arrivals),
                        "p50_seconds": JSON($0.median),
                        "p95_seconds": JSON($0.p95), "most_seconds": JSON($0.most),
                        "today_p50_seconds": JSON($0.todayMedian), "today_p95_seconds": JSON($0.todayP95),
                    ]
                }
            ),
            "params": .array(
                dag.parameters.map { parameter in
                    [
                        "name": .string(parameter.name), "type": .string(parameter.kind.rawValue),
                        "default": parameter.standard ?? .null, "required": .bool(parameter.standard == nil),
                        "choices": .array(parameter.choices),
                    ]
                }
            ),
            "tasks": .array(
                dag.tasks.map { task in
                    [
                        "id": .string(task.id), "entry": JSON(task.entry?.description), "runs": .string(task.body.kind),
                        "after": JSON(task.after), "trigger_rule": .string(task.triggerRule.rawValue),
                        "when": task.conditions.json, "shadow": .string(task.shadow.rawValue),
                        "pool": JSON(task.pool), "seconds": JSON(projection.lengths[task.id]?.seconds),
                        "known_by": JSON(projection.lengths[task.id]?.origin.rawValue),
                        "inputs": .array(task.inputs.map(\.json)), "pool_slots": JSON(task.poolSlots),
                        "depends_on_past": .bool(task.dependsOnPast), "sla_seconds": JSON(task.sla),
                        "for_each": task.items?.json ?? .null,
                    ]
                }
            ),
        ]
    }
}

extension RunProjection.PoolLoad {
    var json: JSON {
        [
            "name": .string(name), "slots": slots.map { .number(JSONNumber($0)) } ?? .null,
            "tasks": .array(tasks.map { .number(JSONNumber($0)) }),
            "enough": enough.map { .number(JSONNumber($0)) } ?? .null, "seconds": JSON(seconds),
            "seconds_if_enough": JSON(secondsIfEnough), "run_seconds_if_enough": JSON(runIfEnough),
            "holds_back": .bool(holdsBack),
        ]
    }
}

extension Finding {
    /// The finding in documents of Bailey's.
    public var json: JSON {
        [
            "code": .string(code.id), "name": .string(code.name), "severity": .string(severity.rawValue),
            "entry": JSON(entry?.description),
            "pipeline": JSON(pipeline), "place": JSON(location?.description), "text": .string(text),
        ]
    }
}

extension TaskBody {
    /// How the task runs: `celery`, `python`, `command`, `sql`, `copy`, `http`, `wait`, `queue`, `own` or `untranslatable`.
    public var kind: String {
        switch self {
        case .celery: "celery"
        case .python: "python"
        case .command: "command"
        case .sql: "sql"
        case .copy: "copy"
        case .http: "http"
        case .wait: "wait"
        case .queue: "queue"
        case .own: "own"
        case .untranslatable: "untranslatable"
        }
    }
}
