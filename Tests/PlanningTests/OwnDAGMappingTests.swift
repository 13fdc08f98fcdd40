import Migration
import Planning
import Schedules
import Testing

@Suite("A DAG file that a person has written, in its mapping") struct OwnDAGMappingTests {
    private func plan(_ text: String) throws -> Plan {
        let entries = [try Samples.entry("daily", Samples.crontab("0 2 * * *")), Samples.jobType("export")]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: ["airflow"],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: [("mappings/p.yaml", text)]) { _, path in path.hasSuffix(".py") ? "# \(path)\n" : nil }
    }

    @Test func itsTextIsWhatRuns() throws {
        let text = """
            pipeline: p
            dag: {file: own/p.py, without_gate: own/later.py, environment: airflow}
            tasks:
              group.a: {entry: scheduler/daily, expected: 5m}
            """
        let plan = try plan(text)
        #expect(plan.findings.filter { $0.severity == .error }.isEmpty)
        let dag = try #require(plan.pipelines.first { $0.dag.id == "p" }).dag
        #expect(
            dag.own
                == OwnDAG(
                    file: "own/p.py",
                    text: "# own/p.py\n",
                    withoutGate: "# own/later.py\n",
                    environment: "airflow"
                )
        )
        #expect(dag.tasks.map(\.body) == [.own] && dag.tasks[0].shadow == .observe)
        #expect(dag.clock.driver?.description == "scheduler/daily")
        var other = dag
        other.own?.text += "\n"
        #expect(other.form != dag.form, "what was compared with another text says nothing of this one")
    }

    @Test func whatItRefuses() throws {
        let dag = "dag: {file: p.py, environment: airflow}"
        let a = "tasks: {a: {entry: scheduler/daily}}"
        let table = [
            ("\(dag)\ntasks: {a: {entry: scheduler/daily, retries: 2}}", "“retries” stands in the file"),
            ("\(dag)\ntasks: {a: {entry: scheduler/daily, python: {callable: 'm:f'}}}", "“python” stands in the file"),
            ("\(dag)\n\(a)\ndefaults: {retries: 1}", "“defaults” stands in the file"),
            ("\(dag)\nsla: 1h\n\(a)", "“sla” stands in the file"),
            ("dag: {file: p.yaml, environment: airflow}\n\(a)", "cannot be read"),
            ("dag: {file: ../p.py, environment: airflow}\n\(a)", "in the mapping's folder"),
            ("dag: {file: p.py}\n\(a)", "“environment” is missing"),
            ("dag: {file: p.py, environment: arflow}\n\(a)", "“arflow” is not among"),
            (
                "dag: {file: p.py, environment: airflow}\nschedule: {interval: 1h}\ntasks: {a: {entry: jobs/export}}",
                "is a job type"
            ),
            ("\(dag)\nschedule: {assets: ['s3://a/b']}\ntasks: {}", "that assets start"),
        ]
        for (text, words) in table {
            let found = try plan("pipeline: p\n\(text)\n").findings.filter { $0.severity == .error }.map(\.text)
            #expect(found.contains { $0.contains(words) }, "\(text): \(found)")
        }
        #expect(try plan("pipeline: p\n\(dag)\n\(a)\n").findings.allSatisfy { $0.severity != .error })
    }

    @Test func aWaitIsNotRepeated() throws {
        let wait = "wait_for: {pipeline: q, within: 1h}"
        func found(_ task: String) throws -> Plan {
            try plan(
                "pipeline: p\ndefaults: {retries: 3, retry_delay: 1m}\nschedule: {crontab: '0 3 * * *'}\ntasks: {w: \(task), b: {command: [x], after: [w]}}\n"
            )
        }
        let said = try found("{\(wait), retries: 1}").findings.map(\.text)
        #expect(said.contains { $0.contains("“retries” does not go with “wait_for”") })
        #expect(try found("{\(wait), retries: 0}").findings.allSatisfy { !$0.text.contains("does not go with") })
        #expect(try found("{\(wait)}").findings.allSatisfy { !$0.text.contains("does not go with") })
    }
}
