import LosslessJSON
import Migration

/// Turns a DAG definition into Python.
struct DAGWriter {
    let dag: DAGDefinition
    let words: String
    let target: DAGFile.Target
    let gated: Bool
    let sources: [String: DAGSource]
    let findings: [Finding]
    let environments: [String: (python: String, path: [String], variables: [String: String])]
    /// The names of the tasks in the file.
    private(set) var names = PythonNames([], beside: "")

    init(
        dag: DAGDefinition,
        words: String,
        target: DAGFile.Target,
        gated: Bool,
        sources: [String: DAGSource],
        findings: [Finding],
        environments: [String: (python: String, path: [String], variables: [String: String])]
    ) {
        self.dag = dag
        self.words = words
        self.target = target
        self.gated = gated
        self.sources = sources
        self.findings = findings
        self.environments = environments
        names = PythonNames(
            dag.tasks,
            beside: ([imports, "DOCUMENTATION"] + (gated ? [] : helpers)).joined(separator: "\n")
        )
    }

    var subject: GateSubject { GateSubject(dag, sources: sources) }

    // MARK: What the file needs

    var requirements: Set<String> {
        var found: Set<String> = []
        if gated, subject.source != nil, !subject.isUnswitched { found.insert(subject.own?.requirement ?? "redis") }
        if dag.tasks.contains(where: { $0.body.call != nil }) { found.formUnion(["celery", "redis"]) }
        if gated || isExact || needsPreviousTick || waits { found.insert("bailey-runtime") }
        if dag.tasks.contains(where: { gated ? $0.body.drain != nil : takes($0) }) {
            found.insert("apache-airflow-providers-postgres")
        }
        for task in dag.tasks where environment(task.body) == nil {
            switch task.body {
            case .sql, .copy: found.insert("psycopg")
            default: break
            }
        }
        return found
    }

    var connections: [String: String] {
        var found: [String: String] = [:]
        for task in dag.tasks {
            if let call = task.body.call {
                found.merge(celeryConnections(call)) { first, _ in first }
            }
        }
        for task in dag.tasks { found.merge(task.body.namedConnections.mapValues(\.words)) { first, _ in first } }
        for name in told { found[DAGFile.alertConnectionID(name)] = "the alert channel “\(name)” of bailey.yaml" }
        guard gated else {
            for task in dag.tasks where takes(task) {
                guard let name = task.body.drain?.entry.source else { continue }
                found[DAGFile.connectionID(name)] = "the PostgreSQL of source “\(name)”, which holds the queue"
            }
            return found
        }
        if let source = subject.source, !subject.isUnswitched,
            case let id = DAGFile.connectionID(source) + (sources[source]?.switchSuffix ?? ""), found[id] == nil
        {
            found[id] =
                subject.own?.leadsTo ?? "the Redis of source “\(source)”, which holds the switch"
        }
        for type in subject.jobTypes {
            found[DAGFile.connectionID(type.source)] =
                "the PostgreSQL of source “\(type.source)”, which holds the queue and its switch"
        }
        return found
    }

    /// The alert channels that are told of anything.
    private var told: Set<String> {
        var told = Set(dag.tasks.flatMap { $0.notify[.failed] + $0.notify[.retried] })
        guard gated else { return told }
        told.formUnion(dag.notify[.failed])
        if hasLimits { told.formUnion(([dag.notify] + dag.tasks.map(\.notify)).flatMap { $0[.late] }) }
        return told
    }

    private var isExact: Bool { if case .ours? = timetable { true } else { false } }

    var hasConditions: Bool { dag.tasks.contains { !$0.conditions.isEmpty } }

    /// Whether anything is to be done within a time.
    var hasLimits: Bool { dag.sla != nil || dag.tasks.contains { $0.sla != nil } }

    /// Assets by their URIs.
    func assets(_ uris: [String]) -> PythonExpression {
        .list(uris.map { .call(target == .airflow3 ? "Asset" : "Dataset", [.string($0)], []) })
    }

    var hasInputs: Bool { dag.tasks.contains { !$0.inputs.isEmpty } }

    /// Whether a task runs once for each item of a list.
    var hasItems: Bool { dag.tasks.contains { $0.items != nil } }

    /// Whether a body passes a test; that of each job counts where they are taken without a gate.
    func uses(_ test: (TaskBody) -> Bool) -> Bool {
        dag.tasks.contains { task in
            test(task.body) || (!gated && takes(task) && task.body.drain.map { test($0.runs) } == true)
        }
    }

    // MARK: The file

    var text: String {
        let literal = PythonExpression.literal(documentation)
        // Formatters put what is too long for one line, and fits into the next, between brackets.
        let (indent, width) = (4, 120)
        let fits = "DOCUMENTATION = ".count + literal.count <= width || indent + literal.count > width
        var parts = [imports, "DOCUMENTATION = " + (fits ? literal : "(\n    \(literal)\n)")]
        if !gated { parts += helpers }
        parts.append(body)
        return parts[0] + "\n\n" + parts.dropFirst().joined(separator: "\n\n\n") + "\n"
    }

    private var documentation: String {
        var lines = [
            dag.name, "", dag.summary.isEmpty ? origin : dag.summary, "", "Due \(words).",
        ]
        if let sla = dag.sla {
            lines.append("To be done within \(PythonExpression.number(sla).text(indent: 0)) s of its tick.")
        }
        lines += ["Missed ticks: \(dag.missedTicks.rawValue).", ""]
        lines += dag.entries.map { "* legacy entry `\($0)`" }
        let noted = notes(findings.filter { $0.entry == nil || !dag.tasks.map(\.entry).contains($0.entry) })
        if !noted.isEmpty { lines += [""] + noted }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: The DAG

    private var body: String {
        var lines = ["with " + dagCall.text(indent: 0) + ":"]
        if gated { lines.append(indented("gate = " + gate.text(indent: 0))) }
        if waitsForJobs { lines.append(indented(waiter)) }
        let groups = dag.tasks.compactMap(\.group).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        for group in groups {
            if lines.count > 1 { lines.append("") }
            lines.append("    with TaskGroup(\(PythonExpression.literal(group)), prefix_group_id=False):")
            let tasks = dag.tasks.filter { $0.group == group }
            var block = tasks.map(statements).joined(separator: "\n")
            // Formatters keep an empty line at the start of a block before a decorator only.
            if let first = tasks.first, isAssigned(first) { block.removeFirst() }
            lines.append(indented(indented(block)))
        }
        for task in dag.tasks where task.group == nil {
            var block = statements(task)
            if lines.count == 1, isAssigned(task) { block.removeFirst() }
            lines.append(indented(block))
        }
        let edges = edges.map { before, task in
            (before.count == 1 ? before[0] : "[\(before.joined(separator: ", "))]") + " >> " + task
        }
        if !edges.isEmpty { lines.append("") }
        lines += edges.map { "    " + $0 }
        if dag.tasks.isEmpty, !gated { lines.append("    pass") }
        return lines.joined(separator: "\n")
    }

    /// What waits for what, by the names of variables.
    private var edges: [(before: [String], task: String)] {
        dag.tasks.compactMap { task in
            let waits = before(task).map { $0 == entrance?.id ? entrance?.variable ?? $0 : names[$0].variable }
            return waits.isEmpty ? nil : (waits, first(task))
        }
    }

    /// The task before all others and its variable: the gate, or what waits for jobs where there is none; nil where there is neither.
    var entrance: (id: String, variable: String)? {
        if gated { return ("gate", "gate") }
        return waitsForJobs ? (names.waiter.id, names.waiter.variable) : nil
    }

    /// The ids of the tasks that a task waits for. One that waits for nothing waits for the first all the same.
    private func before(_ task: TaskDefinition) -> [String] {
        let waits = task.after.isEmpty || (entrance != nil && task.triggerRule == .always) ? [] : task.after
        return waits.isEmpty ? entrance.map { [$0.id] } ?? [] : waits
    }

    var structure: [String: Set<String>] {
        var found: [String: Set<String>] = entrance.map { [$0.id: []] } ?? [:]
        for task in dag.tasks { found[task.id] = [] }
        for task in dag.tasks {
            let isMapped = takes(task) || task.items != nil
            let entrance = isMapped ? names[task.id].takeID : task.id
            if isMapped { found[entrance] = [task.id] }
            for earlier in before(task) { found[earlier, default: []].insert(entrance) }
        }
        return found
    }

    private var dagCall: PythonExpression {
        let zone = dag.clock.timezone
        var arguments: [(name: String, value: PythonExpression)] = [("dag_id", .string(dag.id))]
        func add(_ name: String, _ value: PythonExpression) { arguments.append((name, value)) }
        if dag.name != dag.id { add("dag_display_name", .string(dag.name)) }
        add("description", .string(String(summaryLine.prefix(200))))
        add("doc_md", .name("DOCUMENTATION"))
        add("schedule", schedule)
        add(
            "start_date",
            .call("pendulum.datetime", [.integer(2024), .integer(1), .integer(1)], [("tz", .string(zone))])
        )
        add("catchup", .bool(false))
        add("max_active_runs", .integer(dag.maxActiveRuns))
        add("is_paused_upon_creation", .bool(true))
        var defaults: [(key: String, value: PythonExpression)] = [("owner", .string(dag.owner))]
        if let sla = dag.sla, target == .airflow211 { defaults.append(("sla", seconds(sla))) }
        add("default_args", .dictionary(defaults))
        if !dag.parameters.isEmpty { add("params", parameters) }
        if gated, hasLimits, target == .airflow211 {
            let teller = PythonExpression.call("tell_late_tasks", [.dictionary(lateChannels)], [])
            add("sla_miss_callback", lateChannels.isEmpty ? .name("log_late_tasks") : teller)
        }
        add("tags", .list(dag.tags.map { .string($0) }))
        if gated, hasLimits, target == .airflow3 {
            let tasks = dag.tasks.compactMap { task in task.sla.map { (task.id, seconds($0)) } }
            var named: [(name: String, value: PythonExpression)] = []
            if !tasks.isEmpty { named.append(("tasks", .dictionary(tasks))) }
            if !lateChannels.isEmpty { named.append(("tell", .dictionary(lateChannels))) }
            add("**", .call("alert_when_late", [dag.sla.map(seconds) ?? .none], named))
        }
        return .call("DAG", [], arguments)
    }

    /// Who is told of what is late, by task; under the empty name of the run.
    var lateChannels: [(key: String, value: PythonExpression)] {
        let run = dag.sla == nil || dag.notify[.late].isEmpty ? [] : [("", dag.notify[.late])]
        let tasks = dag.tasks.filter { $0.sla != nil && !$0.notify[.late].isEmpty }.map { ($0.id, $0.notify[.late]) }
        return (run + tasks).map { ($0, .list($1.map { .string($0) })) }
    }

    /// Whether tasks tell people of what becomes of them.
    var notifies: Bool {
        (gated && !dag.notify[.failed].isEmpty)
            || dag.tasks.contains { !$0.notify[.failed].isEmpty || !$0.notify[.retried].isEmpty }
    }

    private var gate: PythonExpression {
        var arguments: [(name: String, value: PythonExpression)] = []
        if let source = subject.source {
            arguments.append(("source", .string(source)))
            arguments.append(("entries", .list(subject.entries.map { .string($0.name) })))
            if subject.isUnswitched { arguments.append(("switched", .bool(false))) }
            if subject.prefix != "redbeat:" { arguments.append(("prefix", .string(subject.prefix))) }
            arguments.append(("missed_ticks", .string(dag.missedTicks.rawValue)))
            if let late = dag.lateAfter { arguments.append(("late_after", .number(late))) }
            if dag.clock.timezone != "UTC" { arguments.append(("timezone", .string(dag.clock.timezone))) }
        } else if !subject.jobTypes.isEmpty {
            let types = subject.jobTypes.map { PythonExpression.tuple([.string($0.source), .string($0.name)]) }
            arguments.append(("job_types", .list(types)))
            if let seconds = dag.clock.jobsEvery { arguments.append(("look_every", .number(seconds))) }
        }
        if let callback = callback(.failed, dag.notify) { arguments.append(("on_failure_callback", callback)) }
        return .call(subject.own?.name ?? "BaileyGate", [], arguments)
    }

    /// Where it comes from, in the place of a description.
    private var origin: String { dag.entries.isEmpty ? "Made by Bailey." : "Made of legacy entries by Bailey." }

    private var summaryLine: String {
        dag.summary.split(separator: "\n").first.map(String.init) ?? origin
    }
}

extension TaskBody {
    /// The Celery call that a body is or makes for each job.
    var call: CeleryCall? {
        switch self {
        case .celery(let call): call
        case .queue(let drain): drain.runs.call
        default: nil
        }
    }
    var drain: QueueDrain? { if case .queue(let drain) = self { drain } else { nil } }
    var runsPython: Bool { if case .python = self { true } else { false } }
    var runsProgram: Bool {
        switch self {
        case .python, .command: true
        default: false
        }
    }
}
