import LosslessJSON
import Migration

extension DAGWriter {
    /// Whether a task is an operator of the runtime's. Others are functions: decorated where they are mapped over jobs, else called by a
    /// `PythonOperator`, because importing Airflow's decorators takes the DAG processor longer than a whole file without them.
    func isOperator(_ task: TaskDefinition) -> Bool { gated && !takes(task) }

    /// Whether nothing but an assignment makes a task.
    func isAssigned(_ task: TaskDefinition) -> Bool { isOperator(task) || task.body.wait != nil }

    /// Whether a task's jobs are taken by another task before it.
    ///
    /// Jobs that nothing can run are not taken.
    func takes(_ task: TaskDefinition) -> Bool {
        guard let drain = task.body.drain, drain.runs.runsProgram else { return false }
        return gated || statements(drain.entry.source) != nil
    }

    /// Whether a task of the file waits for jobs, where there is no gate that does.
    var waitsForJobs: Bool { !gated && dag.clock.jobsEvery != nil && dag.tasks.contains(where: takes) }

    /// The statements that make the task which waits for jobs. Without one nothing of the run is to happen, so that it skips all that follows.
    var waiter: String {
        let types = dag.tasks.compactMap { takes($0) ? $0.body.drain?.entry : nil }
            .map { PythonExpression.tuple([.string($0.source), .string($0.name)]) }
        let arguments: [(name: String, value: PythonExpression)] = [
            ("task_id", .string(names.waiter.id)), ("retries", .integer(3)), ("retry_delay", seconds(10)),
            ("doc_md", .string("Waits until a job is due.")),
        ]
        let call = PythonExpression.call(
            "_await_jobs",
            [.list(types)],
            [("every", .number(dag.clock.jobsEvery ?? 60)), ("limit", .integer(3600))]
        )
        return [
            "", "@" + PythonExpression.call("task.short_circuit", [], arguments).text(indent: 0),
            "def \(names.waiter.function)():", indented("return " + call.text(indent: 0)), "",
            "\(names.waiter.variable) = \(names.waiter.function)()",
        ].joined(separator: "\n")
    }

    /// How the jobs of a queue are taken without a gate; nil if they cannot be.
    func statements(_ source: String) -> QueueStatements? {
        if case .queue(let statements)? = sources[source] { statements } else { nil }
    }

    /// The statements that make a task and bind it to its variable, with an empty line before them.
    func statements(_ task: TaskDefinition) -> String {
        let names = names[task.id]
        let name = names.function
        if !gated, let wait = task.body.wait { return "\n\(names.variable) = " + sensor(task, wait).text(indent: 0) }
        if let items = task.items { return mapped(task, items) }
        if isOperator(task) { return "\n\(names.variable) = " + gatedTask(task).text(indent: 0) }
        guard takes(task), let drain = task.body.drain else {
            let made = PythonExpression.call(
                "PythonOperator",
                [],
                arguments(task) + [("python_callable", .name(name))]
            )
            let text = names.variable == task.id ? made.text(indent: 0) : noted(made)
            return ["", "def \(name)():", indented(ungatedBody(task)), ""].joined(separator: "\n")
                + "\n\(names.variable) = " + text
        }
        return [
            "", "@" + PythonExpression.call("task", [], takeArguments(task)).text(indent: 0),
            "def \(names.take)():",
            indented(gated ? "return " + take(drain, task).text(indent: 0) : ungatedTake(task, drain)),
            "", "@" + PythonExpression.call("task", [], arguments(task)).text(indent: 0),
            "def \(name)(job):", indented(gated ? jobBody(task, drain) : ungatedJob(drain)), "",
            "\(names.jobs) = \(names.take)()", "\(names.variable) = \(name).expand(job=\(names.jobs))",
        ].joined(separator: "\n")
    }

    /// The statements of a task that runs once for each item, after one that lists them.
    private func mapped(_ task: TaskDefinition, _ items: TaskItems) -> String {
        let names = names[task.id]
        guard !gated else {
            return "\n\(names.items) = " + gatedItems(task, items).text(indent: 0)
                + "\n\(names.variable) = " + gatedTask(task).text(indent: 0)
        }
        let list = PythonExpression.call(
            "PythonOperator",
            [],
            entranceArguments(task) + [("python_callable", .name(names.take))]
        )
        let each = PythonExpression.call(
            "PythonOperator.partial",
            [],
            arguments(task) + [("python_callable", .name(names.function))]
        )
        let made = PythonExpression.call(
            each.text(indent: 0) + ".expand",
            [],
            [("op_args", .name(names.items + ".output"))]
        )
        return [
            "", "def \(names.take)():", indented(ungatedItems(task, items)), "", "\(names.items) = " + noted(list), "",
            "def \(names.function)(item):", indented(ungatedBody(task)), "",
            "\(names.variable) = " + (names.variable == task.id ? made.text(indent: 0) : noted(made)),
        ].joined(separator: "\n")
    }

    /// A call that is bound to another name than its task's id, which Airflow's linter is told.
    private func noted(_ call: PythonExpression) -> String {
        var lines = call.text(indent: 0).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[0] += "  # noqa: AIR001"
        return lines.joined(separator: "\n")
    }

    /// The arguments of the task that lists the items for a mapped one: it waits for what that one waits for.
    func entranceArguments(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = [("task_id", .string(names[task.id].takeID))]
        // For a worker that dies; what is no list it does not try again.
        if gated { arguments += [("retries", .integer(3)), ("retry_delay", seconds(10))] }
        if let queue = task.queue { arguments.append(("queue", .string(queue))) }
        if let rule = rule(task) { arguments.append(("trigger_rule", rule)) }
        if let callback = callback(.failed, task.notify) { arguments.append(("on_failure_callback", callback)) }
        arguments.append(("doc_md", .string("Lists what “\(task.id)” runs for.")))
        return arguments
    }

    /// The arguments that every sort of task takes.
    func arguments(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
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
        if task.poolSlots != 1 { add("pool_slots", .integer(task.poolSlots)) }
        if task.dependsOnPast { add("depends_on_past", .bool(true)) }
        if task.priority != 1 { add("priority_weight", .integer(task.priority)) }
        if let queue = task.queue { add("queue", .string(queue)) }
        if takes(task) {
            add("map_index_template", .string("{{ \(gated ? "bailey_job" : "job_name") | default('') }}"))
        } else if task.items == nil, let rule = rule(task) {
            add("trigger_rule", rule)
        }
        if !task.produces.isEmpty {
            add("outlets", assets(task.produces))
        }
        if !task.inlets.isEmpty { add("inlets", assets(task.inlets)) }
        if let sla = task.sla, target == .airflow211 { add("sla", seconds(sla)) }
        // Mapped tasks have none in 2.11, which refuses the DAG's default for them.
        if target == .airflow211, dag.sla != nil, takes(task) || task.items != nil { add("sla", .none) }
        for (event, name) in [(Notifications.Event.failed, "on_failure_callback"), (.retried, "on_retry_callback")] {
            if let callback = callback(event, task.notify) { add(name, callback) }
        }
        add("doc_md", .string(origin(task)))
        return arguments
    }

    /// What tells the channels of an event; nil where there are none.
    func callback(_ event: Notifications.Event, _ notify: Notifications) -> PythonExpression? {
        guard !notify[event].isEmpty else { return nil }
        return .call(gated ? "notify" : "_notify", ([event.rawValue] + notify[event]).map { .string($0) }, [])
    }

    private func takeArguments(_ task: TaskDefinition) -> [(name: String, value: PythonExpression)] {
        var arguments: [(name: String, value: PythonExpression)] = [
            ("task_id", .string(names[task.id].takeID)), ("retries", .integer(3)), ("retry_delay", seconds(10)),
        ]
        if let queue = task.queue { arguments.append(("queue", .string(queue))) }
        if let rule = rule(task) { arguments.append(("trigger_rule", rule)) }
        if let callback = callback(.failed, task.notify) { arguments.append(("on_failure_callback", callback)) }
        arguments.append(("doc_md", .string("Takes the due jobs of `\(task.body.drain?.entry.description ?? "")`.")))
        return arguments
    }

    /// A rule that lets a task start before the gate has answered is left out.
    private func rule(_ task: TaskDefinition) -> PythonExpression? {
        guard needs(task).isEmpty else { return .string(TriggerRule.noneFailed.rawValue) }
        guard task.triggerRule != .allSuccess, !(entrance != nil && (task.triggerRule == .always || task.after.isEmpty))
        else {
            return nil
        }
        return .string(task.triggerRule.rawValue)
    }

    /// The tasks before one of which it must know by itself whether they were skipped: to the scheduler a task that was only observed is
    /// skipped, and this one is to run all the same.
    func needs(_ task: TaskDefinition) -> [String] {
        let before = task.after.compactMap { dag[$0] }
        guard gated, task.triggerRule == .allSuccess, !takes(task),
            before.contains(where: \.body.isSkippedWhereObserved),
            !before.contains(where: takes)
        else { return [] }
        // Of one that runs once for each item, the one that lists them tells whether there was any.
        return before.map { $0.items == nil ? $0.id : names[$0.id].takeID }
    }

    private func origin(_ task: TaskDefinition) -> String {
        let origin =
            task.entry.map { "Stands for the legacy entry `\($0)`." } ?? "A new task, without a legacy entry."
        let noted = task.entry.map { entry in notes(findings.filter { $0.entry == entry }) } ?? []
        return noted.isEmpty ? origin : ([origin, ""] + noted).joined(separator: "\n")
    }

    /// Findings by their code alone: what else they say may change with every import.
    func notes(_ findings: [Finding]) -> [String] {
        Set(findings.map(\.code)).sorted().map { "* finding \($0): `docs/findings/\($0.id).md`" }
    }

    // MARK: Names

    /// The variable of the task that others are put before.
    func first(_ task: TaskDefinition) -> String {
        takes(task) ? names[task.id].jobs : task.items != nil ? names[task.id].items : names[task.id].variable
    }

    // MARK: Text

    func seconds(_ value: Double) -> PythonExpression {
        .call("datetime.timedelta", [], [("seconds", .number(value))])
    }

    func dictionary(_ values: [String: String]) -> PythonExpression {
        .dictionary(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }

    func environment(_ body: TaskBody) -> (python: String, path: [String], variables: [String: String])? {
        switch body {
        case .celery(let call): call.sending.environment.flatMap { environments[$0] }
        default: body.environment.flatMap { environments[$0] }
        }
    }

    func indented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    " + $0 }.joined(
            separator: "\n"
        )
    }
}
