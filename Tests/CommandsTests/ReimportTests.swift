import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("A second import", .timeLimit(.minutes(3))) struct ReimportTests {
    private func changes(_ bailey: Bailey) async throws -> [String: String] {
        let document = try JSON(parsing: try await bailey.run("import", "--no-ask-workers", "--json").output)
        let entries = document["changes"]?["entries"]?.array ?? []
        return Dictionary(
            uniqueKeysWithValues: entries.map { ($0["entry"]?.string ?? "?", $0["change"]?.string ?? "?") }
        )
    }

    /// Edits, a rename, a removal and a key that breaks, as an application makes them; the mapping and the bytes that were planned survive.
    @Test func saysWhatChangedAndLosesNothing() async throws {
        try await withRedis { redis in
            for name in ["kept", "edited", "renamed", "removed", "broken"] {
                try redis.addEntry(name, task: "t.\(name)")
            }
            let bailey = Bailey(in: redis.folder)
            try bailey.write(
                "version: 1\nsources:\n  s: {kind: redbeat, url: \(redis.url), timezone: UTC}\n",
                to: "bailey.yaml"
            )
            try bailey.write(
                "pipeline: mine\ntasks:\n  t: {entry: s/renamed}\n",
                to: "mappings/mine.yaml"
            )
            let first = try await bailey.run("import", "--no-ask-workers", "--json")
            #expect(try JSON(parsing: first.output)["changes"] == .null)
            try await bailey.run("plan")
            try await bailey.run("generate")
            // A run is no change.
            try redis.fired("kept", last: "2026-01-01T02:00:00", count: 3)
            #expect(try await changes(bailey) == [:])

            let bytes = try redis.cli("HGET", "redbeat:edited", "definition")
            try redis.cli("DEL", "redbeat:edited", "redbeat:renamed", "redbeat:removed", "redbeat:broken")
            try redis.cli("ZREM", "redbeat::schedule", "redbeat:renamed", "redbeat:removed")
            try redis.addEntry("edited", task: "t.edited", args: "[1]")
            try redis.addEntry("anew", task: "t.renamed")
            try redis.cli("HSET", "redbeat:broken", "definition", "{")
            let expected = [
                "s/edited": "changed", "s/anew": "renamed", "s/removed": "removed", "s/broken": "unread",
            ]
            #expect(try await changes(bailey) == expected)
            // As long as nobody planned anew it is said again, however often one imports.
            for _ in 0..<11 { #expect(try await changes(bailey) == expected) }
            let text = try await bailey.run("import", "--no-ask-workers").output
            #expect(text.contains("s/edited: args [] → [1]"))
            #expect(text.contains("s/anew is what was s/renamed"))

            // The mapping goes on by its name, and so does the id of a DAG that none makes.
            let plan = try JSON(parsing: try await bailey.start(["plan", "--json"]).ended(within: 60).output)
            let pipeline = plan["pipelines"]?.array?.first { $0["id"] == "mine" }
            #expect(pipeline?["entries"] == ["s/anew"])
            #expect(plan["findings"]?.array?.contains { $0["code"] == "BLY061" } == true)
            #expect(plan["findings"]?.array?.contains { $0["code"] == "BLY050" } == false)
            #expect(try await changes(bailey) == [:])

            let kept = try JSON(parsing: try await bailey.run("history", "entry", "s/edited", "--json").output)
            let past = try #require(kept["past"]?.array)
            #expect(past.count == 1)
            let raw = try #require(past[0]["entry"]?["raw"]?[0]?["bytes"]?.string.flatMap { Data(base64Encoded: $0) })
            #expect(String(decoding: raw, as: UTF8.self) == bytes.trimmingCharacters(in: .newlines))
            // Under either name, and after it is gone.
            for name in ["s/renamed", "s/anew", "s/removed", "s/broken"] {
                #expect(try await bailey.run("history", "entry", name).output.contains("definition: {"), "\(name)")
            }
            let unknown = try await bailey.start(["history", "entry", "s/never"]).ended(within: 60)
            #expect(unknown.status == 2)
        }
    }

    /// A pipeline that no mapping made keeps its id when its entry is called otherwise, and again otherwise.
    @Test func theDAGOfARenamedEntryKeepsItsID() async throws {
        try await withRedis { redis in
            let bailey = Bailey(in: redis.folder)
            try bailey.write(
                "version: 1\nsources:\n  s: {kind: redbeat, url: \(redis.url), timezone: UTC}\n",
                to: "bailey.yaml"
            )
            for name in ["one", "two", "three"] {
                try redis.addEntry(name, task: "same")
                try await bailey.run("import", "--no-ask-workers")
                let plan = try JSON(parsing: try await bailey.run("plan", "--json").output)
                #expect(plan["pipelines"]?.array?.compactMap { $0["id"]?.string } == ["s__one"], "\(name)")
                try redis.cli("DEL", "redbeat:\(name)")
                try redis.cli("ZREM", "redbeat::schedule", "redbeat:\(name)")
            }
        }
    }
}
