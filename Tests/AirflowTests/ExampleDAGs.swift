import Airflow
import LosslessJSON
import Migration
import Schedules

/// Pipelines that between them use all that a DAG file can say, and their files.
enum ExampleDAGs {
    private static let zones = ZoneDatabase()

    /// A pipeline that uses what the writer knows.
    static func training() throws -> DAGDefinition {
        let zone = try zones.zone("Europe/Berlin")
        let crontab = Schedule.crontab(try Crontab(cronOrder: "0 9 * * 1-5"))
        let (timetable, _) = Equivalence.target(for: crontab, in: zone, from: Instant(seconds: 1_795_392_000))
        let driver = EntryID(source: "scheduler", name: "retrain")
        var sending = CelerySending()
        sending.configuration = CeleryConfiguration(json: [
            "celery": [5, 7], "workers": ["celery@ml"], "broker": "redis://:**@h/0", "backend": "redis://h/1",
            "settings": ["task_default_queue": "work", "task_compression": nil],
            "queues": [
                ["name": "ml", "exchange": ["name": "ml", "type": "direct", "arguments": nil], "routing_key": "ml"]
            ],
            "tasks": ["ml.train": ["priority": 3], "ml.other": [:]], "silent": [], "disagree": [],
        ])
        var first = TaskDefinition(
            id: "first",
            entry: driver,
            body: .celery(
                CeleryCall(
                    source: "scheduler",
                    task: "ml.retrain",
                    args: [["churn", "fraud"]],
                    kwargs: ["note": "«Привет» {{ ds }} \"'\\"],
                    options: ["queue": "ml", "priority": 3],
                    sending: sending
                )
            ),
            retry: RetryPolicy(retries: 2, delay: 60, backoff: 2, maximumDelay: 600),
            timeout: 3600
        )
        first.pool = "gpu"
        first.queue = "heavy"
        first.priority = 5
        first.group = "training"
        let python = PythonCall(
            callable: "ml.report:make",
            environment: "company",
            args: try JSON(parsing: "[1, 2.50]"),
            kwargs: ["deep": true]
        )
        var report = TaskDefinition(id: "report", body: .python(python), after: ["first"])
        report.conditions = [
            TaskChoice(TaskCondition(task: "first", path: [.key("models"), .index(0)], test: .equals("churn")))
        ]
        return DAGDefinition(
            id: "ml-training",
            name: "ml-training",
            summary: "Retrains.\nThen reports.",
            owner: "ml",
            tags: ["bailey", "ml"],
            clock: PipelineClock(driver: driver, schedule: crontab, timezone: "Europe/Berlin", timetable: timetable),
            sla: 1800,
            entries: [driver],
            tasks: [
                first, report,
                TaskDefinition(
                    id: "tidy.up",
                    body: .command(
                        CommandLine(arguments: ["tidy", "--all"], environment: ["A": "1"], directory: "/srv")
                    ),
                    after: ["first", "report"],
                    triggerRule: .allDone
                ),
                TaskDefinition(id: "lost", body: .untranslatable(reason: "nobody knows what it did")),
            ]
        )
    }

    /// A pipeline that tells people what becomes of it.
    static func telling() throws -> DAGDefinition {
        var load = TaskDefinition(
            id: "load",
            body: .command(CommandLine(arguments: ["load"])),
            retry: RetryPolicy(retries: 2, delay: 60)
        )
        (load.sla, load.notify) = (600, Notifications([.failed: ["ops"], .retried: ["ops"], .late: ["mail"]]))
        var dag = DAGDefinition(
            id: "telling",
            name: "telling",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            sla: 3600,
            entries: [],
            tasks: [
                load, TaskDefinition(id: "quiet", body: .command(CommandLine(arguments: ["tidy"])), after: ["load"]),
            ]
        )
        dag.notify = Notifications([.failed: ["ops"], .late: ["ops", "mail"]])
        return dag
    }

    /// A pipeline whose tasks hand values on, and that a person may give some.
    static func flows() throws -> DAGDefinition {
        let zone = try zones.zone("Europe/Berlin")
        let nightly = Schedule.crontab(try Crontab(cronOrder: "0 2 * * *"))
        var prepare = TaskDefinition(
            id: "prepare",
            body: .python(PythonCall(callable: "ml:prepare", args: [nil], kwargs: ["since": nil, "day": nil]))
        )
        prepare.inputs = [
            TaskInput(place: [.key("args"), .index(0)], source: .parameter("models")),
            TaskInput(place: [.key("kwargs"), .key("since")], source: .previousTick(.iso)),
            TaskInput(place: [.key("kwargs"), .key("day")], source: .tick(.date)),
        ]
        (prepare.pool, prepare.poolSlots, prepare.dependsOnPast) = ("ml", 2, true)
        var train = TaskDefinition(
            id: "train",
            body: .command(CommandLine(arguments: ["train"], input: ["rows": nil])),
            after: ["prepare"],
            shadow: .pure
        )
        train.inputs = [
            TaskInput(
                place: [.key("input"), .key("rows")],
                source: .result(task: "prepare", path: [.key("rows"), .index(0)])
            )
        ]
        train.conditions = [
            TaskChoice(TaskCondition(task: "prepare", path: [.key("drift")], test: .isIn(["high", "medium"]))),
            TaskChoice(any: [
                TaskCondition(task: "prepare", path: [.key("rows")], test: .exists(true)),
                TaskCondition(task: "prepare", path: [.key("force")], test: .equals(true)),
            ]),
        ]
        var each = TaskDefinition(
            id: "each",
            body: .python(PythonCall(callable: "ml:score", args: [nil], kwargs: [:])),
            after: ["prepare"],
            retry: RetryPolicy(retries: 1),
            shadow: .pure
        )
        each.items = TaskItems(task: "prepare", path: [.key("models")])
        each.inputs = [TaskInput(place: [.key("args"), .index(0)], source: .item(path: [.key("id")]))]
        each.conditions = [TaskChoice(TaskCondition(task: "prepare", path: [.key("rows")], test: .exists(true)))]
        var dag = DAGDefinition(
            id: "flows",
            name: "flows",
            clock: PipelineClock(
                driver: nil,
                schedule: nightly,
                timezone: "Europe/Berlin",
                timetable: Equivalence.target(for: nightly, in: zone, from: Instant(seconds: 1_795_392_000)).0
            ),
            entries: [],
            tasks: [prepare, train, each]
        )
        dag.parameters = [
            RunParameter(name: "models", kind: .array, standard: ["a", "«é»"], summary: "which models"),
            RunParameter(name: "level", kind: .string, standard: "low", choices: ["low", "high"]),
            RunParameter(name: "rate", kind: .number, standard: try JSON(parsing: "2.50")),
        ]
        return dag
    }

    /// A pipeline whose tasks move data.
    static func data() throws -> DAGDefinition {
        var dag = try flows()
        (dag.id, dag.name, dag.parameters) = ("data", "data", [])
        let statements = SQLStatement.all("-- it's 100 %\nDELETE FROM t WHERE day = :day;\nSELECT '«é»'")
        var clean = TaskDefinition(
            id: "clean",
            body: .sql(SQLCall(connection: "warehouse", statements: statements, parameters: ["day": nil])),
            shadow: .pure
        )
        clean.inputs = [TaskInput(place: [.key("params"), .key("day")], source: .tick(.date))]
        let query = SQLStatement.all("SELECT * FROM sales WHERE at >= :since")[0]
        var load = TaskDefinition(
            id: "load",
            body: .copy(
                CopyCall(
                    source: "shop",
                    query: query,
                    parameters: ["since": "2026-01-01"],
                    target: "warehouse",
                    table: ["mart", "sales"],
                    column: "at",
                    window: ["from": "2026-01-01", "until": nil],
                    environment: "company"
                )
            ),
            after: ["clean"]
        )
        load.inputs = [TaskInput(place: [.key("window"), .key("until")], source: .tick(.iso))]
        var ask = TaskDefinition(
            id: "ask",
            body: .http(HTTPCall(method: "POST", url: "/analyse", connection: "agents", expected: [200, 202])),
            after: ["load"],
            retry: RetryPolicy(retries: 2, delay: 60)
        )
        ask.inputs = [TaskInput(place: [.key("json")], source: .result(task: "load", path: []))]
        dag.tasks = [
            clean, load, ask,
            TaskDefinition(id: "after", body: .command(CommandLine(arguments: ["x"])), after: ["ask"]),
            TaskDefinition(
                id: "vacuum",
                body: .sql(
                    SQLCall(connection: "warehouse", statements: SQLStatement.all("VACUUM t"), isTransaction: false)
                ),
                after: ["ask"],
                triggerRule: .allDone
            ),
        ]
        return dag
    }

    /// A pipeline that assets start, whose tasks wait, read assets and are to be done in time.
    static func waits() throws -> DAGDefinition {
        var dag = try flows()
        (dag.id, dag.name, dag.parameters, dag.sla) = ("waits", "waits", [], nil)
        dag.clock = PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil)
        dag.clock.assets = ["s3://models/a", "x://b"]
        var wait = PipelineWait(pipeline: "feature-store", task: "update", within: 3600)
        wait.schedule = Schedule.crontab(try Crontab(cronOrder: "0 * * * *")).redbeatJSON ?? .null
        var train = TaskDefinition(
            id: "train",
            body: .command(CommandLine(arguments: ["train"])),
            after: ["wait"],
            shadow: .pure
        )
        (train.inlets, train.sla) = (["s3://models/a"], 1800)
        dag.tasks = [TaskDefinition(id: "wait", body: .wait(wait)), train]
        return dag
    }

    /// A pipeline of job types, with a schedule of its own.
    static func queue() throws -> DAGDefinition {
        let zone = try zones.zone("UTC")
        let minutely = Schedule.crontab(try Crontab(cronOrder: "* * * * *"))
        let exports = EntryID(source: "jobs", name: "export_data")
        let mails = EntryID(source: "jobs", name: "send email")
        let python = PythonCall(callable: "jobs:export", environment: "company", args: .null, kwargs: .null)
        var export = TaskDefinition(
            id: "export",
            entry: exports,
            body: .queue(QueueDrain(entry: exports, runs: .python(python), limit: 20)),
            produces: ["s3://warehouse/exports"],
            shadow: .pure
        )
        export.pool = "exports"
        let command = CommandLine(arguments: ["mail", "--from", "«é»"], environment: ["A": "1"])
        return DAGDefinition(
            id: "jobs",
            name: "jobs",
            clock: PipelineClock(
                driver: nil,
                schedule: minutely,
                timezone: "UTC",
                timetable: Equivalence.target(for: minutely, in: zone, from: Instant(seconds: 1_795_392_000)).0
            ),
            entries: [exports, mails],
            tasks: [
                export,
                TaskDefinition(
                    id: "mail",
                    entry: mails,
                    body: .queue(QueueDrain(entry: mails, runs: .command(command))),
                    after: ["export"],
                    triggerRule: .allDone,
                    redirect: ["SMTP": "nowhere"]
                ),
            ]
        )
    }

    /// A line of a crontab, which no switch moves, at times that only Bailey's timetable knows.
    static func crontabLine() throws -> DAGDefinition {
        let zone = try zones.zone("Europe/Berlin")
        let schedule = Schedule.cron(try CronExpression("30 2 */2 * mon", dialect: .vixie))
        let line = EntryID(source: "cron", name: "mail-67f71d")
        let arguments = [
            "/bin/sh", "-c", #"printf %s "$3" | "$1" -c "$2""#, "sh", "/bin/bash", "mail 'x' \"$USER\"", "a\nb\n",
        ]
        return DAGDefinition(
            id: "cron__mail",
            name: "mail",
            clock: PipelineClock(
                driver: line,
                schedule: schedule,
                timezone: "Europe/Berlin",
                timetable: Equivalence.target(for: schedule, in: zone, from: Instant(seconds: 1_795_392_000)).0
            ),
            missedTicks: .none,
            entries: [line],
            tasks: [TaskDefinition(id: "run", entry: line, body: .command(CommandLine(arguments: arguments)))]
        )
    }

    /// The file of a pipeline, among a RedBeat, a queue and a crontab.
    static func file(_ dag: DAGDefinition, _ target: DAGFile.Target = .airflow3, gated: Bool = true) -> DAGFile {
        DAGFile(
            dag,
            words: "at 09:00 from Monday to Friday",
            target: target,
            gated: gated,
            sources: [
                "scheduler": .redbeat(prefix: "redbeat:", ownResults: false), "jobs": .queue(nil), "cron": .unswitched,
            ],
            environments: ["company": ("/opt/company/bin/python", ["/opt/company"], ["MODE": "batch"])]
        )
    }

    /// The same, started by due jobs.
    static func awaiting(_ dag: DAGDefinition, _ seconds: Double?) -> DAGDefinition {
        var dag = dag
        dag.clock = PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil)
        dag.clock.jobsEvery = seconds
        return dag
    }

    /// The same without a gate, of a queue whose jobs can be taken so.
    static func ungatedQueue(_ target: DAGFile.Target = .airflow3, jobsEvery: Double? = nil) throws -> DAGFile {
        let statements = QueueStatements(
            due: "SELECT due",
            claim: "UPDATE claim",
            own: "SELECT own",
            success: "UPDATE success",
            retry: "UPDATE retry",
            failure: "UPDATE failure"
        )
        var dag = try queue()
        if jobsEvery != nil { dag = awaiting(dag, jobsEvery) }
        return DAGFile(
            dag,
            words: "at 09:00 from Monday to Friday",
            target: target,
            gated: false,
            sources: ["jobs": .queue(statements)],
            environments: ["company": ("/opt/company/bin/python", ["/opt/company"], ["MODE": "batch"])]
        )
    }
}
