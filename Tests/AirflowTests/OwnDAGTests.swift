import Airflow
import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("A DAG file that a person has written") struct OwnDAGTests {
    private static let now = Instant(seconds: 1_795_392_000)  // 2026-11-23T00:00:00Z
    private static let sources: [String: DAGSource] = [
        "scheduler": .redbeat(prefix: "redbeat:", ownResults: false),
        "rows": .djangoBeat(ownResults: false, ownBroker: false),
    ]

    /// A pipeline of two entries, the first of which drives it.
    private func dag(_ source: String = "scheduler") throws -> DAGDefinition {
        let (night, backup) = (EntryID(source: source, name: "night"), EntryID(source: source, name: "backup"))
        let schedule = Schedule.crontab(try Crontab(cronOrder: "0 2 * * *"))
        let clock = PipelineClock(
            driver: night,
            schedule: schedule,
            timezone: "UTC",
            timetable: .exact(schedule, zone: .utc)
        )
        var dag = DAGDefinition(
            id: "p",
            name: "p",
            clock: clock,
            entries: [night, backup],
            tasks: [
                TaskDefinition(id: "work", entry: night, body: .own),
                TaskDefinition(id: "keep.backup", entry: backup, body: .own),
            ]
        )
        dag.own = OwnDAG(file: "p.py", text: "", withoutGate: "", environment: "airflow")
        return dag
    }

    private func task(_ id: String, _ downstream: [String], _ more: JSON = [:]) -> JSON {
        let plain: JSON = [
            "task_id": .string(id), "downstream_task_ids": .array(downstream.map { .string($0) }), "is_empty": false,
            "is_bailey": false, "is_held": true, "is_called_before": false, "starts_in_triggerer": false, "entry": nil,
            "gate": nil,
        ]
        return plain.with(more)
    }

    /// What the probe tells of a good file, with some of it changed.
    private func answer(tasks: [JSON]? = nil, gate: JSON = [:], dag: JSON = [:], whole: JSON = [:]) -> String {
        let asks: JSON = [
            "kinds": ["bailey_runtime.gate_task.BaileyGate"], "source": "scheduler", "entries": ["night", "backup"],
            "job_types": [], "prefix": "redbeat:", "missed_ticks": "coalesce", "late_after": 300, "timezone": "UTC",
        ]
        let first = task("gate", ["work", "free"], ["is_bailey": true, "gate": asks.with(gate)])
        let rest =
            tasks ?? [
                task("work", ["keep.backup"], ["is_bailey": true, "entry": "scheduler/night"]),
                task("keep.backup", [], ["entry": "scheduler/backup"]), task("free", ["end"]),
                task("end", [], ["is_empty": true, "is_held": false]),
            ]
        let plain: JSON = [
            "dag_id": "p", "tags": ["a", "bailey"], "catchup": false, "of_intervals": false,
            "ticks": ["2026-11-23T02:00:00.000000Z", "2026-11-24T02:00:00.000000Z"], "tasks": .array([first] + rest),
        ]
        let all: JSON = ["version": "3.3.2", "errors": [], "dags": [plain.with(dag)]]
        return all.with(whole).text()
    }

    private func faults(_ answer: String, source: String = "scheduler", gated: Bool = true) throws -> [String] {
        let sight = try #require(OwnDAGSight(answer: answer))
        return OwnDAGCheck(try dag(source), sight, gated: gated, sources: OwnDAGTests.sources, now: OwnDAGTests.now)
            .faults
    }

    @Test func aGoodOneHasNoFault() throws {
        #expect(try faults(answer()) == [])
    }

    @Test func whatIsWrongIsNamed() throws {
        let good = [
            task("work", ["keep.backup"], ["is_bailey": true, "entry": "scheduler/night"]),
            task("keep.backup", [], ["entry": "scheduler/backup"]),
        ]
        let work = task("work", [], ["is_bailey": true, "entry": "scheduler/night"])
        let asks: JSON = ["gate": ["entries": []], "is_bailey": true]
        let one = try #require(try JSON(parsing: answer())["dags"]?[0])
        let table: [(String, String)] = [
            (answer(whole: ["version": nil]), "has no Airflow"),
            (answer(whole: ["errors": ["ModuleNotFoundError: No module named 'bailey_runtime'"]]), "Install the wheel"),
            (answer(whole: ["errors": ["SyntaxError: invalid syntax (p.py, line 3)"]]), "invalid syntax"),
            (answer(whole: ["dags": []]), "holds none"),
            (answer(whole: ["dags": [one, one.with(["dag_id": "q"])]]), "hold one DAG, “p”, and holds “p”, “q”"),
            (answer(dag: ["dag_id": "q"]), "its DAG is “q”"),
            (answer(dag: ["tags": ["a"]]), "lacks the tag “bailey”"), (answer(dag: ["catchup": true]), "has catchup"),
            (answer(dag: ["of_intervals": true]), "CronTriggerTimetable"),
            (answer(dag: ["ticks": []]), "it has no schedule"),
            (
                answer(dag: ["ticks": ["2026-11-23T02:00:00.000000Z", "2026-11-24T03:00:00.000000Z"]]),
                "it is due at 2026-11-24T03:00:00Z, and the pipeline at 2026-11-24T02:00:00Z"
            ),
            (answer(dag: ["tasks": .array(good)]), "it has no gate"),
            (answer(tasks: good + [task("second", [], asks)]), "it has one gate"),
            (
                answer(gate: ["entries": ["night"]]),
                #"its gate has entries=["night"], and this pipeline's has ["night","backup"]"#
            ),
            (answer(gate: ["source": "other"]), "source="), (answer(gate: ["missed_ticks": "every"]), "missed_ticks="),
            (answer(gate: ["timezone": "Europe/Berlin"]), "timezone="), (answer(gate: ["prefix": "x:"]), "prefix="),
            (answer(tasks: good + [task("lost", [])]), "“lost” does not wait for the gate"),
            (answer(tasks: good + [task("first", ["gate"])]), "its gate waits for another task"),
            (
                answer(tasks: good + [task("free", [], ["is_held": false])]),
                "“free” would run where the tick is not Airflow's"
            ),
            (answer(tasks: good + [task("free", [], ["starts_in_triggerer": true])]), "begins in the triggerer"),
            (answer(tasks: good + [task("free", [], ["is_called_before": true])]), "on_execute_callback"),
            (answer(tasks: [work]), "it has no task “keep.backup”"),
            (
                answer(tasks: [work.with(["downstream_task_ids": ["keep.backup"]]), task("keep.backup", [])]),
                "only_live(\"scheduler/backup\")"
            ),
            (answer(tasks: [good[0].with(["entry": "scheduler/x"]), good[1]]), "says that it stands for scheduler/x"),
        ]
        for (answer, words) in table {
            let found = try faults(answer)
            #expect(found.contains { $0.contains(words) }, "\(words): \(found)")
        }
    }

    @Test func aSourceWithAGateOfItsOwnNeedsThatOne() throws {
        #expect(try faults(answer(gate: ["source": "rows"]), source: "rows").contains { $0.contains("DjangoBeatGate") })
        let kinds: JSON = ["kinds": ["bailey_runtime.django_gate.DjangoBeatGate"], "source": "rows"]
        let tasks = [
            task("work", ["keep.backup"], ["is_bailey": true, "entry": "rows/night"]),
            task("keep.backup", [], ["entry": "rows/backup"]),
        ]
        #expect(try faults(answer(tasks: tasks, gate: kinds), source: "rows") == [])
    }

    @Test func whatGoesOnWithoutAGateHasNothingOfBaileys() throws {
        let free: JSON = ["is_held": false]
        let tasks = ["work", "keep.backup"].map { task($0, [], free) }
        #expect(try faults(answer(dag: ["tasks": .array(tasks)]), gated: false) == [])
        let other = answer(dag: ["tasks": [task("work", [], free)]])
        #expect(try faults(other, gated: false).contains { $0.contains("it has no task “keep.backup”") })
        #expect(try faults(answer(), gated: false).contains { $0.contains("go on without Bailey") })
    }

    @Test func anIntervalIsComparedByItsLength() throws {
        var dag = try dag()
        let schedule = Schedule.interval(try Interval(seconds: 90))
        dag.clock.schedule = schedule
        dag.clock.timetable = .exact(schedule, zone: .utc)
        for (ticks, isEqual) in [(["00:00:07", "00:01:37"], true), (["00:00:07", "00:02:07"], false)] {
            let text = answer(dag: ["ticks": .array(ticks.map { .string("2026-11-23T\($0).000000Z") })])
            let sight = try #require(OwnDAGSight(answer: text))
            let found = OwnDAGCheck(dag, sight, gated: true, sources: OwnDAGTests.sources, now: OwnDAGTests.now).faults
            #expect(found.isEmpty == isEqual, "\(found)")
        }
    }

    @Test func theFileIsThePersonsOwnText() throws {
        var dag = try dag()
        dag.own = OwnDAG(file: "p.py", text: "with DAG(): ...\n", withoutGate: "pass\n", environment: "airflow")
        for (gated, text) in [(true, "with DAG(): ...\n"), (false, "pass\n")] {
            let file = DAGFile(
                dag,
                words: "",
                target: .airflow3,
                gated: gated,
                sources: OwnDAGTests.sources,
                environments: [:]
            )
            #expect(file.text.split(separator: "\n", maxSplits: 1).last.map(String.init) == text)
            #expect(file.name == "p.py")
        }
    }
}

extension JSON {
    /// The same object with some members changed.
    fileprivate func with(_ changes: JSON) -> JSON {
        guard var fields = object, let members = changes.object?.members else { return self }
        for member in members { fields[member.key] = member.value }
        return .object(fields)
    }
}
