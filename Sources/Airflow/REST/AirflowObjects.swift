public import LosslessJSON
public import Migration
public import Schedules

/// A DAG as Airflow reports it.
public struct AirflowDAG: Sendable, Hashable {
    /// The DAG id.
    public let id: String
    /// Whether the scheduler makes no runs for it.
    public let isPaused: Bool
    /// Whether its file is no longer there, or no longer defines it.
    public let isStale: Bool
    /// Whether its file could not be imported at the last parse; what is reported is then an older text.
    public let hasImportErrors: Bool
    /// When its file was last parsed.
    public let lastParsed: Instant?
    /// What `parse` takes.
    public let fileToken: String
    /// The file on Airflow's machine, or the path in its bundle.
    public let file: String
    /// The tags, sorted.
    public let tags: [String]
    /// The tick of the next run that the scheduler has in mind; nil if there is none.
    public let nextTick: Instant?
    /// When it makes that run: at once on unpause, if it is past.
    public let nextRunAfter: Instant?
    /// How many runs may be under way at once.
    public let maxActiveRuns: Int?

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let id = reply.text("dag_id") else { return nil }
        self.id = id
        isPaused = reply.flag("is_paused")
        isStale = json["is_stale"]?.bool ?? (json["is_active"]?.bool == false)
        hasImportErrors = reply.flag("has_import_errors")
        lastParsed = reply.instant("last_parsed_time")
        fileToken = reply.text("file_token") ?? ""
        file = reply.text("relative_fileloc", "fileloc") ?? ""
        tags = (json["tags"]?.array ?? []).compactMap { $0["name"]?.string ?? $0.string }.sorted()
        nextTick = reply.instant("next_dagrun_logical_date", "next_dagrun")
        nextRunAfter = reply.instant("next_dagrun_run_after", "next_dagrun_create_after")
        maxActiveRuns = reply.int("max_active_runs")
    }
}

/// What Airflow knows of a DAG beyond its list.
public struct AirflowDAGDetails: Sendable, Hashable {
    /// The DAG.
    public let dag: AirflowDAG
    /// The first instant at which a run may be due; nil if the DAG has none.
    public let startDate: Instant?
    /// Whether the scheduler makes runs for ticks long past.
    public let catchup: Bool
    /// The number of the version that the latest parse gave; nil in 2.11.
    public let version: Int?

    init?(_ json: JSON) {
        guard let dag = AirflowDAG(json) else { return nil }
        self.dag = dag
        startDate = AirflowReply(json: json).instant("start_date")
        catchup = AirflowReply(json: json).flag("catchup")
        version = json["latest_dag_version"]?["version_number"]?.int
    }
}

/// A task of a DAG as Airflow reports it.
public struct AirflowTask: Sendable, Hashable {
    /// The task id, with its groups' prefixes.
    public let id: String
    /// The ids of the tasks that wait for it, sorted.
    public let downstream: [String]
    /// Which ends of those before it let it start.
    public let triggerRule: String
    /// Attempts after the first.
    public let retries: Int
    /// Seconds before the first repetition.
    public let retryDelay: Double?
    /// The time one attempt may take, in seconds.
    public let timeout: Double?
    /// The pool.
    public let pool: String
    /// The executor's queue.
    public let queue: String
    /// Higher runs first.
    public let priority: Int
    /// Whether it stands for any number of instances.
    public let isMapped: Bool
    /// The operator, such as `@task`.
    public let kind: String

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let id = reply.text("task_id") else { return nil }
        self.id = id
        downstream = reply.texts("downstream_task_ids").sorted()
        triggerRule = reply.text("trigger_rule") ?? ""
        retries = reply.int("retries") ?? 0
        retryDelay = reply.seconds("retry_delay")
        timeout = reply.seconds("execution_timeout")
        pool = reply.text("pool") ?? ""
        queue = reply.text("queue") ?? ""
        priority = reply.int("priority_weight") ?? 1
        isMapped = reply.flag("is_mapped")
        kind = reply.text("operator_name") ?? ""
    }
}

/// A file that could not be imported.
public struct AirflowImportError: Sendable, Hashable {
    /// The file on Airflow's machine, or the path in its bundle.
    public let file: String
    /// When it was tried.
    public let at: Instant?
    /// The Python traceback.
    public let trace: String

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let file = reply.text("filename") else { return nil }
        self.file = file
        at = reply.instant("timestamp")
        trace = reply.text("stack_trace") ?? ""
    }
}

/// A run of a DAG.
public struct AirflowRun: Sendable, Hashable {
    /// The run id, unique in the DAG.
    public let id: String
    /// The DAG id.
    public let dag: String
    /// The tick; nil for a run without one.
    public let logicalDate: Instant?
    /// Where it stands; nil for a word that is not known.
    public let state: RunState?
    /// `scheduled`, `manual`, `backfill`, …
    public let kind: String
    /// What it was started with.
    public let configuration: JSON
    /// When its first task could start.
    public let start: Instant?
    /// When it ended.
    public let end: Instant?

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let id = reply.text("dag_run_id", "run_id"), let dag = reply.text("dag_id") else { return nil }
        self.id = id
        self.dag = dag
        logicalDate = reply.instant("logical_date", "execution_date")
        state = reply.text("state").flatMap(RunState.init(rawValue:))
        kind = reply.text("run_type") ?? ""
        configuration = json["conf"] ?? .null
        start = reply.instant("start_date")
        end = reply.instant("end_date")
    }

    /// Whether it will not change any more.
    public var isOver: Bool { state == .success || state == .failed }

    /// Whether somebody started it: its gate asks nobody who owns its tick, and clearing it would not change that.
    public var isByHand: Bool {
        let isOfItsTick = kind == "scheduled" || kind == "backfill" || kind == "backfill_job"
        return !isOfItsTick && configuration["bailey_backfill"]?.bool != true && configuration["bailey"] == nil
    }
}

/// One task of one run.
public struct AirflowTaskInstance: Sendable, Hashable {
    /// The task id.
    public let task: String
    /// The run id.
    public let run: String
    /// Which of a mapped task's instances; -1 for a task that is not mapped.
    public let mapIndex: Int
    /// Airflow's word: `success`, `failed`, `skipped`, `upstream_failed`, `running`, …; nil before it is scheduled.
    public let state: String?
    /// The number of the latest attempt.
    public let attempt: Int
    /// When that attempt started.
    public let start: Instant?
    /// When it ended.
    public let end: Instant?

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let task = reply.text("task_id"), let run = reply.text("dag_run_id") else { return nil }
        self.task = task
        self.run = run
        mapIndex = reply.int("map_index") ?? -1
        state = reply.text("state")
        attempt = reply.int("try_number") ?? 0
        start = reply.instant("start_date")
        end = reply.instant("end_date")
    }
}

/// The name of a value that a task left for others.
public struct AirflowXCom: Sendable, Hashable {
    /// The key.
    public let key: String
    /// The task that left it.
    public let task: String
    /// Which of a mapped task's instances; -1 for a task that is not mapped.
    public let mapIndex: Int

    /// The value that a task returned.
    public static func returned(by task: String) -> AirflowXCom {
        AirflowXCom(key: "return_value", task: task, mapIndex: -1)
    }

    /// What the same task left under another key.
    public func under(_ key: String) -> AirflowXCom { AirflowXCom(key: key, task: task, mapIndex: mapIndex) }

    private init(key: String, task: String, mapIndex: Int) {
        (self.key, self.task, self.mapIndex) = (key, task, mapIndex)
    }

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let key = reply.text("key"), let task = reply.text("task_id") else { return nil }
        self.key = key
        self.task = task
        mapIndex = reply.int("map_index") ?? -1
    }
}

/// A pool.
public struct AirflowPool: Sendable, Hashable {
    /// The name.
    public let name: String
    /// How many task slots it has.
    public let slots: Int

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let name = reply.text("name") else { return nil }
        self.name = name
        slots = reply.int("slots") ?? 0
    }
}

/// A connection without its password, which the API never gives.
public struct AirflowConnection: Sendable, Hashable {
    /// The connection id.
    public var id: String
    /// The type: `redis`, `postgres`, …
    public var type: String
    /// The host.
    public var host: String?
    /// The port.
    public var port: Int?
    /// The user.
    public var login: String?
    /// The database, as the type calls it.
    public var schema: String?
    /// The type's own settings: an object.
    public var extra: JSON?
    /// A note for people.
    public var note: String?

    /// A connection to be made.
    public init(
        id: String,
        type: String,
        host: String?,
        port: Int?,
        login: String?,
        schema: String?,
        extra: JSON?,
        note: String?
    ) {
        self.id = id
        self.type = type
        self.host = host
        self.port = port
        self.login = login
        self.schema = schema
        self.extra = extra
        self.note = note
    }

    init?(_ json: JSON) {
        let reply = AirflowReply(json: json)
        guard let id = reply.text("connection_id") else { return nil }
        self.init(
            id: id,
            type: reply.text("conn_type") ?? "",
            host: reply.text("host"),
            port: reply.int("port"),
            login: reply.text("login"),
            schema: reply.text("schema"),
            extra: reply.text("extra").flatMap { try? JSON(parsing: $0) },
            note: reply.text("description")
        )
    }
}
