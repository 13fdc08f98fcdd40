import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Airflow
@testable import Shadow

@Suite("What a run in Airflow says") struct AirflowShadowTests {
    private let entry = EntryID(source: "scheduler", name: "sum")
    private let tick = Instant(seconds: 1_795_640_400)

    private func legacy() -> Outcome {
        Outcome(
            key: Outcome.Key(entry: entry, tick: tick, job: "c1"),
            side: .legacy,
            run: "c1",
            state: .success,
            arguments: ["args": [1], "kwargs": [:]],
            result: ["n": 1]
        )
    }

    private func part() throws -> ShadowPart {
        let call = CeleryCall(source: "scheduler", task: "t", args: [1], kwargs: [:], options: [:])
        let dag = DAGDefinition(
            id: "d",
            name: "d",
            clock: PipelineClock(driver: entry, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [entry],
            tasks: [TaskDefinition(id: "sum", entry: entry, body: .celery(call))]
        )
        return try #require(ShadowPart(of: legacy(), in: dag))
    }

    private func run(
        gate: String? = "shadow",
        door: String? = "success",
        task: String? = "success",
        record: String? =
            #"{"v":1,"mode":"shadow","state":"success","arguments":{"args":[1],"kwargs":{}},"result":{"n":1.10}}"#
    ) throws -> RecordedRun {
        func instance(_ id: String, _ state: String) throws -> AirflowTaskInstance {
            try #require(
                AirflowTaskInstance([
                    "task_id": .string(id), "dag_run_id": "r", "state": .string(state), "map_index": -1,
                ])
            )
        }
        let xcom = try #require(AirflowXCom(["key": "bailey_outcome", "task_id": "sum", "map_index": -1]))
        return RecordedRun(
            run: try #require(AirflowRun(["dag_run_id": "r", "dag_id": "d", "state": "success"])),
            instances: try [door.map { ("gate", $0) }, task.map { ("sum", $0) }].compactMap { $0 }.map {
                try instance($0.0, $0.1)
            },
            outcomes: record.flatMap { RecordedOutcome(xcom, .string($0)) }.map { [$0] } ?? [],
            gate: gate
        )
    }

    private func outcome(_ run: RecordedRun) throws -> Outcome? {
        if case .outcome(let outcome, _) = run.answer(legacy(), as: try part()) { outcome } else { nil }
    }

    private func nothing(_ run: RecordedRun) throws -> (Comparison.Verdict, String)? {
        if case .nothing(let verdict, let reason) = run.answer(legacy(), as: try part()) {
            (verdict, reason)
        } else {
            nil
        }
    }

    @Test func aSuccess() throws {
        let found = try #require(try outcome(try run()))
        #expect(found.state == .success && found.run == "d/r")
        #expect(found.result?.text() == #"{"n":1.10}"#)
        #expect(found.arguments == legacy().arguments)
    }

    @Test func airflowsWordCounts() throws {
        // A worker that died after its record.
        let died = try #require(try outcome(try run(task: "failed")))
        #expect(died.state == .failed && died.result == nil)
        #expect(
            try outcome(try run(task: "upstream_failed", record: nil))?.error?.message.contains("upstream_failed")
                == true
        )
        #expect(try outcome(try run(task: "skipped", record: nil))?.state == .skipped)
        let failed = #"{"v":1,"state":"failed","error":{"type":"ValueError","message":"no","detail":""}}"#
        #expect(
            try outcome(try run(task: "failed", record: failed))?.error == RunError(type: "ValueError", message: "no")
        )
    }

    @Test func observed() throws {
        #expect(try outcome(try run(record: #"{"v":1,"state":"observed"}"#))?.state == .observed)
    }

    @Test func whatIsNoShadowRun() throws {
        #expect(try nothing(try run(gate: nil, door: "skipped", task: "skipped", record: nil))?.0 == .insufficient)
        #expect(try nothing(try run(gate: "live"))?.0 == .broken)
        #expect(try nothing(try run(gate: nil, door: nil))?.1.contains("has no gate") == true)
        #expect(try nothing(try run(gate: nil, door: "failed", task: "upstream_failed", record: nil))?.0 == .broken)
        // Seen on both versions: a tick before start_date gives a success without a task.
        let empty = try nothing(try run(gate: nil, door: nil, task: nil, record: nil))
        #expect(empty?.0 == .broken && empty?.1.contains("start_date") == true)
        #expect(try nothing(try run(record: nil))?.1.contains("recorded no outcome") == true)
    }

    @Test func whatOnlyPythonCallsJSONIsTheValueThatItStandsFor() throws {
        let xcom = try #require(AirflowXCom(["key": "bailey_outcome", "task_id": "sum"]))
        for (stored, value) in [
            (#"{"bailey_text":"[NaN, -Infinity]"}"#, "[NaN,-Infinity]"), (#""half \ud800""#, #""half \\ud800""#),
            (#"{"bailey_text":"no JSON"}"#, #"{"bailey_text":"no JSON"}"#),
        ] {
            let record = #"{"v":1,"state":"success","result":RESULT}"#.replacing("RESULT", with: stored)
            #expect(RecordedOutcome(xcom, .string(record))?.result?.text() == value)
            let failed =
                #"{"v":1,"state":"failed","arguments":TEXT,"error":{"type":"E","message":"m","arguments":TEXT}}"#
            let error = RecordedOutcome(xcom, .string(failed.replacing("TEXT", with: stored)))
            #expect(error?.error?.arguments?.text() == value && error?.arguments.text() == value)
        }
    }

    @Test func whatNestsTooDeepIsNoResult() throws {
        let text = String(repeating: "[", count: 700) + String(repeating: "]", count: 700)
        let found = try outcome(
            try run(record: #"{"v":1,"state":"success","result":{"bailey_text":"TEXT"}}"#.replacing("TEXT", with: text))
        )
        #expect(found?.state == .failed && found?.error?.type == "result" && found?.result == nil)
    }

    @Test func ofWhatADigestWasKeptAloneNothingIsSaid() throws {
        for part in ["result", "arguments"] {
            let record = #"{"v":1,"state":"success","PART":{"bailey_truncated":"00ff","bytes":70000000}}"#
            let said = try nothing(try run(record: record.replacing("PART", with: part)))
            #expect(
                said?.0 == .insufficient && said?.1.contains("its \(part) (70000000 bytes)") == true,
                "\(said as Any)"
            )
        }
        // Of a failure the message tells enough.
        let failed =
            #"{"v":1,"state":"failed","error":{"type":"E","message":"m","arguments":{"bailey_truncated":"00ff","bytes":9}}}"#
        let error = try outcome(try run(task: "failed", record: failed))?.error
        #expect(error?.message == "m" && error?.arguments == nil)
    }

    @Test func recordsThatAreNone() throws {
        let xcom = try #require(AirflowXCom(["key": "bailey_outcome", "task_id": "sum"]))
        for text in ["", "{", #"{"v":2,"state":"success"}"#, #"{"v":1,"state":"odd"}"#, "[]"] {
            #expect(RecordedOutcome(xcom, .string(text)) == nil)
        }
        #expect(RecordedOutcome(xcom, ["v": 1, "state": "success"]) != nil)
    }

    @Test func anAbsorbedEntryThatIsDueAtAnotherTimeHasNoScheduledRun() throws {
        var dag = try part().dag
        #expect(AirflowShadow.isDue(dag, tick))
        dag.clock.timetable = .cron(try CronExpression("0 2 * * *", dialect: .vixie), zone: .utc)
        let night = try #require(Instant(iso8601: "2026-11-30T02:00:00Z"))
        #expect(AirflowShadow.isDue(dag, night))
        for other in ["2026-11-30T01:00:00Z", "2026-11-30T02:00:01Z", "2026-11-30T01:59:59.999999Z"] {
            #expect(!AirflowShadow.isDue(dag, try #require(Instant(iso8601: other))), "\(other)")
        }
        dag.clock.timetable = .delta(60_000_000)
        #expect(AirflowShadow.isDue(dag, night.adding(microseconds: 1)))
    }

    @Test func runIDs() {
        func id(_ name: String, _ tick: Instant?, _ job: String? = nil) -> String {
            AirflowShadow.runID(Outcome.Key(entry: EntryID(source: "s", name: name), tick: tick, job: job))
        }
        #expect(id("sum", tick) == "bailey__s_sum__2026-11-25T21:00:00Z")
        #expect(id("sum", nil, "42") == "bailey__s_sum__42")
        // What cannot be written is told apart all the same.
        let odd = ["a b", "a_b", "a/b", "ä", String(repeating: "x", count: 400), String(repeating: "x", count: 401)]
        let ids = odd.map { id($0, tick) }
        #expect(Set(ids).count == odd.count)
        for id in ids {
            #expect(id.count <= 250)
            #expect(id.wholeMatch(of: /[A-Za-z0-9_.~:+-]+/) != nil)
        }
    }
}
