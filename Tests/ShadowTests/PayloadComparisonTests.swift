import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Airflow
@testable import Shadow

@Suite("Payloads are compared as what they are") struct PayloadComparisonTests {
    private let key = Outcome.Key(entry: EntryID(source: "q", name: "t"), job: "1")

    private func outcome(_ side: Outcome.Side, _ value: JSON, _ kind: PayloadKind) -> Outcome {
        var outcome = Outcome(key: key, side: side, run: "1", state: .success, arguments: value, result: 1)
        outcome.argumentsKind = kind
        return outcome
    }

    private func compare(_ a: (JSON, PayloadKind), _ b: (JSON, PayloadKind)) -> Comparison {
        OutcomeComparison.compare(
            outcome(.legacy, a.0, a.1),
            outcome(.shadow, b.0, b.1),
            pipeline: "p",
            rules: CompareRules()
        )
    }

    @Test func whatLooksAlikeIsNotTheSame() {
        for a in PayloadKind.allCases {
            for b in PayloadKind.allCases {
                let found = compare(("\\x6869", a), ("\\x6869", b))
                #expect(found.verdict == (a == b ? .match : .mismatch), "\(a) \(b)")
                guard a != b else { continue }
                #expect(found.differences.map(\.kind) == [.arguments])
                #expect(found.differences[0].text.contains(a.words) && found.differences[0].text.contains(b.words))
            }
        }
        #expect(compare((.null, .missing), (.null, .json)).verdict == .mismatch)
        #expect(compare(("a", .text), ("b", .text)).verdict == .mismatch)
    }

    /// As it comes back from a worker: a JSON string in a recorded outcome.
    @Test func whatTravelledAsJSONIsOfItsOwnKindAgain() throws {
        let entry = EntryID(source: "q", name: "t")
        let body = TaskBody.queue(QueueDrain(entry: entry, runs: .command(CommandLine(arguments: ["x"]))))
        let task = TaskDefinition(id: "t", entry: entry, body: body, shadow: .pure)
        let dag = DAGDefinition(
            id: "p",
            name: "p",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [entry],
            tasks: [task]
        )
        let xcom = try #require(AirflowXCom(["key": "bailey_outcome", "task_id": "t", "map_index": 0]))
        for (kind, sent, came, verdict) in [
            (.text, "<a/>", "<a/>", .match), (.bytes, "\\x00", "\\x00", .match), (.missing, .null, .null, .match),
            (.text, "<a/>", "<b/>", .mismatch), (.bytes, "\\x00", "\\x01", .mismatch),
            (.json, ["a": 1], ["a": 1], .match),
            (.text, "1", 1, .mismatch),
        ] as [(PayloadKind, JSON, JSON, Comparison.Verdict)] {
            let legacy = outcome(.legacy, sent, kind)
            let part = try #require(ShadowPart(of: legacy, in: dag))
            let record: JSON = [
                "v": 1, "mode": "shadow", "job": "1", "state": "success", "arguments": came, "result": 1,
            ]
            let run = RecordedRun(
                run: try #require(
                    AirflowRun(["dag_run_id": "r", "dag_id": "p", "state": "success", "run_type": "manual"])
                ),
                instances: [
                    try #require(
                        AirflowTaskInstance([
                            "task_id": "gate", "dag_run_id": "r", "map_index": -1, "state": "success", "try_number": 1,
                        ])
                    ),
                    try #require(
                        AirflowTaskInstance([
                            "task_id": "t", "dag_run_id": "r", "map_index": 0, "state": "success", "try_number": 1,
                        ])
                    ),
                ],
                outcomes: [try #require(RecordedOutcome(xcom, record))],
                gate: "shadow"
            )
            guard case .outcome(let shadow, _) = run.answer(legacy, as: part) else {
                Issue.record("\(kind): no outcome")
                continue
            }
            let found = OutcomeComparison.compare(legacy, shadow, pipeline: "p", rules: CompareRules())
            #expect(found.verdict == verdict, "\(kind) \(sent.text()) \(came.text())")
        }
    }

    @Test func noiseIsLearntFromCallsOfOneKindAlone() {
        var learning = NoiseLearning()
        var first = outcome(.legacy, "\\x6869", .text)
        first.result = 1
        var second = outcome(.legacy, "\\x6869", .bytes)
        second.result = 2
        learning.learn(first)
        learning.learn(second)
        #expect(learning.noise.isEmpty)
    }
}
