import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("bailey history export", .timeLimit(.minutes(5))) struct HistoryExportTests {
    private static let mapping = """
        pipeline: a
        tasks:
          t:
            entry: s/a
            command: [sh, -c, "echo '{\\"n\\": 2, \\"m\\": 3}'"]
            shadow: pure
            compare: {ignore: [{name: extra, path: "$.m", because: noise}]}

        """

    /// A workspace in which three runs were compared, and a warehouse named by a variable.
    private func world(_ redis: RedisServer) async throws -> (bailey: Bailey, warehouse: String) {
        try redis.addEntry("a", task: "a")
        try redis.fired("a", last: "2026-01-01T02:00:00", count: 3)
        try redis.addResults(0..<3, task: "a", result: #"{"n":1}"#)
        let url = try PostgresServer.running().database()
        var bailey = Bailey(in: redis.folder, environment: ["WAREHOUSE": url])
        try bailey.settle(redis: redis.url)
        try bailey.write(HistoryExportTests.mapping, to: "mappings/a.yaml")
        for words in [["import"], ["shadow", "--from-history"]] {
            let ended = try await bailey.start(words).ended(within: 60)
            #expect(ended.status < 2, "\(words): \(ended.errors)")
        }
        return (bailey, url)
    }

    @discardableResult private func export(_ bailey: Bailey, _ words: String..., status: Int32 = 0) async throws -> JSON
    {
        let all = ["history", "export", "--to", "WAREHOUSE", "--json"] + words
        let ended = try await bailey.start(all).ended(within: 60)
        #expect(ended.status == status, "\(words): \(ended.errors)")
        return try JSON(parsing: ended.output)
    }

    private func count(_ url: String, _ what: String) throws -> Int {
        Int(
            try PostgresServer.running().psql(url, "SET search_path TO bailey_history; SELECT count(*) FROM \(what)")
                .split(separator: "\n").last ?? ""
        ) ?? -1
    }

    /// All rows of all tables of history, as one digest.
    private func content(_ url: String) throws -> String {
        let tables = [
            "run", "task_run", "comparison", "difference", "tick", "journal", "pipeline", "entry", "source", "gap",
        ]
        let digests = tables.map {
            "SELECT '\($0)' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM bailey_history.\($0) t"
        }
        return try PostgresServer.running().psql(url, digests.joined(separator: " UNION ALL ") + " ORDER BY 1")
    }

    @Test func whatWasSeenIsThereAndAgainChangesNothing() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            let looked = try await export(bailey)
            #expect(looked["executed"] == false)
            #expect(looked["makes"]?.array?.count == 14)
            let streams = looked["streams"]?.array ?? []
            let compared = streams.first { $0["name"] == "compared" }
            #expect(compared?["records"]?.int == 3)
            #expect(compared?["changed"]?.int == 3)
            #expect(compared?["written"]?.int == 0)
            let server = try PostgresServer.running()
            #expect(try server.psql(url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'bailey%'") == "0")

            let written = try await export(bailey, "--execute")
            #expect(written["holds"] == true)
            #expect(try count(url, "comparison WHERE NOT is_replaced AND verdict = 'mismatch'") == 3)
            #expect(try count(url, "difference WHERE kind = 'result' AND place = '$.n'") == 3)
            #expect(try count(url, "difference WHERE hidden_by = 'extra'") == 3)
            #expect(try count(url, "run WHERE side = 'shadow' AND state = 'success' AND pipeline = 'a'") == 3)
            let legacy = streams.first { $0["name"] == "legacy" }?["records"]?.int
            #expect(try count(url, "run WHERE side = 'legacy'") == legacy)
            #expect(try count(url, "pipeline WHERE pipeline = 'a' AND driver = 's/a'") == 1)
            #expect(try count(url, "entry WHERE entry = 's/a' AND pipeline = 'a'") == 1)
            #expect(try count(url, "source WHERE kind = 'redbeat'") == 1)
            let content = try content(url)

            let again = try await export(bailey, "--execute")
            #expect(again["rows"]?.int == 0)
            #expect(again["makes"]?.array?.isEmpty == true)
            #expect(try self.content(url) == content)
        }
    }

    @Test func whatIsComparedAnewReplacesWhatWasThere() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            _ = try await export(bailey, "--execute", "--monthly")
            try bailey.write(HistoryExportTests.mapping.replacing("2, ", with: "1, "), to: "mappings/a.yaml")
            _ = try await bailey.run("shadow", "--from-history")
            _ = try await export(bailey, "--execute")
            #expect(try count(url, "comparison") == 6)
            #expect(try count(url, "comparison WHERE is_replaced AND verdict = 'mismatch'") == 3)
            #expect(try count(url, "comparison WHERE NOT is_replaced AND verdict = 'match'") == 3)
            #expect(try count(url, "(SELECT number FROM comparison GROUP BY number HAVING count(*) > 1) AS twice") == 0)
            #expect(try count(url, "pg_partitioned_table") == 6)
        }
    }

    @Test func anotherStateIsRefusedAndItsOwnSchemaIsAWay() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            _ = try await export(bailey, "--execute")
            try FileManager.default.removeItem(at: redis.folder.appendingPathComponent(".bailey"))
            _ = try await bailey.run("import")
            let refused = try await bailey.run("history", "export", "--to", "WAREHOUSE", "--execute")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("another Bailey's state writes there"))
            #expect(try count(url, "comparison") == 3)
            let ended = try await bailey.run(
                "history",
                "export",
                "--to",
                "WAREHOUSE",
                "--execute",
                "--schema",
                "we\"ird"
            )
            #expect(ended.status == 0, "\(ended.errors)")
        }
    }

    @Test func whereItCannotGoItSaysWhyAndShowsNoPassword() async throws {
        try await withRedis { redis in
            var (bailey, _) = try await world(redis)
            let port = try PostgresServer.running().port
            for (url, status, word) in [
                ("postgresql://u:hidden-word@127.0.0.1:1/d", Int32(3), "See whether PostgreSQL runs there"),
                ("postgresql://postgres:hidden-word@127.0.0.1:\(port)/nowhere", 3, "does not exist"),
                ("redis://:hidden-word@127.0.0.1/0", 2, "it is not a PostgreSQL URL"),
            ] {
                bailey.environment["WAREHOUSE"] = url
                let ended = try await bailey.run("history", "export", "--to", "WAREHOUSE", "--execute")
                #expect(ended.status == status, "\(ended.errors)")
                #expect(ended.errors.contains(word), "\(ended.errors)")
                #expect(!(ended.output + ended.errors).contains("hidden-word"))
            }
            let unset = try await bailey.run("history", "export", "--to", "NOT_SET")
            #expect(unset.status == 2)
            #expect(unset.errors.contains("no environment variable of that name"))
        }
    }

    @Test func theTimeItMayTakeIsKeptTo() async throws {
        try await withRedis { redis in
            let (bailey, _) = try await world(redis)
            let ended = try await bailey.run("history", "export", "--to", "WAREHOUSE", "--execute", "--wait", "0.001")
            #expect(ended.status == 3, "\(ended.errors)")
            #expect(ended.errors.contains("the next export goes on with the rest"), "\(ended.errors)")
        }
    }

    @Test func twoAtOnceFromNothingWriteItOnce() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            for number in 0..<3 {
                let words = ["history", "export", "--to", "WAREHOUSE", "--execute", "--schema", "s\(number)"]
                let both = try [bailey.start(words), bailey.start(words)]
                for one in both {
                    let ended = try await one.ended(within: 60)
                    #expect(ended.status == 0, "\(ended.errors)")
                }
                let counts = try PostgresServer.running().psql(
                    url,
                    "SELECT (SELECT count(*) FROM s\(number).comparison), (SELECT count(*) FROM s\(number).export_state)"
                )
                #expect(counts == "3|3")
            }
        }
    }

    @Test func oneThatIsKilledIsContinuedByTheNext() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            try await export(bailey, "--execute")
            let whole = try content(url)
            for milliseconds in [20, 60, 100, 140, 180, 260] {
                try PostgresServer.running().psql(url, "DROP SCHEMA IF EXISTS bailey_history CASCADE")
                let running = try bailey.start(["history", "export", "--to", "WAREHOUSE", "--execute"])
                try await Task.sleep(for: .milliseconds(milliseconds))
                running.signal(SIGKILL)
                _ = try await running.ended(within: 60)
                try await export(bailey, "--execute")
                #expect(try content(url) == whole, "killed after \(milliseconds) ms")
            }
        }
    }

    @Test func tablesThatLackAColumnAreRefused() async throws {
        try await withRedis { redis in
            let (bailey, url) = try await world(redis)
            try await export(bailey, "--execute")
            let server = try PostgresServer.running()
            try server.psql(url, "ALTER TABLE bailey_history.run ADD COLUMN team text")
            try await export(bailey, "--execute")
            try server.psql(url, "ALTER TABLE bailey_history.run DROP COLUMN seconds, DROP COLUMN attempts")
            for words in [[], ["--execute"]] {
                let ended = try await bailey.start(["history", "export", "--to", "WAREHOUSE"] + words).ended(within: 60)
                #expect(ended.status == 1, "\(ended.errors)")
                #expect(ended.errors.contains("its table run lacks the columns seconds, attempts"), "\(ended.errors)")
            }
        }
    }
}
