import Foundation
import Migration
import Settings
import Testing

@testable import Cutover
@testable import Legacy

/// Names in a profile are names: none of them ends a comment, a quotation or a function's body in the SQL that is made of them.
@Suite("Names in a queue's SQL") struct QueueNameTests {
    static let file = QueueSwitchSQLTests.root.appendingPathComponent("mappings/profiles/background_jobs.yaml")

    @Test(arguments: [
        (#"table: tasks.background_jobs"#, #"table: "tasks.background_jobs\nDROP TABLE x; --""#, "U+000A"),
        (#"type: job_type"#, #"type: "job_type\r--""#, "U+000D"),
        (#"running: [running]"#, #"running: ["run\u0085ning"]"#, "U+0085"),
        (#"running: [running]"#, #"running: ["run\u2028ning"]"#, "U+2028"),
        (#"held: bailey_held"#, #"held: "x\eb""#, "U+001B"),
        (#"type: job_type"#, #"type: "job\u202Etype""#, "U+202E"),
        (#"type: job_type"#, #"type: "job\0type""#, "U+0000"),
        (#"type: job_type"#, #"type: job_type\#n  "pay\nload": x"#, "U+000A"),
    ])
    func controlCharactersAreRefusedWithTheirLine(_ old: String, _ new: String, _ found: String) throws {
        let text = try String(contentsOf: QueueNameTests.file, encoding: .utf8)
        let place = try #require(text.range(of: old))
        let line = text[..<place.lowerBound].count { $0 == "\n" } + 1 + (new.contains("\n") ? 1 : 0)
        let changed = text.replacingCharacters(in: place, with: new)
        let error = try #require(throws: SettingsError.self) {
            try QueueProfile(yaml: changed, file: "profiles/x.yaml")
        }
        let problem = try #require(error.problems.first { $0.message.contains(found) })
        #expect(problem.line == line)
        #expect(!problem.description.contains("\u{1B}"))
    }

    /// Names that got past the reader: in SQL they stand in quotes and nowhere else.
    @Test(arguments: ["x\nDROP TABLE y; --", "x */ DROP TABLE y; /*", "x\"; DROP TABLE y; --", "x'; DROP TABLE y; --"])
    func noNameStandsInAComment(_ name: String) throws {
        var profile = try QueueSwitchSQLTests.backgroundJobs()
        profile.table = "tasks.\(name.replacing(".", with: ""))"
        for (meaning, column) in profile.columns { profile.columns[meaning] = column + name }
        for (meaning, words) in profile.statuses { profile.statuses[meaning] = words.map { $0 + name } }
        let sql = try QueueSwitchSQL(queue: "jobs", profile: profile, timezone: "UTC")
        let statements = try #require(profile.statements(timezone: "UTC"))
        var texts = [sql.install(roles: ["o\(name)"]), sql.uninstall] + sql.trial
        texts += [
            statements.due, statements.claim, statements.own, statements.success, statements.retry ?? "",
            statements.failure,
        ]
        for text in texts { #expect(!QueueNameTests.outsideQuotes(text).contains("DROP TABLE y")) }
    }

    /// SQL without what stands in quotes; the bodies of functions count as SQL, comments stay.
    private static func outsideQuotes(_ sql: String) -> String {
        var result = ""
        var rest = sql[...]
        while let start = rest.first {
            if rest.hasPrefix("--") {
                let end = rest.firstIndex(of: "\n") ?? rest.endIndex
                result += rest[..<end]
                rest = rest[end...]
            } else if rest.hasPrefix("/*") {
                let end = rest.firstRange(of: "*/")?.upperBound ?? rest.endIndex
                result += rest[..<end]
                rest = rest[end...]
            } else if start == "'" || start == "\"" {
                let escapes = result.hasSuffix("E")
                rest = rest.dropFirst()
                while let character = rest.first, character != start {
                    rest = rest.dropFirst(escapes && character == "\\" ? 2 : 1)
                }
                rest = rest.dropFirst()
                result.append(" ")
            } else {
                result.append(start)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}
