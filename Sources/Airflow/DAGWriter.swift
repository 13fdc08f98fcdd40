import LosslessJSON
import Migration
import Schedules

/// Turns a DAG definition into Python.
struct DAGWriter {
    let dag: DAGDefinition
    let words: String
    let target: DAGFile.Target
    let gated: Bool
    let environments: [String: (python: String, path: [String], variables: [String: String])]

    // MARK: What the file needs

    private var usesCelery: Bool { dag.tasks.contains { if case .celery = $0.body { true } else { false } } }
    private var usesProgram: Bool {
        dag.tasks.contains { task in
            switch task.body {
            case .python, .command: true
            default: false
            }
        }
    }
    private var usesDuration: Bool {
        if case .delta? = timetable { return true }
        return dag.tasks.contains { $0.timeout != nil || $0.retry.retries > 0 }
    }
    private var usesOwnTimetable: Bool { if case .exact? = timetable { true } else { false } }

    /// 2.11 has no timetable of several crons.
    private var timetable: AirflowTimetable? {
        if target == .airflow211, case .multipleCron(_, let zone)? = dag.clock.timetable,
            let schedule = dag.clock.schedule
        {
            return .exact(schedule, zone: zone)
        }
        return dag.clock.timetable
    }

    var requirements: Set<String> {
        var found: Set<String> = []
        if usesCelery { found.insert("redis") }
        if usesOwnTimetable { found.insert("bailey-runtime") }
        return found
    }

    var connections: [String: String] {
        var found: [String: String] = [:]
        for task in dag.tasks {
            if case .celery(let call) = task.body {
                found[DAGFile.connectionID(call.source)] =
                    "the Redis that source “\(call.source)” uses as broker and result backend"
            }
        }
        return found
    }

    // MARK: The file

    var text: String {
        var parts = [imports, documentation]
        if usesProgram { parts.append(DAGRuntime.program) }
        if dag.tasks.contains(where: { if case .python = $0.body { true } else { false } }) {
            parts.append("_CALL_FUNCTION = " + PythonExpression.literal(DAGRuntime.pythonRunner))
        }
        if usesCelery { parts.append(DAGRuntime.celery) }
        parts.append(body)
        return parts[0] + "\n\n" + parts.dropFirst().joined(separator: "\n\n\n") + "\n"
    }

    private var documentation: String {
        var lines = [
            dag.name, "", dag.summary.isEmpty ? "Made of legacy entries by Bailey." : dag.summary, "", "Due \(words).",
        ]
        if let sla = dag.sla { lines.append("To be done within \(number(sla)) s of its tick.") }
        lines += ["Missed ticks: \(dag.missedTicks.rawValue).", ""]
        lines += dag.entries.map { "* legacy entry `\($0)`" }
        return "DOCUMENTATION = " + PythonExpression.literal(lines.joined(separator: "\n") + "\n")
    }

    private var imports: String {
        var modules: Set<String> = []
        if usesCelery || usesDuration { modules.insert("datetime") }
        if usesProgram { modules.formUnion(["json", "os", "signal", "subprocess"]) }
        if usesCelery { modules.formUnion(["base64", "json", "time", "uuid"]) }
        if dag.tasks.contains(where: { $0.body.kind != "untranslatable" && $0.body.kind != "queue" }) {
            modules.insert("json")
        }
        var own: [String] = []
        var names = ["DAG", "task"]
        if usesCelery { names += ["get_current_context"] }
        if dag.tasks.contains(where: { $0.group != nil }) { names.append("TaskGroup") }
        switch timetable {
        case .cron?: names.append("CronTriggerTimetable")
        case .multipleCron?: names.append("MultipleCronTriggerTimetable")
        case .delta?: names.append("DeltaTriggerTimetable")
        case .exact?: own.append("from bailey_runtime.timetable import BaileyTimetable")
        case nil: break
        }
        var lines = ["import pendulum"]
        switch target {
        case .airflow3:
            if usesCelery { names.append("BaseHook") }
            if needsExceptions {
                lines.append("from airflow.sdk.exceptions import AirflowException")
            }
            lines.append(
                "from airflow.sdk import " + names.sorted { $0.lowercased() < $1.lowercased() }.joined(separator: ", ")
            )
        case .airflow211:
            let timetables = names.filter { $0.hasSuffix("Timetable") }
            lines.append("from airflow.decorators import task")
            if needsExceptions {
                lines.append("from airflow.exceptions import AirflowException")
            }
            if usesCelery { lines.append("from airflow.hooks.base import BaseHook") }
            lines.append("from airflow.models.dag import DAG")
            if usesCelery { lines.append("from airflow.operators.python import get_current_context") }
            if !timetables.isEmpty {
                lines.append("from airflow.timetables.trigger import " + timetables.joined(separator: ", "))
            }
            if names.contains("TaskGroup") { lines.append("from airflow.utils.task_group import TaskGroup") }
        }
        return modules.sorted().map { "import \($0)\n" }.joined() + (modules.isEmpty ? "" : "\n")
            + (lines + own).joined(separator: "\n")
    }

    private var needsExceptions: Bool { !dag.tasks.isEmpty }

    private var body: String {
        var lines = ["with " + dagCall.text(indent: 0) + ":"]
        if gated { lines += ["", indented(gate)] }
        let groups = dag.tasks.compactMap(\.group).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        for group in groups {
            if lines.count > 1 { lines.append("") }
            lines.append("    with TaskGroup(\(PythonExpression.literal(group)), prefix_group_id=False):")
            lines.append("")
            lines.append(
                dag.tasks.filter { $0.group == group }.map { indented(indented(function($0))) }.joined(
                    separator: "\n\n"
                )
            )
        }
        let single = dag.tasks.filter { $0.group == nil }
        for task in single { lines += ["", indented(function(task))] }
        lines.append("")
        if gated { lines.append("    gate_task = gate()") }
        for task in dag.tasks { lines.append("    \(variable(task.id)) = \(functionName(task.id))()") }
        for task in dag.tasks {
            // A task that waits for nothing must wait for the gate all the same.
            let waits = task.after.isEmpty || (gated && task.triggerRule == .always) ? [] : task.after.map(variable)
            let before = waits.isEmpty && gated ? ["gate_task"] : waits
            if before.count == 1 { lines.append("    \(before[0]) >> \(variable(task.id))") }
            if before.count > 1 { lines.append("    [\(before.joined(separator: ", "))] >> \(variable(task.id))") }
        }
        return lines.joined(separator: "\n")
    }

    private var dagCall: PythonExpression {
        let zone = dag.clock.timezone
        var arguments: [(name: String, value: PythonExpression)] = [
            ("dag_id", .string(dag.id)), ("description", .string(String(summaryLine.prefix(200)))),
            ("doc_md", .name("DOCUMENTATION")),
            ("schedule", schedule),
            (
                "start_date",
                .call("pendulum.datetime", [.integer(2024), .integer(1), .integer(1)], [("tz", .string(zone))])
            ),
            ("catchup", .bool(false)), ("max_active_runs", .integer(dag.maxActiveRuns)),
            ("is_paused_upon_creation", .bool(true)),
            ("default_args", .dictionary([("owner", .string(dag.owner))])),
            ("tags", .list(dag.tags.map { .string($0) })),
        ]
        if dag.tasks.isEmpty { arguments.removeLast() }
        return .call("DAG", [], arguments)
    }

    private var summaryLine: String {
        dag.summary.split(separator: "\n").first.map(String.init) ?? "Made of legacy entries by Bailey."
    }

    private var schedule: PythonExpression {
        switch timetable {
        case .cron(let cron, let zone)?:
            return .call("CronTriggerTimetable", [.string(cron.text)], [("timezone", .string(zone.name))])
        case .multipleCron(let crons, let zone)?:
            return .call(
                "MultipleCronTriggerTimetable",
                crons.map { .string($0.text) },
                [("timezone", .string(zone.name))]
            )
        case .delta(let microseconds)?:
            let delta = PythonExpression.call(
                "datetime.timedelta",
                [],
                microseconds % 1_000_000 == 0
                    ? [("seconds", .integer(Int(microseconds / 1_000_000)))]
                    : [("microseconds", .integer(Int(microseconds)))]
            )
            return .call("DeltaTriggerTimetable", [delta], [])
        case .exact(let schedule, let zone)?:
            return .call(
                "BaileyTimetable",
                [.string(schedule.redbeatJSON?.text() ?? "null")],
                [("timezone", .string(zone.name))]
            )
        case nil: return .none
        }
    }

    // MARK: Tasks

    private var gate: String {
        """
        @task.short_circuit
        def gate():
            \"""Keep every tick with the legacy system: this file has no switch to ask, and no answer never means go.

            All other tasks are skipped, whatever their trigger rules say.
            \"""
            return False
        """
    }

    private func function(_ task: TaskDefinition) -> String {
        var arguments: [(name: String, value: PythonExpression)] = [("task_id", .string(task.id))]
        func add(_ name: String, _ value: PythonExpression) { arguments.append((name, value)) }
        if task.retry.retries > 0 {
            add("retries", .integer(task.retry.retries))
            add("retry_delay", seconds(task.retry.delay))
            if task.retry.backoff > 1 { add("retry_exponential_backoff", .bool(true)) }
            if let maximum = task.retry.maximumDelay { add("max_retry_delay", seconds(maximum)) }
        }
        if let timeout = task.timeout { add("execution_timeout", seconds(timeout)) }
        if let pool = task.pool { add("pool", .string(pool)) }
        if task.priority != 1 { add("priority_weight", .integer(task.priority)) }
        if let queue = task.queue { add("queue", .string(queue)) }
        if task.triggerRule != .allSuccess, !(gated && (task.triggerRule == .always || task.after.isEmpty)) {
            add("trigger_rule", .string(task.triggerRule.rawValue))
        }
        add("doc_md", .string(origin(task)))
        let decorator = "@" + PythonExpression.call("task", [], arguments).text(indent: 0)
        return decorator + "\ndef \(functionName(task.id))():\n" + indented(statements(task))
    }

    private func origin(_ task: TaskDefinition) -> String {
        task.entry.map { "Stands for the legacy entry `\($0)`." } ?? "A new task, without a legacy entry."
    }

    private func statements(_ task: TaskDefinition) -> String {
        func payload(_ json: JSON) -> String { "json.loads(" + PythonExpression.literal(json.text()) + ")" }
        switch task.body {
        case .untranslatable(let reason):
            return failure(reason)
        case .queue(let drain):
            return failure(
                "jobs of type “\(drain.entry.name)” are shadowed, but this version of Bailey does not take them from their queue"
            )
        case .command(let command):
            let call = PythonExpression.call(
                "_run_program",
                [.list(command.arguments.map { .string($0) }), .none],
                [
                    ("environment", dictionary(command.environment)),
                    ("directory", command.directory.map { .string($0) } ?? .none),
                ]
            )
            return "return " + call.text(indent: 0)
        case .python(let python):
            let environment = python.environment.flatMap { environments[$0] }
            var variables = environment?.variables ?? [:]
            if let path = environment?.path, !path.isEmpty { variables["PYTHONPATH"] = path.joined(separator: ":") }
            let arguments = JSON.object([
                "callable": .string(python.callable), "args": python.args.isNull ? [] : python.args,
                "kwargs": python.kwargs.isNull ? [:] : python.kwargs,
            ])
            let call = PythonExpression.call(
                "_run_program",
                [
                    .list([
                        environment.map { .string($0.python) } ?? .name("sys.executable"), .string("-c"),
                        .name("_CALL_FUNCTION"),
                    ]),
                    .name(payload(arguments)),
                ],
                [("environment", dictionary(variables))]
            )
            return (environment == nil ? "import sys\n\n" : "") + "return " + call.text(indent: 0)
        case .celery(let celery):
            let call = PythonExpression.call(
                "_celery_call",
                [],
                [
                    ("connection_id", .string(DAGFile.connectionID(celery.source))), ("task", .string(celery.task)),
                    ("args", .name(payload(celery.args))),
                    ("kwargs", .name(payload(celery.kwargs))), ("options", .name(payload(celery.options))),
                    (
                        "run_key",
                        .name("f\"{context['dag'].dag_id}/{context['run_id']}/{context['ti'].task_id}\"")
                    ),
                    ("attempt", .name("context[\"ti\"].try_number")),
                    ("timeout", .number(task.timeout ?? 86_400)),
                ]
            )
            return "context = get_current_context()\nreturn " + call.text(indent: 0)
        }
    }

    private func failure(_ reason: String) -> String {
        "raise " + PythonExpression.call("AirflowException", [.string(reason)], []).text(indent: 0)
    }

    private func dictionary(_ values: [String: String]) -> PythonExpression {
        .dictionary(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }

    private func seconds(_ value: Double) -> PythonExpression {
        .call("datetime.timedelta", [], [("seconds", .number(value))])
    }

    private func number(_ value: Double) -> String { value == value.rounded() ? String(Int(value)) : String(value) }

    private func functionName(_ id: String) -> String {
        var name = ""
        for character in id {
            name.append(character.isASCII && (character.isLetter || character.isNumber) ? character : "_")
        }
        return "run_" + name + (name == id ? "" : "_" + StableDigest(id).description.prefix(4))
    }

    private func variable(_ id: String) -> String { functionName(id) + "_task" }

    private func indented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    " + $0 }.joined(
            separator: "\n"
        )
    }
}
