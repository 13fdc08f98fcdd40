import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Postgres
import Schedules
import TestSupport
import Testing

@Suite("Queue tables of every shape, on a real PostgreSQL", .timeLimit(.minutes(20))) struct QueueFieldTests {
    /// All of them, and not a quarter: `make test-full`.
    static let isFull = ProcessInfo.processInfo.environment["BAILEY_FULL"] == "1"

    /// Read, shadowed from its history, held, run and given back: each table in one database, with one schema `bailey`.
    @Test(arguments: 0..<8) func eachIsImportedShadowedHeldAndGivenBack(_ share: Int) async throws {
        try await withFolder { folder in
            var bench = try QueueBench(folder)
            let zones = ZoneDatabase()
            let database = try await PostgresConnection(to: PostgresURL(bench.url), readOnly: false)
            for table in QueueFieldTable.all
            where table.number % 8 == share && (Self.isFull || (table.number / 8 + share) % 4 == 0) {
                try await database.execute(script: table.ddl)
                bench.profile = try QueueProfile(yaml: table.profile, file: "field.yaml")
                let name = "q\(table.number)"
                let source = QueueSource(
                    name: name,
                    url: try PostgresURL(bench.url),
                    profile: bench.profile,
                    timezone: "UTC"
                )
                let reading = try await source.read(zones: zones)
                let history = try #require(reading.entries.first?.history, "\(table)")
                #expect(
                    reading.entries.map(\.id.name) == ["t"] && history.succeeded == 3 && history.failed == 1,
                    "\(table)"
                )
                let outcomes = try await QueueRuns(source: source, types: ["t"], now: { Instant(seconds: 0) }).recorded(
                    limit: 10
                ).outcomes
                #expect(outcomes.count == 4 && outcomes.count { $0.state == .success } == 3, "\(table)")
                #expect(outcomes.allSatisfy { $0.attempts.map { $0 > 0 && $0 <= 1_000_001 } ?? true }, "\(table)")

                func ask(_ sql: String) async throws -> [String] {
                    try await database.query("SELECT a::text AS a FROM (\(sql)) AS x (a)").compactMap { $0["a"] }
                }
                let picture = "SELECT j FROM t\(table.number).jobs j ORDER BY number"
                let before = try await ask(picture)
                let queue = try await bench.open(name: name)
                try await bench.cutOver(queue, ["t"])
                let standing = try await queue.standing("t")
                #expect(
                    standing.held == 4 && standing.due == 4 && standing.waiting == 0 && standing.trouble == nil,
                    "\(table)"
                )
                try await bench.rollBack(queue, ["t"])
                #expect(try await ask(picture) == before, "\(table)")

                try await bench.cutOver(queue, ["t"])
                let jobs = try await ask("SELECT job FROM bailey.take('\(name)', 't', 'dag/1', 3)")
                #expect(jobs.count == 3, "\(table)")
                guard jobs.count == 3 else { continue }
                #expect(
                    try await ask("SELECT bailey.finish('\(name)', '\(jobs[0])', 'dag/1', 'success', NULL)") == [
                        "success"
                    ],
                    "\(table)"
                )
                let failed = table.optional.contains("attempts") ? "retry" : "failed"
                #expect(
                    try await ask("SELECT bailey.finish('\(name)', '\(jobs[1])', 'dag/1', 'failed', 'no')") == [failed],
                    "\(table)"
                )
                #expect(try await ask("SELECT bailey.give_up('\(name)', 't', '{dag/1}', 'x')") == ["1"], "\(table)")
                try await bench.rollBack(queue, ["t"])
                #expect(try await queue.stranded().isEmpty, "\(table)")
                // What no run has ended is as it was.
                let after = try await ask(picture)
                let untouched = before.filter { line in
                    !jobs.prefix(2).contains { line.hasPrefix("(\($0),") || line.hasPrefix("(\"\($0)") }
                }
                #expect(untouched.allSatisfy { after.contains($0) }, "\(table)")
                let states = try await source.read(zones: zones).entries.first?.history
                #expect(states?.succeeded == 4 && states?.failed == (failed == "failed" ? 2 : 1), "\(table)")

                // The DAG without a gate takes what is left by its own SQL.
                let taker = try Taker(bench, type: "t")
                let left = try taker.due()
                // A repetition of today is due at once where times are dates.
                #expect(left.count == 2 || table.time.kind == "date", "\(table)")
                for (job, statement) in zip(left, [taker.sql.success, taker.sql.failure]) {
                    _ = try taker.one(taker.sql.claim, job)
                    _ = try taker.one(statement, job)
                }
                let ended = try await source.read(zones: zones).entries.first?.history
                #expect(ended?.succeeded == 5 && ended?.failed == (failed == "failed" ? 3 : 2), "\(table)")
            }
        }
    }

    /// Shapes of public projects: see the fixture.
    @Test func thoseOfPublicProjects() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        let file = QueueSwitchSQLTests.root.appendingPathComponent("Tests/LegacyTests/Fixtures/field_queue_tables.sql")
        try server.load(file, into: url)
        func runs(_ table: String, _ columns: String, _ statuses: String, _ type: String) async throws -> [Outcome] {
            let text = "profile: p\ntable: field.\(table)\ncolumns: {\(columns)}\nstatuses: {\(statuses)}\n"
            let source = QueueSource(
                name: table,
                url: try PostgresURL(url),
                profile: try QueueProfile(yaml: text, file: "p.yaml"),
                timezone: "UTC"
            )
            #expect(try await !source.read(zones: ZoneDatabase()).entries.isEmpty)
            return try await QueueRuns(source: source, types: [type], now: { Instant(seconds: 0) }).recorded(limit: 10)
                .outcomes
        }
        let enums = try await runs(
            "enum_status",
            "id: id, type: queue, payload: payload, status: {column: status, kind: enum}, attempts: attempts, due: next_run_at, queued: created_at",
            "queued: pending, running: running, success: succeeded, failed: [failed, dead]",
            "q"
        )
        #expect(Set(enums.map(\.state)) == [.success, .failed] && enums.count == 2)
        let ints = try await runs(
            "int_state",
            "id: id, type: queue, payload: payload, status: {sql: \"CASE WHEN state = 2 THEN CASE WHEN success THEN 'ok' ELSE 'bad' END ELSE state::text END\"}, finished: completed_at",
            "queued: 0, running: 1, success: ok, failed: bad",
            "default"
        )
        #expect(Set(ints.map(\.state)) == [.success, .failed] && ints.count == 2)
        let epochs = try await runs(
            "epoch_times",
            "id: key, type: {sql: \"job->>'function'\"}, payload: job, status: status, queued: {column: queued, kind: epoch}",
            "queued: queued, running: active, success: complete, failed: failed",
            "f"
        )
        #expect(epochs.map(\.run) == ["k1"] && epochs.first?.queued != nil)
        let odd = try await runs(
            "odd_columns",
            "id: id, type: type, payload: payload, status: status, queued: {column: created, kind: date}, started: started, finished: ended, attempts: attempts, error: {column: error, kind: json}, result: result",
            "queued: new, running: busy, success: done, failed: failed",
            "t"
        )
        #expect(odd.count == 4)
        let arguments = odd.sorted { $0.run < $1.run }.map(\.arguments)
        #expect(arguments.first == ["a": 1] && arguments.dropFirst().first == .string("<order id=\"7\"/>"))
        #expect(arguments.dropFirst(2).first == .null && arguments.last?.string?.count == 1200)
        #expect(odd.allSatisfy { $0.error?.message == "{\"m\": 1}" && $0.result == .string("ok") })
    }
}
