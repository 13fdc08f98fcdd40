import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("JSON documents, against docs/json.md", .timeLimit(.minutes(2))) struct JSONShapeTests {
    /// Values with keys of the legacy system's own, or of any shape.
    private static let free: Set<String> = [
        "args", "kwargs", "options", "states", "result", "arguments", "verdicts",
    ]

    /// The keys of objects, wherever they stand; not those of free values.
    private func keys(_ value: JSON, in name: String = "") -> Set<String> {
        if JSONShapeTests.free.contains(name) { return [] }
        switch value {
        case .object(let object):
            // A schedule as RedBeat stores it, and the two values of a difference, are the legacy system's.
            if name == "schedule" { return [] }
            return object.members.reduce(into: Set(object.keys)) { $0.formUnion(keys($1.value, in: $1.key)) }
        case .array(let items): return items.reduce(into: []) { $0.formUnion(keys($1, in: name)) }
        default: return []
        }
    }

    /// The words that the page's section of a title has between backticks, split at dots and brackets.
    private func words(_ title: String) throws -> Set<String> {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../docs/json.md"
        )
        let text = try String(contentsOf: page, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix(title) }, "\(title)")
        let quoted = section.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        return Set(
            quoted.flatMap { $0.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "-" } }.map(String.init)
        ).union([
            "bailey", "version",
        ])
    }

    @Test func everyKeyIsDocumented() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        try await withRedis { redis in
            try redis.addEntry("a", task: "a")
            try redis.fired("a", last: "2026-01-01T02:00:00", count: 3)
            // A member of the schedule without its key: beat passes over it, so the plan holds.
            try redis.cli("ZADD", "redbeat::schedule", "1", "redbeat:gone")
            try redis.addResults(0..<3, task: "a", result: #"{"n":1}"#)
            var bailey = Bailey(in: redis.folder)
            try bailey.settle(redis: redis.url, postgres: url)
            try bailey.write(
                """
                pipeline: a
                tasks:
                  t:
                    entry: s/a
                    command: [sh, -c, "echo '{\\"n\\": 2, \\"m\\": 3}'"]
                    shadow: pure
                    compare: {ignore: [{name: extra, path: "$.m", because: noise}]}

                """,
                to: "mappings/a.yaml"
            )
            let table: [([String], String, Int32)] = [
                (["doctor"], "doctor", 0), (["import"], "inventory", 0), (["plan"], "plan", 0),
                (["generate"], "generate", 0),
                (["backtest", "--days", "3", "--ahead", "3"], "backtest", 0),
                (["shadow", "--from-history"], "shadow", 0),
                (["report"], "report", 1), (["ticks", "s/a"], "ticks", 0),
                (["discover", redis.url, url], "discovery", 0),
                (["profile", "init", "tasks.background_jobs", "--url", url], "profile", 0),
                (["status"], "status", 0), (["status", "a"], "status", 0), (["report", "--savings"], "savings", 0),
                (["rules", "propose"], "rules", 0), (["doctor", "--rights"], "doctor", 0),
                (["doctor", "--round-trip"], "doctor", 0), (["rehearse", "a"], "rehearse", 0),
                // There is no beat, so nothing shows that RedBeat drives the entry.
                (["cutover", "a"], "cutover, rollback", 1), (["rollback", "a"], "cutover, rollback", 0),
                (["retire", "a"], "retire", 1), (["watch", "--once"], "alert", 0),
                (["history", "export", "--to", url], "history", 0), (["history", "entry", "s/a"], "entry-history", 0),
            ]
            for (command, title, status) in table {
                let ended = try await bailey.start(command + ["--json"]).ended(within: 60)
                #expect(ended.status == status, "\(command): \(ended.errors)")
                let document = try JSON(parsing: ended.output)
                // What `status`, `cutover` and `retire` say of the policy, a section of its own says, and so of round trips.
                let documented = try words(title).union(words("policy")).union(words("rehearse"))
                let undocumented = keys(document).subtracting(documented)
                #expect(undocumented.isEmpty, "\(command): \(undocumented.sorted())")
                if title != "ticks" { #expect(document["version"] == 1, "\(command)") }
            }
            let report = try JSON(parsing: try await bailey.run("report", "--json").output)
            let row = report["pipelines"]?.array?.first { $0["id"] == "a" }
            #expect(row?["mismatch"]?.int == 3)
            // One document from the other, without a stored inventory.
            let imported = try await bailey.run("import", "--json")
            try bailey.write(imported.output, to: "inventory.json")
            let piped = try await bailey.run("plan", "--json", "--inventory", "inventory.json")
            let plan = try JSON(parsing: piped.output)
            #expect(plan["entries"]?.array?.count == 3)
            #expect(plan["holds"] == true)
            for key in [
                "id", "source", "kind", "name", "task", "args", "kwargs", "options", "enabled", "schedule", "timezone",
                "history",
            ] {
                let entries = try JSON(parsing: imported.output)["entries"]?.array ?? []
                #expect(!entries.isEmpty && entries.allSatisfy { $0[key] != nil }, "\(key)")
            }
        }
    }
}
