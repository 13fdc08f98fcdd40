import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("DAG files") struct DAGFileTests {
    private let zones = ZoneDatabase()

    /// A pipeline that uses what the writer knows.
    private func training() throws -> DAGDefinition {
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
        report.conditions = [TaskCondition(task: "first", path: [.key("models"), .index(0)], test: .equals("churn"))]
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

    private func file(_ dag: DAGDefinition, _ target: DAGFile.Target = .airflow3, gated: Bool = true) -> DAGFile {
        DAGFile(
            dag,
            words: "at 09:00 from Monday to Friday",
            target: target,
            gated: gated,
            sources: ["scheduler": .redbeat(prefix: "redbeat:", ownResults: false), "jobs": .queue(nil)],
            environments: ["company": ("/opt/company/bin/python", ["/opt/company"], ["MODE": "batch"])]
        )
    }

    /// Set `BAILEY_WRITE_GOLDEN=1` to write the files anew, and read the difference before committing it.
    private func golden(_ name: String, _ text: String) throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
        if ProcessInfo.processInfo.environment["BAILEY_WRITE_GOLDEN"] == "1" {
            try text.write(to: path, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: path, encoding: .utf8) == text)
    }

    @Test func filesAreAsTheyAlwaysWere() throws {
        let dag = try training()
        try golden("airflow3.py", file(dag).text)
        try golden("airflow211.py", file(dag, .airflow211).text)
        try golden("ungated.py", file(dag, gated: false).text)
        var exact = dag
        let schedule = Schedule.crontab(try Crontab(cronOrder: "30 2 25-31 * sun"))
        let zone = try zones.zone("Europe/Berlin")
        exact.clock.schedule = schedule
        exact.clock.timetable = Equivalence.target(for: schedule, in: zone, from: Instant(seconds: 1_795_392_000)).0
        exact.tasks = [TaskDefinition(id: "lost", body: .untranslatable(reason: "nobody knows"))]
        exact.missedTicks = .every
        exact.name = "Ménage of the last Sunday"
        try golden("exact.py", file(exact).text)
        try golden("flows.py", file(flows()).text)
        try golden("ungated_flows.py", file(flows(), gated: false).text)
        try golden("ungated_flows211.py", file(flows(), .airflow211, gated: false).text)
        try golden("data.py", file(data()).text)
        try golden("ungated_data.py", file(data(), gated: false).text)
        try golden("waits.py", file(waits()).text)
        try golden("waits211.py", file(waits(), .airflow211).text)
        try golden("ungated_waits.py", file(waits(), gated: false).text)
        try golden("queue.py", file(queue()).text)
        try golden("ungated_queue.py", ungatedQueue().text)
        try golden("ungated_queue211.py", ungatedQueue(.airflow211).text)
    }

    /// A pipeline whose tasks hand values on, and that a person may give some.
    private func flows() throws -> DAGDefinition {
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
            TaskCondition(task: "prepare", path: [.key("drift")], test: .isIn(["high", "medium"])),
            TaskCondition(task: "prepare", path: [.key("rows")], test: .exists(true)),
        ]
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
            tasks: [prepare, train]
        )
        dag.parameters = [
            RunParameter(name: "models", kind: .array, standard: ["a", "«é»"], summary: "which models"),
            RunParameter(name: "level", kind: .string, standard: "low", choices: ["low", "high"]),
            RunParameter(name: "rate", kind: .number, standard: try JSON(parsing: "2.50")),
        ]
        return dag
    }

    /// A pipeline whose tasks move data.
    private func data() throws -> DAGDefinition {
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
    private func waits() throws -> DAGDefinition {
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
    private func queue() throws -> DAGDefinition {
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

    /// The same without a gate, of a queue whose jobs can be taken so.
    private func ungatedQueue(_ target: DAGFile.Target = .airflow3) throws -> DAGFile {
        let statements = QueueStatements(
            due: "SELECT due",
            claim: "UPDATE claim",
            own: "SELECT own",
            success: "UPDATE success",
            retry: "UPDATE retry",
            failure: "UPDATE failure"
        )
        return DAGFile(
            try queue(),
            words: "at 09:00 from Monday to Friday",
            target: target,
            gated: false,
            sources: ["jobs": .queue(statements)],
            environments: ["company": ("/opt/company/bin/python", ["/opt/company"], ["MODE": "batch"])]
        )
    }

    @Test func withoutAGateJobsAreTakenWithoutTheRuntime() throws {
        let file = try ungatedQueue()
        #expect(!file.text.contains("bailey_runtime") && !file.text.contains("gate"))
        #expect(file.requirements == ["apache-airflow-providers-postgres"])
        #expect(file.connections.keys.sorted() == ["bailey_jobs"])
        #expect(
            file.structure == ["take_export": ["export"], "export": ["take_mail"], "take_mail": ["mail"], "mail": []]
        )
        // Of a table that can only be read nothing is taken, and the task says so.
        let unread = self.file(try queue(), gated: false)
        #expect(!unread.text.contains("_due_jobs") && unread.text.contains("raise RuntimeError"))
    }

    @Test func airflowShallShowTheGateAndTheTasksThatTakeJobs() throws {
        #expect(
            file(try queue()).structure == [
                "gate": ["take_export"], "take_export": ["export"], "export": ["take_mail"], "take_mail": ["mail"],
                "mail": [],
            ]
        )
        let training = try training()
        #expect(file(training).structure["gate"] == ["first", "lost"])
        #expect(file(training).structure["first"] == ["report", "tidy.up"])
        #expect(file(training, gated: false).structure["gate"] == nil)
    }

    @Test func aSourceThatNobodyNamedIsAskedForAllTheSame() throws {
        let text = DAGFile(
            try training(),
            words: "",
            target: .airflow3,
            gated: true,
            sources: [:],
            environments: [:]
        ).text
        #expect(text.contains("entries=[\"retrain\"]"))
    }

    @Test func findingsAreNamedWhereTheyConcern() throws {
        var dag = try training()
        dag.tasks[0].produces = ["s3://models/churn"]
        let text = DAGFile(
            dag,
            words: "",
            target: .airflow3,
            gated: true,
            sources: [:],
            findings: [
                Finding(.unclassifiedBody, entry: dag.entries[0], text: "something that changes"),
                Finding(.absorbedEntry, pipeline: dag.id, text: ""),
            ],
            environments: [:]
        ).text
        #expect(text.contains("legacy entry `scheduler/retrain`.\\n\\n* finding \(FindingCode.unclassifiedBody)"))
        #expect(text.contains("\\n* finding \(FindingCode.absorbedEntry)"))
        #expect(!text.contains("something that changes"))
        #expect(text.contains("outlets=[Asset(\"s3://models/churn\")]"))
    }

    @Test func connectionsThatBodiesNameAreAirflowsOwn() throws {
        let file = file(try data())
        #expect(file.connections.keys.sorted() == ["agents", "shop", "warehouse"])
        #expect(file.requirements.contains("psycopg"))
        #expect(!self.file(try data(), gated: false).text.contains("bailey_runtime.dag"))
        // A copy within one database has one connection.
        var within = try data()
        guard case .copy(var call) = within.tasks[1].body else { return }
        call.source = call.target
        within.tasks[1].body = .copy(call)
        #expect(self.file(within).connections.keys.sorted() == ["agents", "warehouse"])
    }

    @Test func requirementsPoolsAndConnectionsAreNamed() throws {
        let file = file(try training())
        #expect(file.requirements == ["bailey-runtime", "celery", "redis"])
        #expect(self.file(try training(), gated: false).requirements == ["celery", "redis"])
        let queue = self.file(try queue())
        #expect(queue.requirements == ["apache-airflow-providers-postgres", "bailey-runtime"])
        #expect(queue.connections.keys.sorted() == ["bailey_jobs"])
        #expect(file.pools == ["gpu"])
        #expect(file.connections.keys.sorted() == ["bailey_scheduler"])
        let place = SourceLocation(file: "bailey.yaml", line: 3)
        let pools = [
            Pool(name: "gpu", slots: 3, summary: "two cards", location: place),
            Pool(name: "other", slots: 2, location: place),
        ]
        let notes = DAGNotes(files: [file], pools: pools).texts
        #expect(
            notes.map(\.name) == [
                "bailey-requirements.txt", "bailey-pools.json", "bailey-connections.txt", "bailey-variables.txt",
            ]
        )
        #expect(try JSON(parsing: notes[1].text) == ["gpu": ["slots": 3, "description": "two cards"]])
        // Of a pool that nobody declared nobody knows the slots.
        #expect(try JSON(parsing: DAGNotes(files: [file], pools: []).texts[1].text) == [:])
    }

    @Test func whatCannotBeTranslatedFailsWithItsReason() throws {
        #expect(file(try training()).text.contains("reason=\"nobody knows what it did\""))
        #expect(file(try training(), gated: false).text.contains("raise RuntimeError(\"nobody knows what it did\")"))
    }
}
