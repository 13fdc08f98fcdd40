public import Schedules

/// One pipeline, complete: what a generated DAG file and the embedded engine both run.
public struct DAGDefinition: Sendable, Hashable {
    /// The DAG id: letters, digits, `_`, `-` and `.`.
    public var id: String
    /// What people call the pipeline.
    public var name: String
    /// One paragraph for people; may be empty.
    public var summary: String
    /// The owner shown in Airflow.
    public var owner: String
    /// Tags shown in Airflow.
    public var tags: [String]
    /// What makes it due.
    public var clock: PipelineClock
    /// What happens to ticks that nobody was up to run in time.
    public var missedTicks: MissedTickPolicy
    /// How late a tick counts as missed, in seconds, where missed ticks are dropped; nil for the runtime's own five minutes.
    public var lateAfter: Double?
    /// How many runs may be under way at once.
    public var maxActiveRuns: Int
    /// The time from tick to end after which people are alerted, in seconds.
    public var sla: Double?
    /// Who is told of its runs, and of a gate that fails.
    public var notify = Notifications()
    /// What a person who starts a run may give it.
    public var parameters: [RunParameter] = []
    /// The legacy entries the pipeline stands for: the driver first, then the absorbed ones, then job types.
    public var entries: [EntryID]
    /// The workflow whose runs are compared with its own; nil if there is none.
    public var workflow: WorkflowStand?
    /// The tasks, in the mapping's order.
    public var tasks: [TaskDefinition]
    /// The file that a person has written for it; nil where Bailey writes it. `tasks` are then those of it that stand for an entry.
    public var own: OwnDAG?

    /// Makes a definition.
    public init(
        id: String,
        name: String,
        summary: String = "",
        owner: String = "bailey",
        tags: [String] = [],
        clock: PipelineClock,
        missedTicks: MissedTickPolicy = .coalesce,
        lateAfter: Double? = nil,
        maxActiveRuns: Int = 1,
        sla: Double? = nil,
        entries: [EntryID],
        tasks: [TaskDefinition]
    ) {
        self.id = id
        self.name = name
        self.summary = summary
        self.owner = owner
        self.tags = tags
        self.clock = clock
        self.missedTicks = missedTicks
        self.lateAfter = lateAfter
        self.maxActiveRuns = maxActiveRuns
        self.sla = sla
        self.entries = entries
        self.tasks = tasks
    }

    /// The task of that id.
    public subscript(_ task: String) -> TaskDefinition? { tasks.first { $0.id == task } }
}

/// What makes a pipeline due.
public struct PipelineClock: Sendable, Hashable {
    /// The entry that drives it; nil for a schedule of the pipeline's own.
    public var driver: EntryID?
    /// When it is due; nil for a pipeline that only people start.
    public var schedule: Schedule?
    /// The IANA zone the schedule is read in.
    public var timezone: String
    /// How Airflow is told: a stock timetable if and only if it was proved equal.
    public var timetable: AirflowTimetable?
    /// The URIs of assets each of which, once all were updated, makes it due; empty where it has a schedule or none.
    public var assets: [String] = []
    /// Seconds between two looks at its queues' tables, where due jobs make it due; nil where something else does.
    public var jobsEvery: Double?

    /// Makes a clock.
    public init(driver: EntryID?, schedule: Schedule?, timezone: String, timetable: AirflowTimetable?) {
        self.driver = driver
        self.schedule = schedule
        self.timezone = timezone
        self.timetable = timetable
    }
}

/// What happens to ticks that passed while nobody could run them.
public enum MissedTickPolicy: String, Sendable, Hashable, CaseIterable {
    /// Any number of missed ticks become one late run, as beat does.
    case coalesce
    /// Each missed tick is run.
    case every
    /// Missed ticks are dropped, and recorded as dropped.
    case none
}

/// One task of a pipeline.
public struct TaskDefinition: Sendable, Hashable {
    /// The task id, unique in the pipeline; the group is not part of it.
    public var id: String
    /// The legacy entry this task stands for; nil for a new task.
    public var entry: EntryID?
    /// What it does.
    public var body: TaskBody
    /// The ids of the tasks that must end before it.
    public var after: [String]
    /// Which ends of those let it start.
    public var triggerRule: TriggerRule
    /// What earlier tasks' results must be for it to run: of each of these, one.
    public var conditions: [TaskChoice] = []
    /// For each item of which list it runs once; nil for a task that runs once in a run.
    public var items: TaskItems?
    /// What of its body's input is known only when it runs.
    public var inputs: [TaskInput] = []
    /// Whether it waits until the run before has ended well for it, as Airflow's `depends_on_past`.
    public var dependsOnPast = false
    /// How often and when a failed attempt is repeated.
    public var retry: RetryPolicy
    /// The time one attempt may take, in seconds; then its whole process group is killed.
    public var timeout: Double?
    /// The Airflow pool; nil for the default one.
    public var pool: String?
    /// How many of the pool's slots it takes.
    public var poolSlots = 1
    /// Higher runs first among waiting tasks.
    public var priority: Int
    /// The executor's queue; nil for the default one.
    public var queue: String?
    /// The task group it is shown in.
    public var group: String?
    /// The URIs of the assets that it produces; nothing is announced in shadow.
    public var produces: [String]
    /// The URIs of the assets that it reads.
    public var inlets: [String] = []
    /// The time from the run's tick to the task's end after which people are alerted, in seconds.
    public var sla: Double?
    /// Who is told of it.
    public var notify = Notifications()
    /// What shadowing may do with its body.
    public var shadow: ShadowMode
    /// Environment variables that lead a shadowed body to connections of its own.
    public var redirect: [String: String]
    /// Which rows that it changes are compared.
    public var rows = RowRules()
    /// How its outcomes are compared.
    public var compare: CompareRules
    /// What its body may take where it runs in a sandbox.
    public var sandbox = SandboxRules()
    /// What its body changes outside of itself that is compared with what legacy's changes.
    public var effects = EffectRules()

    /// Makes a task.
    public init(
        id: String,
        entry: EntryID? = nil,
        body: TaskBody,
        after: [String] = [],
        triggerRule: TriggerRule = .allSuccess,
        retry: RetryPolicy = .none,
        timeout: Double? = nil,
        pool: String? = nil,
        priority: Int = 1,
        queue: String? = nil,
        group: String? = nil,
        produces: [String] = [],
        shadow: ShadowMode = .observe,
        redirect: [String: String] = [:],
        compare: CompareRules = CompareRules()
    ) {
        self.id = id
        self.entry = entry
        self.body = body
        self.after = after
        self.triggerRule = triggerRule
        self.retry = retry
        self.timeout = timeout
        self.pool = pool
        self.priority = priority
        self.queue = queue
        self.group = group
        self.produces = produces
        self.shadow = shadow
        self.redirect = redirect
        self.compare = compare
    }
}

/// When a task may start, given how those before it ended. The names and meanings are Airflow's.
public enum TriggerRule: String, Sendable, Hashable, CaseIterable {
    case allSuccess = "all_success"
    case allFailed = "all_failed"
    case allDone = "all_done"
    case oneSuccess = "one_success"
    case oneFailed = "one_failed"
    case oneDone = "one_done"
    case noneFailed = "none_failed"
    case noneSkipped = "none_skipped"
    case noneFailedMinOneSuccess = "none_failed_min_one_success"
    case always
}

/// How a failed attempt is repeated.
public struct RetryPolicy: Sendable, Hashable {
    /// Attempts after the first.
    public var retries: Int
    /// Seconds before the first repetition.
    public var delay: Double
    /// The factor by which each further wait grows; 1 for a constant wait.
    public var backoff: Double
    /// The longest wait in seconds.
    public var maximumDelay: Double?

    /// Makes a policy.
    public init(retries: Int, delay: Double = 300, backoff: Double = 1, maximumDelay: Double? = nil) {
        self.retries = retries
        self.delay = delay
        self.backoff = backoff
        self.maximumDelay = maximumDelay
    }

    /// No repetition.
    public static let none = RetryPolicy(retries: 0)

    /// Seconds to wait after the failed attempt of that number (the first attempt is 1).
    public func wait(afterAttempt attempt: Int) -> Double {
        var wait = delay
        for _ in 1..<max(attempt, 1) { wait *= backoff }
        return min(wait, maximumDelay ?? wait)
    }
}

/// What shadowing may do with a task's body.
public enum ShadowMode: String, Sendable, Hashable, CaseIterable {
    /// The run is planned and its arguments are recorded; no body runs.
    case observe
    /// The mapping declares that the body has no effects.
    case pure
    /// The body runs with environment variables that lead it to connections of its own.
    case redirected
    /// The body runs where it can change nothing outside of a folder of its own.
    case sandbox
}
