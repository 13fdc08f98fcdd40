import LosslessJSON
import Migration
import Schedules

/// What a file imports, and the functions that it carries along.
extension DAGWriter {
    var imports: String {
        var modules: Set<String> = []
        var sdk: Set<String> = ["DAG"]
        var lines = ["import pendulum"]
        var own: [String] = []
        if usesDuration { modules.insert("datetime") }
        if dag.tasks.contains(where: takes) { sdk.insert("task") }
        if !dag.parameters.isEmpty { sdk.insert("Param") }
        if dag.tasks.contains(where: { $0.group != nil }) { sdk.insert("TaskGroup") }
        let names = !dag.clock.assets.isEmpty || dag.tasks.contains { !$0.produces.isEmpty || !$0.inlets.isEmpty }
        if names { sdk.insert(target == .airflow3 ? "Asset" : "Dataset") }
        if !gated, waits {
            let place = target == .airflow3 ? "airflow.providers.standard" : "airflow"
            lines.append("from \(place).sensors.external_task import ExternalTaskSensor")
            own.append("from bailey_runtime.inputs import last_tick")
        }
        if !gated, !dag.tasks.allSatisfy({ takes($0) || $0.body.wait != nil }) {
            if target == .airflow3 {
                lines.append("from airflow.providers.standard.operators.python import PythonOperator")
            } else {
                sdk.insert("PythonOperator")
            }
        }
        if gated {
            let names = runtimeNames
            if !names.isEmpty { own.append(line("bailey_runtime.dag", names)) }
            if let gate = subject.own { own.append("from \(gate.module) import \(gate.name)") }
        } else {
            if uses({ $0.runsProgram }) { modules.formUnion(["json", "os", "signal", "subprocess", "threading"]) }
            if uses({ $0.runsPython && environment($0) == nil }) { modules.insert("sys") }
            if uses(\.movesData) {
                modules.formUnion(["json", "os", "signal", "subprocess", "threading"])
                if uses({ $0.movesData && environment($0) == nil }) { modules.insert("sys") }
                sdk.insert(String(lookup.prefix { $0 != "." }))
            }
            if notifies {
                modules.formUnion(["json", "logging", "re", "subprocess", "sys"])
                sdk.insert(String(lookup.prefix { $0 != "." }))
            }
            if uses(fillsVariables) { modules.insert("re") }
            if dag.tasks.contains(where: takes) {
                modules.formUnion(["contextlib", "json", "time"])
                sdk.insert("get_current_context")
            }
            if hasInputs || hasItems { modules.formUnion(["datetime", "json"]) }
            if hasConditions || hasInputs || hasItems {
                modules.insert("json")
                sdk.insert("get_current_context")
            }
            if skipsTasks, target == .airflow211 { lines.append(DAGRuntime.skipIn2) }
            if uses({ $0.call != nil }) {
                modules.formUnion(["json", "os", "signal", "subprocess", "threading", "uuid"])
                if uses({ $0.call.map { environment(.celery($0)) == nil } ?? false }) { modules.insert("sys") }
                sdk.formUnion([String(lookup.prefix { $0 != "." }), "get_current_context"])
            }
        }
        switch timetable {
        case .stock(.cron)?: lines.append("from airflow.timetables.trigger import CronTriggerTimetable")
        case .stock(.multipleCron)?: lines.append("from airflow.timetables.trigger import MultipleCronTriggerTimetable")
        case .stock(.delta)?: lines.append("from airflow.timetables.trigger import DeltaTriggerTimetable")
        case .ours?: own.append("from bailey_runtime.timetable import BaileyTimetable")
        case .stock(.exact)?, nil: break
        }
        if !gated, needsPreviousTick { own.append("from bailey_runtime.inputs import previous_tick") }
        switch target {
        case .airflow3:
            lines.append(
                line("airflow.sdk", sdk.sorted { $0.lowercased() < $1.lowercased() })
            )
        case .airflow211:
            let places = [
                "DAG": "airflow.models.dag", "task": "airflow.decorators", "TaskGroup": "airflow.utils.task_group",
                "BaseHook": "airflow.hooks.base", "Dataset": "airflow.datasets",
                "get_current_context": "airflow.operators.python", "Param": "airflow.models.param",
                "PythonOperator": "airflow.operators.python",
            ]
            for (place, names) in Dictionary(grouping: sdk, by: { places[$0] ?? "" }) where !place.isEmpty {
                lines.append(
                    line(place, names.sorted { $0.lowercased() < $1.lowercased() })
                )
            }
        }
        let outside = [lines[0]] + lines.dropFirst().sorted()
        let last = skipsTasks && target == .airflow3 ? "\n\n" + DAGRuntime.skipIn3 : ""
        return modules.sorted().map { "import \($0)\n" }.joined() + (modules.isEmpty ? "" : "\n")
            + (outside + own.sorted()).joined(separator: "\n") + last
    }

    /// An import as formatters write it: between brackets where one line is too short for it.
    private func line(_ module: String, _ names: [String]) -> String {
        let line = "from \(module) import " + names.joined(separator: ", ")
        guard line.count > 120 else { return line }
        return "from \(module) import (\n" + names.map { "    \($0),\n" }.joined() + ")"
    }

    /// Whether a task waits for another pipeline.
    var waits: Bool { dag.tasks.contains { $0.body.wait != nil } }

    /// Whether functions that the file carries along skip their task.
    private var skipsTasks: Bool { !gated && (hasConditions || dag.tasks.contains(where: takes)) }

    private var usesDuration: Bool {
        if case .stock(.delta)? = timetable { return true }
        return dag.tasks.contains { $0.timeout != nil || $0.retry.retries > 0 || takes($0) || gated && $0.items != nil }
            || hasLimits && gated
            || hasLimits && target == .airflow211
    }

    private var runtimeNames: [String] {
        var names: Set<String> = subject.own == nil ? ["BaileyGate"] : []
        if hasLimits {
            let teller = lateChannels.isEmpty ? "log_late_tasks" : "tell_late_tasks"
            names.insert(target == .airflow3 ? "alert_when_late" : teller)
        }
        if notifies { names.insert("notify") }
        if hasItems { names.insert("ItemsTask") }
        for task in dag.tasks {
            switch task.body {
            case .queue(let drain) where takes(task):
                let isCommand = if case .command = drain.runs { true } else { false }
                names.formUnion([isCommand ? "run_job_command" : "run_job_python", "take_jobs"])
            case .celery: names.insert("CeleryTask")
            case .python: names.insert("PythonTask")
            case .command: names.insert("CommandTask")
            case .sql: names.insert("SQLTask")
            case .copy: names.insert("CopyTask")
            case .http: names.insert("HTTPTask")
            case .wait: names.insert("WaitTask")
            case .queue, .own, .untranslatable: names.insert("FailingTask")
            }
        }
        return names.sorted { ($0.lowercased(), $0) < ($1.lowercased(), $1) }
    }

    /// Whether a task calls a function with each job's payload.
    private func callsWithPayload(_ task: TaskDefinition) -> Bool {
        guard takes(task), case .python(let python)? = task.body.drain?.runs else { return false }
        return python.args.isNull
    }

    private var lookup: String { target == .airflow3 ? "Connection.get" : "BaseHook.get_connection" }

    var helpers: [String] {
        var parts: [String] = []
        if hasConditions { parts.append(DAGRuntime.condition) }
        if hasItems { parts.append(DAGRuntime.items) }
        if hasInputs || hasItems {
            // Only a file that takes the tick before the run's imports what finds it.
            let called = "previous_tick(part, tick)"
            parts.append(
                needsPreviousTick
                    ? DAGRuntime.inputs
                    : DAGRuntime.inputs.replacing("tick if \"tick\" in part else \(called)", with: "tick")
            )
        }
        if uses({ $0.runsProgram || $0.call != nil || $0.movesData }) { parts.append(DAGRuntime.program) }
        if uses({ $0.runsPython }) {
            parts.append("_CALL_FUNCTION = " + PythonExpression.literal(DAGRuntime.pythonRunner))
        }
        if uses({ if case .http = $0 { true } else { false } }) { parts.append(DAGRuntime.httpProgram) }
        if uses({
            switch $0 {
            case .sql, .copy: true
            default: false
            }
        }) {
            parts.append(DAGRuntime.sqlProgram)
        }
        if uses(\.movesData) { parts.append(DAGRuntime.data(lookup: lookup)) }
        if notifies { parts += [DAGRuntime.notifyProgram, DAGRuntime.notify(lookup: lookup)] }
        if dag.tasks.contains(where: callsWithPayload) { parts.append(DAGRuntime.callWithPayload) }
        if uses(fillsVariables) { parts.append(DAGRuntime.filling) }
        if uses({ $0.call != nil }) { parts += [DAGRuntime.celeryProgram, DAGRuntime.celery(lookup: lookup)] }
        if dag.tasks.contains(where: takes) {
            parts += ["_QUEUES = " + queues.text(indent: 0), DAGRuntime.jobs]
            if waitsForJobs { parts.append(DAGRuntime.waitingForJobs) }
        }
        return parts
    }
}
