import LosslessJSON
import Migration
import Schedules
public import Settings

/// Reads a mapping file.
extension Mapping {
    static let keys = [
        "pipeline", "dag_id", "description", "owner", "tags", "clock", "schedule", "absorbs", "sla", "missed_ticks",
        "late_after", "max_active_runs", "policy", "pools", "tasks",
    ]
    static let taskKeys = [
        "entry", "celery", "python", "command", "after", "when", "retries", "retry_delay", "retry_backoff",
        "retry_max_delay",
        "timeout", "pool",
        "priority", "queue", "trigger_rule", "group", "limit", "produces", "shadow", "redirect", "compare",
        "send", "expected",
    ]

    /// The mapping of a file's text.
    ///
    /// - Throws: `SettingsError` with every problem, each with its line.
    public init(yaml text: String, file: String) throws(SettingsError) {
        let problems = Problems()
        let root = try YAMLNode(yaml: text, file: file)
        self.init(location: SourceLocation(file: file, line: root.line), pipeline: "")
        if let fields = YAMLFields(root, known: Mapping.keys, problems: problems) { read(fields, problems) }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    private mutating func read(_ fields: YAMLFields, _ problems: Problems) {
        name = fields.required("pipeline") ?? ""
        location.line = fields.line("pipeline")
        pipeline = fields.string("dag_id") ?? name
        if !pipeline.isEmpty, !isIdentifier(pipeline) {
            problems.note(
                fields.node,
                "the pipeline's id “\(pipeline)” may hold only letters, digits, “_”, “-” and “.” (at most 200)"
            )
        }
        summary = fields.string("description") ?? ""
        owner = fields.string("owner") ?? owner
        tags = fields.strings("tags") ?? []
        sla = fields.duration("sla")
        missedTicks = fields.choice("missed_ticks", MissedTickPolicy.self) ?? .coalesce
        lateAfter = fields.duration("late_after")
        if lateAfter != nil, missedTicks != .none {
            problems.note(
                fields.node,
                "“late_after” says when a tick counts as missed; it goes with “missed_ticks: none”"
            )
        }
        maxActiveRuns = fields.int("max_active_runs") ?? 1
        policy = fields.node("policy")
        pools = PoolSettings.read(fields, problems)
        clock = entry(fields, "clock", problems)
        if let node = fields.node("schedule") { read(schedule: node, problems) }
        if clock != nil, schedule != nil { problems.note(fields.node, "“clock” and “schedule” exclude each other") }
        for text in fields.strings("absorbs") ?? [] {
            if let id = EntryID(text) {
                absorbs.append(id)
            } else {
                problems.note(fields.node, "“\(text)” is no entry; write source/name")
            }
        }
        if fields.node("tasks") == nil { problems.note(fields.node, "“tasks” is missing") }
        for member in fields.members("tasks") ?? [] {
            if let task = MappedTask(member, problems) { tasks.append(task) }
        }
    }

    private mutating func read(schedule node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["crontab", "interval", "timezone"], problems: problems) else {
            return
        }
        timezone = fields.string("timezone") ?? timezone
        do {
            if let text = fields.string("crontab") {
                schedule = .crontab(try Crontab(cronOrder: text))
            } else if let seconds = fields.duration("interval") {
                schedule = .interval(try Interval(seconds: seconds))
            } else {
                problems.note(node, "a schedule has “crontab” (five fields) or “interval”")
            }
        } catch {
            problems.note(node, "\(error)")
        }
    }

    private func entry(_ fields: YAMLFields, _ key: String, _ problems: Problems) -> EntryID? {
        guard let text = fields.string(key) else { return nil }
        if let id = EntryID(text) { return id }
        problems.note(fields.node, "“\(key)” is “\(text)”; write source/name")
        return nil
    }
}

/// Whether Airflow takes a text as a DAG or task id.
func isIdentifier(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 200
        && text.utf8.allSatisfy {
            (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || "_-.".utf8.contains($0)
        }
}

/// Whether Airflow takes a text as an asset's URI.
private func isAsset(_ text: String) -> Bool {
    guard let scheme = text.firstRange(of: "://"), scheme.lowerBound != text.startIndex else { return false }
    return scheme.upperBound != text.endIndex && text.utf8.count <= 1500 && !text.hasPrefix("airflow:")
        && text.utf8.allSatisfy { (33...126).contains($0) }
}

extension MappedTask {
    fileprivate init?(_ member: YAMLNode.Member, _ problems: Problems) {
        guard let fields = YAMLFields(member.value, known: Mapping.taskKeys, problems: problems) else { return nil }
        if !isIdentifier(member.key) {
            problems.note(
                Problem(
                    file: member.value.file,
                    line: member.line,
                    "the task id “\(member.key)” may hold only letters, digits, “_”, “-” and “.”"
                )
            )
        }
        if member.key == "gate" {
            problems.note(
                Problem(
                    file: member.value.file,
                    line: member.line,
                    "“gate” is the first task of every generated DAG; call this one something else"
                )
            )
        }
        location = SourceLocation(file: member.value.file, line: member.line)
        let given = ["celery", "python", "command"].filter { fields.node($0) != nil }
        if given.count > 1 {
            problems.note(member.value, "a task runs one way; this one has \(given.joined(separator: " and "))")
        }
        var entry: EntryID?
        if let text = fields.string("entry") {
            entry = EntryID(text)
            if entry == nil { problems.note(member.value, "“entry” is “\(text)”; write source/name") }
        }
        if entry == nil, given.isEmpty {
            problems.note(member.value, "the task has neither an “entry” nor celery, python or command")
        }
        let body = TaskBody(fields, problems)
        if let node = fields.node("send") { sending = MappedSending(node, problems) }
        hasBody = body != nil
        definition = TaskDefinition(
            id: member.key,
            entry: entry,
            body: body ?? .untranslatable(reason: ""),
            after: fields.strings("after") ?? []
        )
        definition.triggerRule = fields.choice("trigger_rule", TriggerRule.self) ?? .allSuccess
        if let node = fields.node("when") { definition.condition = TaskCondition(node, problems) }
        if let task = definition.condition?.task, !definition.after.contains(task) {
            problems.note(member.value, "“when” asks for the result of “\(task)”, which must stand under “after”")
        }
        definition.retry = RetryPolicy(
            retries: fields.int("retries") ?? 0,
            delay: fields.duration("retry_delay") ?? 300,
            backoff: fields.double("retry_backoff") ?? 1,
            maximumDelay: fields.duration("retry_max_delay")
        )
        if definition.retry.retries < 0 || definition.retry.backoff < 1 {
            problems.note(member.value, "“retries” must be 0 or more and “retry_backoff” 1 or more")
        }
        definition.timeout = fields.duration("timeout")
        expected = fields.duration("expected")
        definition.pool = fields.string("pool")
        definition.priority = fields.int("priority") ?? 1
        definition.queue = fields.string("queue")
        definition.group = fields.string("group")
        definition.produces = fields.strings("produces") ?? []
        for name in definition.produces where !isAsset(name) {
            problems.note(
                member.value,
                "“\(name)” cannot name an asset; write a URI such as s3://bucket/path, of ASCII characters (at most 1,500)"
            )
        }
        definition.redirect = fields.texts("redirect") ?? [:]
        switch fields.string("shadow") {
        case nil: definition.shadow = definition.redirect.isEmpty ? .observe : .redirected
        case "observe": definition.shadow = .observe
        case "pure": definition.shadow = .pure
        case let other?:
            problems.note(member.value, "“shadow” is “\(other)”; it must be observe or pure (or give “redirect”)")
        }
        if let limit = fields.int("limit") { jobLimit = min(max(1, limit), 1_000_000) }
        if let node = fields.node("compare") { definition.compare = CompareRules(node, problems) }
    }
}

extension MappedSending {
    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        let known = ["via", "app", "environment", "wait", "unsure", "options"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return nil }
        via = fields.choice("via", Via.self)
        app = fields.string("app")
        environment = fields.string("environment")
        wait = fields.choice("wait", CelerySending.Wait.self)
        unsure = fields.choice("unsure", CelerySending.Unsure.self)
        options = fields.json("options") ?? [:]
        if options.object == nil { problems.note(node, "“options” is a mapping, such as {queue: work}") }
        if app?.contains(":") == false {
            problems.note(node, "“app” is “\(app ?? "")”; write package.module:attribute")
        }
    }
}

extension TaskBody {
    fileprivate init?(_ fields: YAMLFields, _ problems: Problems) {
        if let node = fields.node("celery") {
            guard
                let inner = YAMLFields(
                    node,
                    known: ["source", "task", "args", "kwargs", "options"],
                    problems: problems
                ),
                let source = inner.required("source"), let task = inner.required("task")
            else { return nil }
            self = .celery(
                CeleryCall(
                    source: source,
                    task: task,
                    args: inner.json("args") ?? [],
                    kwargs: inner.json("kwargs") ?? [:],
                    options: inner.json("options") ?? [:]
                )
            )
        } else if let node = fields.node("python") {
            guard
                let inner = YAMLFields(node, known: ["callable", "environment", "args", "kwargs"], problems: problems),
                let callable = inner.required("callable")
            else { return nil }
            if callable.split(separator: ":").count != 2 {
                problems.note(node, "“callable” is “\(callable)”; write package.module:function")
            }
            self = .python(
                PythonCall(
                    callable: callable,
                    environment: inner.string("environment"),
                    args: inner.json("args") ?? .null,
                    kwargs: inner.json("kwargs") ?? .null
                )
            )
        } else if let node = fields.node("command") {
            if case .sequence = node.content {
                self = .command(CommandLine(arguments: fields.strings("command") ?? []))
                return
            }
            guard let inner = YAMLFields(node, known: ["arguments", "environment", "directory"], problems: problems),
                let arguments = inner.strings("arguments"), !arguments.isEmpty
            else {
                problems.note(node, "“command” is a list of program and arguments, or a mapping with “arguments”")
                return nil
            }
            self = .command(
                CommandLine(
                    arguments: arguments,
                    environment: inner.texts("environment") ?? [:],
                    directory: inner.string("directory")
                )
            )
        } else {
            return nil
        }
    }
}

extension TaskCondition {
    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        let tests = ["equals", "differs", "exists", "above", "below"]
        guard let fields = YAMLFields(node, known: ["task", "path"] + tests, problems: problems),
            let task = fields.required("task")
        else { return nil }
        guard let path = TaskCondition.steps(of: fields.string("path") ?? "$") else {
            problems.note(node, "“path” is “\(fields.string("path") ?? "")”; write $, $.alerts or $.rows[0].id")
            return nil
        }
        let given = tests.filter { fields.node($0) != nil }
        guard given.count == 1 else {
            problems.note(node, "“when” has one of \(tests.joined(separator: ", "))")
            return nil
        }
        let test: TaskCondition.Test? =
            switch given[0] {
            case "equals": fields.json("equals").map { .equals($0) }
            case "differs": fields.json("differs").map { .differs($0) }
            case "exists": fields.bool("exists").map { .exists($0) }
            case "above": fields.double("above").map { .above($0) }
            default: fields.double("below").map { .below($0) }
            }
        switch test {
        case nil: return nil
        case .equals(.null)?, .differs(.null)?:
            problems.note(node, "null and a value that is not there are one; write “exists: false” or “exists: true”")
            return nil
        case let test?: self.init(task: task, path: path, test: test)
        }
    }
}

extension CompareRules {
    fileprivate init(_ node: YAMLNode, _ problems: Problems) {
        self.init()
        let known = ["ignore", "tolerance", "unordered", "pattern", "slowest_ratio"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return }
        // Where each rule that was read stands, by its section.
        var places: [String: [YAMLNode]] = [:]
        for item in fields.items("ignore") ?? [] {
            guard let inner = YAMLFields(item, known: ["name", "path", "because"], problems: problems),
                let name = inner.required("name"),
                let path = inner.required("path"), let because = inner.required("because")
            else { continue }
            ignore.append(IgnoreRule(name: name, path: path, because: because))
            places["ignore", default: []].append(item)
        }
        for item in fields.items("tolerance") ?? [] {
            guard let inner = YAMLFields(item, known: ["path", "relative", "absolute"], problems: problems),
                let path = inner.required("path")
            else { continue }
            tolerances.append(
                Tolerance(path: path, relative: inner.double("relative"), absolute: inner.double("absolute"))
            )
            places["tolerance", default: []].append(item)
        }
        for item in fields.items("pattern") ?? [] {
            guard let inner = YAMLFields(item, known: ["path", "pattern"], problems: problems),
                let path = inner.required("path"),
                let pattern = inner.required("pattern")
            else { continue }
            patterns.append(PatternRule(path: path, pattern: pattern))
            places["pattern", default: []].append(item)
        }
        unordered = fields.strings("unordered") ?? []
        if let list = fields.node("unordered"), case .sequence(let items) = list.content { places["unordered"] = items }
        slowestRatio = fields.double("slowest_ratio")
        if let ratio = fields.node("slowest_ratio") { places["slowest_ratio"] = [ratio] }
        for problem in self.problems {
            let found = places[problem.section] ?? []
            let place = found.indices.contains(problem.number) ? found[problem.number] : node
            problems.note(place, "“\(problem.section)”: \(problem.text)")
        }
    }
}
