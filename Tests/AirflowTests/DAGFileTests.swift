import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("DAG files") struct DAGFileTests {
    /// Set `BAILEY_WRITE_GOLDEN=1` to write the files anew, and read the difference before committing it.
    private func golden(_ name: String, _ text: String) throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
        if ProcessInfo.processInfo.environment["BAILEY_WRITE_GOLDEN"] == "1" {
            try text.write(to: path, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: path, encoding: .utf8) == text)
    }

    /// A worker has no sandbox: what must not run without one is observed there.
    @Test func mappedTasksHaveNoLimitOfTimeIn211() throws {
        var (flows, queue) = (try ExampleDAGs.flows(), try ExampleDAGs.queue())
        (flows.sla, queue.sla) = (3600, 3600)
        for (dag, gated, count) in [(flows, true, 1), (flows, false, 1), (queue, true, queue.tasks.count)] {
            let file = ExampleDAGs.file(dag, .airflow211, gated: gated)
            #expect(file.text.matches(of: /sla=None/).count == count, "\(file.text)")
            #expect(!ExampleDAGs.file(dag, gated: gated).text.contains("sla=None"))
        }
    }

    @Test func whatNeedsASandboxIsOnlyObserved() throws {
        var dag = try ExampleDAGs.training()
        dag.tasks = [TaskDefinition(id: "a", body: .command(CommandLine(arguments: ["x"])), shadow: .sandbox)]
        let text = ExampleDAGs.file(dag).text
        #expect(text.contains(#"shadow="observe""#) && !text.contains("sandbox"))
    }

    @Test func filesAreAsTheyAlwaysWere() throws {
        let dag = try ExampleDAGs.training()
        try golden("airflow3.py", ExampleDAGs.file(dag).text)
        try golden("airflow211.py", ExampleDAGs.file(dag, .airflow211).text)
        try golden("ungated.py", ExampleDAGs.file(dag, gated: false).text)
        var exact = dag
        let schedule = Schedule.crontab(try Crontab(cronOrder: "30 2 25-31 * sun"))
        let zone = try ZoneDatabase().zone("Europe/Berlin")
        exact.clock.schedule = schedule
        exact.clock.timetable = Equivalence.target(for: schedule, in: zone, from: Instant(seconds: 1_795_392_000)).0
        exact.tasks = [TaskDefinition(id: "lost", body: .untranslatable(reason: "nobody knows"))]
        exact.missedTicks = .every
        exact.name = "Ménage of the last Sunday"
        try golden("exact.py", ExampleDAGs.file(exact).text)
        try golden("flows.py", ExampleDAGs.file(ExampleDAGs.flows()).text)
        try golden("ungated_flows.py", ExampleDAGs.file(ExampleDAGs.flows(), gated: false).text)
        try golden("ungated_flows211.py", ExampleDAGs.file(ExampleDAGs.flows(), .airflow211, gated: false).text)
        try golden("data.py", ExampleDAGs.file(ExampleDAGs.data()).text)
        try golden("ungated_data.py", ExampleDAGs.file(ExampleDAGs.data(), gated: false).text)
        try golden("waits.py", ExampleDAGs.file(ExampleDAGs.waits()).text)
        try golden("waits211.py", ExampleDAGs.file(ExampleDAGs.waits(), .airflow211).text)
        try golden("ungated_waits.py", ExampleDAGs.file(ExampleDAGs.waits(), gated: false).text)
        try golden("notify.py", ExampleDAGs.file(ExampleDAGs.telling()).text)
        try golden("notify211.py", ExampleDAGs.file(ExampleDAGs.telling(), .airflow211).text)
        try golden("ungated_notify.py", ExampleDAGs.file(ExampleDAGs.telling(), gated: false).text)
        try golden("crontab_line.py", ExampleDAGs.file(ExampleDAGs.crontabLine()).text)
        try golden("queue.py", ExampleDAGs.file(ExampleDAGs.queue()).text)
        try golden("ungated_queue.py", ExampleDAGs.ungatedQueue().text)
        try golden("ungated_queue211.py", ExampleDAGs.ungatedQueue(.airflow211).text)
        try golden("jobs_start.py", ExampleDAGs.file(ExampleDAGs.awaiting(ExampleDAGs.queue(), 5)).text)
        try golden("ungated_jobs_start.py", ExampleDAGs.ungatedQueue(jobsEvery: 2.5).text)
    }

    /// Nobody can be asked, so that no connection is needed, and whatever else the pipeline has waits for the same answer.
    @Test func aGateWithoutASwitchAsksNobody() throws {
        var dag = try ExampleDAGs.crontabLine()
        let file = ExampleDAGs.file(dag)
        #expect(file.connections.isEmpty && file.requirements == ["bailey-runtime"])
        #expect(file.text.contains("switched=False"))
        dag.entries.insert(EntryID(source: "scheduler", name: "retrain"), at: 0)
        #expect(ExampleDAGs.file(dag).text.contains(#"gate = BaileyGate("#))
        #expect(ExampleDAGs.file(dag).text.contains(#"source="cron""#))
        #expect(ExampleDAGs.file(dag).text.contains("switched=False"))
        #expect(!ExampleDAGs.file(try ExampleDAGs.training()).text.contains("switched"))
    }

    @Test func channelsAreConnectionsAndOnlyThoseThatAreTold() throws {
        let dag = try ExampleDAGs.telling()
        #expect(
            ExampleDAGs.file(dag).connections.keys.filter { $0.hasPrefix("bailey_alert_") }.sorted() == [
                "bailey_alert_mail", "bailey_alert_ops",
            ]
        )
        // Without a gate nobody is told of what is late.
        let ungated = ExampleDAGs.file(dag, gated: false)
        #expect(ungated.connections.keys.sorted() == ["bailey_alert_ops"])
        #expect(!ungated.requirements.contains("bailey-runtime"))
    }

    @Test func withoutAGateJobsAreTakenWithoutTheRuntime() throws {
        let file = try ExampleDAGs.ungatedQueue()
        #expect(!file.text.contains("bailey_runtime") && !file.text.contains("gate"))
        #expect(file.requirements == ["apache-airflow-providers-postgres"])
        #expect(file.connections.keys.sorted() == ["bailey_jobs"])
        #expect(
            file.structure == ["take_export": ["export"], "export": ["take_mail"], "take_mail": ["mail"], "mail": []]
        )
        // Of a table that can only be read nothing is taken, and the task says so.
        let unread = ExampleDAGs.file(try ExampleDAGs.queue(), gated: false)
        #expect(!unread.text.contains("_due_jobs") && unread.text.contains("raise RuntimeError"))
    }

    @Test func whatWaitsForJobsStandsBeforeAllElse() throws {
        let file = try ExampleDAGs.ungatedQueue(jobsEvery: 5)
        #expect(!file.text.contains("bailey_runtime") && file.structure["wait_for_jobs"] == ["take_export"])
        // A table of which nothing can be taken is not looked at without end.
        let unread = ExampleDAGs.file(ExampleDAGs.awaiting(try ExampleDAGs.queue(), 5), gated: false)
        #expect(!unread.text.contains("@continuous") && unread.text.contains("schedule=None"))
    }

    @Test func airflowShallShowTheGateAndTheTasksThatTakeJobs() throws {
        #expect(
            ExampleDAGs.file(try ExampleDAGs.queue()).structure == [
                "gate": ["take_export"], "take_export": ["export"], "export": ["take_mail"], "take_mail": ["mail"],
                "mail": [],
            ]
        )
        let training = try ExampleDAGs.training()
        #expect(ExampleDAGs.file(training).structure["gate"] == ["first", "lost"])
        #expect(ExampleDAGs.file(training).structure["first"] == ["report", "tidy.up"])
        #expect(ExampleDAGs.file(training, gated: false).structure["gate"] == nil)
    }

    @Test func aSourceThatNobodyNamedIsAskedForAllTheSame() throws {
        let text = DAGFile(
            try ExampleDAGs.training(),
            words: "",
            target: .airflow3,
            gated: true,
            sources: [:],
            environments: [:]
        ).text
        #expect(text.contains("entries=[\"retrain\"]"))
    }

    @Test func findingsAreNamedWhereTheyConcern() throws {
        var dag = try ExampleDAGs.training()
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
        let file = ExampleDAGs.file(try ExampleDAGs.data())
        #expect(file.connections.keys.sorted() == ["agents", "shop", "warehouse"])
        #expect(file.requirements.contains("psycopg"))
        #expect(!ExampleDAGs.file(try ExampleDAGs.data(), gated: false).text.contains("bailey_runtime.dag"))
        // A copy within one database has one connection.
        var within = try ExampleDAGs.data()
        guard case .copy(var call) = within.tasks[1].body else { return }
        call.source = call.target
        within.tasks[1].body = .copy(call)
        #expect(ExampleDAGs.file(within).connections.keys.sorted() == ["agents", "warehouse"])
    }

    @Test func requirementsPoolsAndConnectionsAreNamed() throws {
        let file = ExampleDAGs.file(try ExampleDAGs.training())
        #expect(file.requirements == ["bailey-runtime", "celery", "redis"])
        #expect(ExampleDAGs.file(try ExampleDAGs.training(), gated: false).requirements == ["celery", "redis"])
        let queue = ExampleDAGs.file(try ExampleDAGs.queue())
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
        // Of what pip may look for on an index Bailey's own package is none.
        let asked = notes[0].text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(asked == ["celery", "redis"] && notes[0].text.contains("# bailey-runtime: the wheel"))
        #expect(try JSON(parsing: notes[1].text) == ["gpu": ["slots": 3, "description": "two cards"]])
        // Of a pool that nobody declared nobody knows the slots.
        #expect(try JSON(parsing: DAGNotes(files: [file], pools: []).texts[1].text) == [:])
    }

    @Test func whatCannotBeTranslatedFailsWithItsReason() throws {
        #expect(ExampleDAGs.file(try ExampleDAGs.training()).text.contains("reason=\"nobody knows what it did\""))
        #expect(
            ExampleDAGs.file(try ExampleDAGs.training(), gated: false).text.contains(
                "raise RuntimeError(\"nobody knows what it did\")"
            )
        )
    }
}
