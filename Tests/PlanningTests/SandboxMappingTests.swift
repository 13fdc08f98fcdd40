import LosslessJSON
import Migration
import Schedules
import Settings
import Testing

@testable import Planning

@Suite("Sandboxes and effects in mappings") struct SandboxMappingTests {
    private func problems(_ task: String) -> [String] {
        let text =
            "pipeline: p\nmanual: true\ntasks:\n  a:\n" + task.split(separator: "\n").map { "    \($0)\n" }.joined()
        do {
            _ = try Mapping(yaml: text, file: "p.yaml")
            return []
        } catch {
            return error.problems.map(\.message)
        }
    }

    private func task(_ text: String) throws -> TaskDefinition {
        let lines = text.split(separator: "\n").map { "    \($0)\n" }.joined()
        let mapping = try Mapping(yaml: "pipeline: p\nmanual: true\ntasks:\n  a:\n" + lines, file: "p.yaml")
        return try #require(mapping.tasks.first?.definition)
    }

    @Test func everythingThatIsSaidIsRead() throws {
        let plain = try task("command: [x]\nshadow: sandbox\n")
        #expect(plain.shadow == .sandbox && plain.sandbox == SandboxRules() && plain.effects.isEmpty)
        let full = try task(
            """
            command: [x]
            shadow: sandbox
            sandbox: {network: [db:5432, "[::1]:80"], memory: 512MB, cpu: 2m, processes: 8, disk: 1.5GiB}
            effects:
              files: [{written: out/%Y.csv, legacy: /srv/%Y.csv, compare: {ignore: [{name: n, path: $.a, because: b}]}}]
              http: [{method: post, url: "http://a/b", status: 201, json: {id: 1}}, {url: "http://a"}]
            """
        )
        #expect(full.sandbox.network == [.init(host: "db", port: 5432), .init(host: "::1", port: 80)])
        #expect(full.sandbox.memory == 512 << 20 && full.sandbox.cpu == 120 && full.sandbox.processes == 8)
        #expect(full.sandbox.disk == 3 << 29)
        #expect(
            full.effects.files.first?.legacy == "/srv/%Y.csv" && full.effects.files.first?.compare.ignore.count == 1
        )
        #expect(full.effects.http?.map(\.method) == ["POST", "GET"] && full.effects.http?.first?.body == ["id": 1])
        #expect(try task("command: [x]\nshadow: sandbox\neffects: {http: []}\n").effects.http == [])
        let recorded = try task("command: [x]\nshadow: sandbox\neffects: {http: [], http_legacy: '/srv/{job}.jsonl'}\n")
        #expect(recorded.effects.legacyCalls == "/srv/{job}.jsonl")
        // What decides what runs in shadow is part of the form: what was compared before says nothing of it.
        #expect(full.sandbox != plain.sandbox && full.effects != plain.effects)
    }

    @Test func pathsAreThoseOfTheRun() throws {
        let entry = try #require(EntryID("s/e"))
        let berlin = try ZoneDatabase().zone("Europe/Berlin")
        let tick = try #require(Instant(iso8601: "2026-11-28T23:30:05Z"))
        let table: [(String, Instant?, String?, String?)] = [
            ("/a/b.csv", nil, nil, "/a/b.csv"), ("/a/%Y-%m-%d_%H%M%S", tick, nil, "/a/2026-11-29_003005"),
            ("/a/%Y", nil, "7", nil), ("/a/{job}.csv", nil, "7", "/a/7.csv"), ("/a/{job}.csv", tick, nil, nil),
            ("/a/{job}.csv", nil, "../b", nil), ("/a/{job}/x", nil, "..", nil), ("/a/{job}", nil, "%Y", nil),
        ]
        for (pattern, tick, job, wanted) in table {
            let key = Outcome.Key(entry: entry, tick: tick, job: job)
            #expect(EffectRules.path(pattern, of: key, in: berlin) == wanted, "\(pattern)")
        }
    }

    @Test func whatCannotBeHeldIsRefused() {
        let table: [(String, String)] = [
            ("command: [x]\nshadow: box", "it must be observe, pure or sandbox"),
            ("command: [x]\nsandbox: {memory: 1GB}", "does not run in one"),
            ("command: [x]\nshadow: pure\nsandbox: {memory: 1GB}", "does not run in one"),
            ("command: [x]\nshadow: pure\neffects: {http: []}", "say “shadow: sandbox”"),
            ("command: [x]\nshadow: sandbox\neffects: {http: [], http_legacy: calls.jsonl}", "write the whole path"),
            ("command: [x]\nshadow: sandbox\neffects: {http: [], http_legacy: /srv/%x}", "write the whole path"),
            ("command: [x]\nshadow: sandbox\neffects: {http_legacy: /srv/calls}", "says nothing without “http”"),
            ("command: [x]\nshadow: pure\neffects: {http_legacy: /srv/calls}", "say “shadow: sandbox”"),
            ("sql: {connection: c, text: SELECT 1}\nshadow: sandbox", "sql runs none of yours"),
            ("http: {url: /x, connection: c}\nshadow: sandbox", "http runs none of yours"),
            ("command: [x]\nshadow: sandbox\nsandbox: {network: [db]}", "“network” has “db”"),
            ("command: [x]\nshadow: sandbox\nsandbox: {network: ['*.internal:80']}", "no pattern"),
            ("command: [x]\nshadow: sandbox\nsandbox: {network: ['10.0.0.0/8:80']}", "no pattern"),
            ("command: [x]\nshadow: sandbox\nsandbox: {network: ['db:0']}", "write host:port"),
            ("command: [x]\nshadow: sandbox\nsandbox: {network: ['db:70000']}", "write host:port"),
            ("command: [x]\nshadow: sandbox\nsandbox: {memory: 1MB}", "16MB"),
            ("command: [x]\nshadow: sandbox\nsandbox: {memory: -1}", "a size such as"),
            ("command: [x]\nshadow: sandbox\nsandbox: {memory: 1 potato}", "a size such as"),
            ("command: [x]\nshadow: sandbox\nsandbox: {disk: 0}", "a size such as"),
            ("command: [x]\nshadow: sandbox\nsandbox: {cpu: 0.1s}", "less than a second"),
            ("command: [x]\nshadow: sandbox\nsandbox: {processes: 0}", "from 1 to 100000"),
            ("command: [x]\nshadow: sandbox\nsandbox: {files: 3}", "files"),
            (
                "command: [x]\nshadow: sandbox\neffects: {files: [{written: /a, legacy: /b}]}",
                "from the sandbox's folder on"
            ),
            (
                "command: [x]\nshadow: sandbox\neffects: {files: [{written: ../a, legacy: /b}]}",
                "from the sandbox's folder on"
            ),
            ("command: [x]\nshadow: sandbox\neffects: {files: [{written: a, legacy: b}]}", "the whole path"),
            ("command: [x]\nshadow: sandbox\neffects: {files: [{written: a%Q, legacy: /b}]}", "before none of Y"),
            ("command: [x]\nshadow: sandbox\neffects: {http: [{url: 'https://a/b'}]}", "begins with http://"),
            ("command: [x]\nshadow: sandbox\neffects: {http: [{url: 'http://a', status: 99}]}", "200 to 599"),
        ]
        for (text, wanted) in table {
            let found = problems(text)
            #expect(found.contains { $0.contains(wanted) }, "\(text): \(found)")
        }
    }
}
