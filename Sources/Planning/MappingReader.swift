import LosslessJSON
import Migration
import Schedules
public import Settings

/// Reads a mapping file.
extension Mapping {
    static let keys = [
        "pipeline", "dag_id", "description", "owner", "tags", "clock", "schedule", "absorbs", "sla", "missed_ticks",
        "late_after", "max_active_runs", "policy", "pools", "tasks", "defaults", "manual", "params", "for_each",
        "every", "notify", "dag", "workflow",
    ]
    /// What `defaults` may say for all tasks.
    static let defaultKeys = [
        "retries", "retry_delay", "retry_backoff", "retry_max_delay", "timeout", "pool", "pool_slots", "priority",
        "queue", "depends_on_past", "shadow", "sandbox", "sla", "notify",
    ]
    /// The ways in which a task runs.
    static let bodyKeys = ["celery", "python", "command", "sql", "copy", "http", "wait_for"]
    static let retryKeys = ["retries", "retry_delay", "retry_backoff", "retry_max_delay"]
    static let taskKeys = [
        "entry", "celery", "python", "command", "sql", "copy", "http", "wait_for", "inlets", "sla", "after", "when",
        "for_each",
        "retries", "retry_delay",
        "retry_backoff",
        "retry_max_delay",
        "timeout", "pool",
        "priority", "queue", "trigger_rule", "group", "limit", "produces", "shadow", "redirect", "compare", "sandbox",
        "effects",
        "send", "expected", "pool_slots", "depends_on_past", "notify", "canvas",
    ]

    /// The mapping of a file's text.
    ///
    /// - Throws: `SettingsError` with every problem, each with its line.
    ///
    /// - Parameter read: gives the text of a file that the mapping names, by its path from the mapping's folder; nil if there is none.
    public init(
        yaml text: String,
        file: String,
        reading read: @escaping (String) -> String? = { _ in nil }
    ) throws(SettingsError) {
        let root = try YAMLNode(yaml: text, file: file).without(prefix: "x-")
        try self.init(root, MappingFiles(read: read, problems: Problems()))
    }

    /// The mapping of a file's root.
    init(_ root: YAMLNode, _ files: MappingFiles) throws(SettingsError) {
        let problems = files.problems
        self.init(location: SourceLocation(file: root.file, line: root.line), pipeline: "")
        if let fields = YAMLFields(root, known: Mapping.keys, problems: problems) { self.read(fields, files, problems) }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    private mutating func read(_ fields: YAMLFields, _ files: MappingFiles, _ problems: Problems) {
        name = fields.required("pipeline") ?? ""
        location.line = fields.line("pipeline")
        pipeline = fields.string("dag_id") ?? name
        if fields.node("pipeline") != nil, !isIdentifier(pipeline) {
            let key = fields.node("dag_id") == nil ? "pipeline" : "dag_id"
            problems.note(
                Problem(
                    file: fields.node.file,
                    line: fields.line(key),
                    "the pipeline's id “\(pipeline)” may hold only letters, digits, “_”, “-” and “.” (at most 200)\(key == "pipeline" ? "; beside any other name write a “dag_id”" : "")"
                )
            )
        }
        summary = fields.string("description") ?? ""
        owner = fields.string("owner") ?? owner
        tags = fields.strings("tags") ?? []
        sla = fields.duration("sla")
        if let node = fields.node("notify") {
            notify = Notifications(node, problems)
            if sla == nil, !notify[.late].isEmpty {
                problems.note(node, "“late” tells of runs that are not done within “sla”, which is not given")
            }
        }
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
        if let seconds = fields.duration("every") { read(every: seconds, fields, problems) }
        refuseUnasked(fields, problems)
        if jobsEvery != nil, maxActiveRuns != 1 {
            problems.note(
                fields.node,
                "a pipeline that due jobs start has one run at a time, which waits for them; leave out “max_active_runs”"
            )
        }
        if clock != nil, schedule != nil || !assets.isEmpty || jobsEvery != nil {
            problems.note(fields.node, "“clock” and “schedule” exclude each other")
        }
        isManual = fields.bool("manual") ?? false
        if isManual, clock != nil || fields.node("schedule") != nil || fields.node("every") != nil {
            problems.note(
                fields.node,
                "“manual: true” is a pipeline that only people start; leave out “\(clock == nil ? "schedule" : "clock")”"
            )
        }
        parameters = RunParameter.all(fields, problems)
        if let node = fields.node("workflow") { workflow = WorkflowStand(node, problems) }
        for text in fields.strings("absorbs") ?? [] {
            if let id = EntryID(text) {
                absorbs.append(id)
            } else {
                problems.note(fields.node, "“\(text)” is no entry; write source/name")
            }
        }
        if fields.node("tasks") == nil { problems.note(fields.node, "“tasks” is missing") }
        if fields.members("tasks")?.isEmpty == true, fields.node("dag") == nil {
            problems.note(fields.node, "“tasks” has none, so that nothing would run")
        }
        if let node = fields.node("dag") { own = OwnDAG(node, of: fields, files, problems) }
        let defaults = defaults(fields, problems)
        let names = MappingNames(fields)
        for member in fields.members("tasks") ?? [] {
            if var task = MappedTask(member, defaults: defaults, names: names, files, problems) {
                if fields.node("dag") != nil { task.isOwn(problems) }
                task.definition.notify = task.definition.notify.completed(with: notify, of: [.failed, .retried])
                tasks.append(task)
            }
        }
    }

    /// What is said of ticks by a pipeline that has none would mean nothing.
    private func refuseUnasked(_ fields: YAMLFields, _ problems: Problems) {
        guard fields.bool("manual") == true || !assets.isEmpty || jobsEvery != nil else { return }
        let starter = jobsEvery != nil ? "due jobs" : assets.isEmpty ? "only people" : "assets"
        for key in ["missed_ticks", "late_after"] where fields.node(key) != nil {
            problems.note(
                fields.node,
                "“\(key)” is of ticks, and a pipeline that \(starter) start has none: leave it out"
            )
        }
    }

    private func defaults(_ fields: YAMLFields, _ problems: Problems) -> [YAMLNode.Member] {
        guard let node = fields.node("defaults"),
            YAMLFields(node, known: Mapping.defaultKeys, problems: problems) != nil,
            case .mapping(let members) = node.content
        else { return [] }
        return members.filter { Mapping.defaultKeys.contains($0.key) }
    }

    /// A schedule of every so many minutes or hours: on the clock where they divide the hour or the day, so that its ticks stand still.
    private mutating func read(every seconds: Double, _ fields: YAMLFields, _ problems: Problems) {
        if clock != nil || fields.node("schedule") != nil {
            problems.note(fields.node, "“every” is a schedule; it excludes “clock” and “schedule”")
        }
        do {
            if let minutes = Int(exactly: seconds / 60), minutes < 60, 60 % minutes == 0 {
                schedule = .crontab(try Crontab(cronOrder: minutes == 1 ? "* * * * *" : "*/\(minutes) * * * *"))
            } else if let hours = Int(exactly: seconds / 3600), hours < 24, 24 % hours == 0 {
                schedule = .crontab(try Crontab(cronOrder: hours == 1 ? "0 * * * *" : "0 */\(hours) * * *"))
            } else {
                schedule = .interval(try Interval(seconds: seconds))
            }
        } catch {
            problems.note(fields.node, "\(error)")
        }
    }

    private mutating func read(schedule node: YAMLNode, _ problems: Problems) {
        let known = ["crontab", "interval", "timezone", "assets", "jobs"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return }
        if fields.node("jobs") != nil {
            read(jobs: fields, problems)
            return
        }
        if fields.node("assets") != nil {
            assets = fields.strings("assets") ?? []
            for name in assets where !isAsset(name) { problems.note(node, noAsset(name)) }
            if assets.isEmpty { problems.note(node, "“assets” lists the URIs of one asset or more") }
            if ["crontab", "interval", "timezone"].contains(where: { fields.node($0) != nil }) {
                problems.note(node, "a schedule has “assets”, or “crontab” or “interval”")
            }
            return
        }
        timezone = fields.string("timezone") ?? timezone
        if fields.node("crontab") != nil, fields.node("interval") != nil {
            problems.note(node, "a schedule has “crontab” or “interval”, and this one has both")
        }
        do {
            if let text = fields.string("crontab") {
                schedule = .crontab(try Crontab(cronOrder: text))
            } else if let seconds = fields.duration("interval") {
                schedule = .interval(try Interval(seconds: seconds))
            } else {
                problems.note(node, "a schedule has “crontab” (five fields), “interval”, “assets” or “jobs”")
            }
        } catch {
            problems.note(node, "\(error)")
        }
    }

    /// Due jobs of its queue: how often the table is looked at.
    private mutating func read(jobs fields: YAMLFields, _ problems: Problems) {
        if ["crontab", "interval", "timezone", "assets"].contains(where: { fields.node($0) != nil }) {
            problems.note(fields.node, "a schedule has “jobs”, or “crontab”, “interval” or “assets”")
        }
        guard let seconds = fields.duration("jobs") else { return }
        guard (1...3600).contains(seconds) else {
            problems.note(
                fields.node,
                "“jobs” is how often the queue's table is looked at for due jobs: from 1s to 1h, such as 5s"
            )
            return
        }
        jobsEvery = seconds
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
