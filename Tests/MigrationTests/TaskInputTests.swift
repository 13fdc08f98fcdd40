import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

/// Inputs that are known only at run time: the same table that the runtime in Airflow is held to.
@Suite("Inputs of tasks") struct TaskInputTests {
    private static let table: [String] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appendingPathComponent("shadow/tests/runtime/inputs.jsonl")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }()

    private func steps(_ json: JSON) -> [TaskCondition.Step] {
        (json.array ?? []).map { step in step.string.map { .key($0) } ?? .index(step.int ?? -1) }
    }

    @Test func whatLiesAtAPath() throws {
        #expect(TaskInputTests.table.count > 15)
        for line in TaskInputTests.table {
            let json = try JSON(parsing: line)
            guard let path = json["path"], let result = json["result"] else { continue }
            let found = Result { try steps(path).value(in: result, of: "t") }
            switch found {
            case .success(let value): #expect(value.text() == json["value"]?.text(), "\(line)")
            case .failure(let error): #expect("\(error)" == json["error"]?.string, "\(line)")
            }
        }
    }

    @Test func theTickBefore() throws {
        let zones = ZoneDatabase()
        for line in TaskInputTests.table {
            let json = try JSON(parsing: line)
            guard let stored = json["schedule"], let name = json["zone"]?.string, let tick = json["tick"]?.string else {
                continue
            }
            let zone = try zones.zone(name)
            let dag = DAGDefinition(
                id: "p",
                name: "p",
                clock: PipelineClock(
                    driver: nil,
                    schedule: try Schedule(redbeat: stored),
                    timezone: name,
                    timetable: nil
                ),
                entries: [],
                tasks: []
            )
            let facts = RunFacts(dag, tick: Instant(iso8601: tick), zone: zone)
            var task = TaskDefinition(
                id: "t",
                body: .python(PythonCall(callable: "m:f", args: [nil, nil, [["x": nil]], nil], kwargs: [:]))
            )
            task.inputs = [
                TaskInput(place: [.key("args"), .index(0)], source: .previousTick(.iso)),
                TaskInput(place: [.key("args"), .index(1)], source: .previousTick(.date)),
                TaskInput(place: [.key("args"), .index(2), .index(0), .key("x")], source: .tick(.iso)),
                TaskInput(place: [.key("args"), .index(3)], source: .window(.iso)),
            ]
            let filled = try task.filledBody(facts, results: [:]).input["args"]
            let window: JSON = ["from": json["previous"] ?? nil, "until": .string(tick)]
            #expect(
                filled == [json["previous"] ?? nil, json["date"] ?? nil, [["x": .string(tick)]], window],
                "\(line)"
            )
        }
    }

    @Test func aParameterOfTheWrongTypeIsNoInput() throws {
        let parameters = [
            RunParameter(name: "n", kind: .integer, standard: 1), RunParameter(name: "s", kind: .string, standard: nil),
        ]
        var task = TaskDefinition(id: "t", body: .python(PythonCall(callable: "m:f", args: [nil], kwargs: [:])))
        let table: [(name: String, value: JSON, words: String?)] = [
            ("n", 2, nil), ("n", "2", "the parameter “n” is a text, and its type is integer"),
            ("n", .number(JSONNumber(2.5)), "is a number"),
            ("s", "a", nil), ("s", ["a"], "is a list of 1, and its type is string"), ("other", 1, nil),
        ]
        for (name, value, words) in table {
            task.inputs = [TaskInput(place: [.key("args"), .index(0)], source: .parameter(name))]
            var facts = RunFacts()
            facts.give(name, value, of: parameters)
            let filled = Result { try task.filledBody(facts, results: [:]).input["args"] }
            switch filled {
            case .success(let args): #expect(words == nil && args == [value], "\(name): \(value)")
            case .failure(let error): #expect(words.map("\(error)".contains) == true, "\(name): \(error)")
            }
        }
    }
}
