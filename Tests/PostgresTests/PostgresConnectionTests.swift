import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("The PostgreSQL client, against a real PostgreSQL", .timeLimit(.minutes(3))) struct PostgresConnectionTests {
    private struct Stop: Error {}

    private func connect(_ url: String, readOnly: Bool = false, timezone: String? = "UTC", timeout: Double = 60)
        async throws
        -> PostgresConnection
    {
        try await PostgresConnection(
            to: PostgresURL(url),
            timezone: timezone,
            readOnly: readOnly,
            statementTimeout: timeout
        )
    }

    @Test func parametersAndTypedRows() async throws {
        let postgres = try await connect(PostgresServer.running().database())
        let hostile = "Ж'\"\\{},\n$1"
        let rows = try await postgres.query(
            "SELECT $1::text AS t, $2::int8 AS i, $3::float8 AS d, $4::bool AS b, $5::text[] AS a, $6::bytea AS y, NULL AS n",
            [.text(hostile), .integer(.min), .double(0.1), .bool(true), .texts([hostile, ""]), .bytes([0, 255])]
        )
        let row = try #require(rows.first)
        #expect(try row.text("t") == hostile)
        #expect(row["i"] == "-9223372036854775808")
        #expect(try row.double("d") == 0.1)
        #expect(try row.bool("b"))
        #expect(row["y"] == "\\x00ff")
        #expect(row["n"] == nil)
        let error = #expect(throws: PostgresError.self) { try row.int("t") }
        #expect(error?.code == .unexpectedValue)
        let again = try await postgres.query("SELECT ($1::text[])[1] AS first", [.texts([hostile])])
        #expect(again.first?["first"] == hostile)
    }

    @Test func aTransactionRollsBackWhenItsBodyThrows() async throws {
        let postgres = try await connect(PostgresServer.running().database())
        _ = try await postgres.query("CREATE TABLE t (n int)")
        await #expect(throws: Stop.self) {
            try await postgres.transaction { connection in
                _ = try await connection.query("INSERT INTO t VALUES (1)")
                throw Stop()
            }
        }
        try await postgres.transaction { _ = try await $0.query("INSERT INTO t VALUES (2)") }
        #expect(try await postgres.query("SELECT n FROM t").map { $0["n"] } == ["2"])
    }

    @Test func aReadOnlySessionCannotWrite() async throws {
        let url = try PostgresServer.running().database()
        let postgres = try await connect(url, readOnly: true)
        let error = await #expect(throws: PostgresError.self) { try await postgres.query("CREATE TABLE t (n int)") }
        #expect(error?.state == "25006")
    }

    @Test func rowsStreamInConstantMemory() async throws {
        let postgres = try await connect(PostgresServer.running().database())
        @Sendable func memory() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
            return Int(line.filter(\.isNumber)) ?? 0
        }
        let state = Mutex((rows: 0, sum: 0, early: 0, late: 0))
        try await postgres.stream("SELECT n, repeat('x', 600) AS x FROM generate_series(1, 150000) n") { rows in
            let sum = try rows.reduce(0) { try $0 + $1.int("n") }
            let used = try memory()
            state.withLock { state in
                state.rows += rows.count
                state.sum += sum
                if state.rows == 30_000 { state.early = used }
                state.late = used
            }
        }
        let (rows, sum, early, late) = state.withLock { ($0.rows, $0.sum, $0.early, $0.late) }
        #expect(rows == 150_000 && sum == 11_250_075_000)
        // 120,000 rows more of six hundred bytes would be 72 MB; other tests share this process.
        #expect(late - early < 45_000, "\(early) kB after 30,000 rows, \(late) kB after all")
    }

    @Test func aStreamThatIsLeftCanBeFollowedByAStatement() async throws {
        let postgres = try await connect(PostgresServer.running().database())
        await #expect(throws: Stop.self) {
            try await postgres.stream("SELECT n FROM generate_series(1, 10000000) n") { _ in throw Stop() }
        }
        #expect(try await postgres.query("SELECT 1 AS one").first?["one"] == "1")
    }

    @Test func aCancelledTransactionIsRolledBackAndNothingLaterIsCancelled() async throws {
        let url = try PostgresServer.running().database()
        let postgres = try await connect(url)
        _ = try await postgres.query("CREATE TABLE t (n int)")
        for _ in 0..<5 {
            let work = Task {
                try await postgres.transaction { connection in
                    _ = try await connection.query("INSERT INTO t VALUES (1)")
                    _ = try await connection.query("SELECT pg_sleep(301)")
                }
            }
            try await waitUntil("the transaction waits") { try active(url, "SELECT pg_sleep(301)") }
            work.cancel()
            await #expect(throws: (any Error).self) { try await work.value }
            // Outside any transaction, and not hit by a late request.
            #expect(try await postgres.query("SELECT count(*) AS n, pg_sleep(0.3) FROM t").first?["n"] == "0")
            let outside = await #expect(throws: PostgresError.self) { try await postgres.query("SAVEPOINT s") }
            #expect(outside?.state == "25P01")
        }
    }

    /// Whether a statement runs, as another session sees it.
    private func active(_ url: String, _ statement: String) throws -> Bool {
        let text = statement.replacing("'", with: "''")
        return try PostgresServer.running().psql(
            url,
            "SELECT count(*) FROM pg_stat_activity WHERE query = '\(text)' AND state = 'active'"
        ) == "1"
    }

    @Test func notificationsArrive() async throws {
        let url = try PostgresServer.running().database()
        let postgres = try await connect(url)
        _ = try await postgres.query("LISTEN news")
        try PostgresServer.running().psql(url, "NOTIFY news, 'hello'")
        var found: [String] = []
        try await waitUntil("the notification came") {
            found += try await postgres.notifications(waitingMilliseconds: 200).map(\.payload)
            return found == ["hello"]
        }
    }

    @Test func statementsEndAtTheirTimeoutAndWhenCancelled() async throws {
        let url = try PostgresServer.running().database()
        let quick = try await connect(url, timeout: 0.2)
        let late = await #expect(throws: PostgresError.self) { try await quick.query("SELECT pg_sleep(30)") }
        #expect(late?.code == .timeout)
        let postgres = try await connect(url)
        let work = Task { try await postgres.query("SELECT pg_sleep(300)") }
        try await waitUntil("the statement runs") {
            try PostgresServer.running().psql(
                url,
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)' AND state = 'active'"
            ) == "1"
        }
        work.cancel()
        await #expect(throws: (any Error).self) { _ = try await work.value }
        #expect(try await postgres.query("SELECT 1 AS one").first?["one"] == "1")
    }

    @Test func theSessionsZoneIsSetExplicitly() async throws {
        let url = try PostgresServer.running().database()
        #expect(try await connect(url).timezone() == "UTC")
        let moscow = try await connect(url, timezone: "Europe/Moscow")
        let row = try await moscow.query("SELECT '2026-01-01 00:00'::timestamptz::text AS t").first
        #expect(row?["t"] == "2026-01-01 00:00:00+03")
    }

    @Test func anOldServerIsRefusedByName() async throws {
        let postgres = try await connect(PostgresServer.running().database())
        let version = try await postgres.serverVersion(atLeast: 10)
        let error = await #expect(throws: PostgresError.self) { try await postgres.serverVersion(atLeast: 99) }
        #expect(error?.found == "it is PostgreSQL \(version)")
        #expect(error?.advice == "Bailey needs PostgreSQL 99 or later")
    }

    @Test func refusalsSayWhatToDoAndShowNoSecret() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(
            url,
            """
            DO $$ BEGIN CREATE ROLE locked LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            CREATE TABLE t (n int);
            """
        )
        let base = url.replacingOccurrences(of: "postgres@", with: "")
        func error(_ url: String, _ sql: String) async -> PostgresError? {
            await #expect(throws: PostgresError.self, "\(sql)") {
                try await connect(url).query(sql)
            }
        }
        let wrong = await error(base.replacingOccurrences(of: "://", with: "://locked:hidden@"), "SELECT 1")
        #expect(wrong?.code == .authentication)
        let away = await error("postgresql://u:hidden@127.0.0.1:1/x", "SELECT 1")
        #expect(away?.code == .unreachable)
        let missing = await error(url, "SELECT * FROM nowhere")
        #expect(missing?.code == .missing)
        let column = await error(url, "SELECT nothing FROM t")
        #expect(column?.code == .missing)
        let rights = await error(base.replacingOccurrences(of: "://", with: "://poor@"), "SELECT * FROM t")
        #expect(rights?.code == .rights)
        for found in [wrong, away, missing, column, rights] {
            let text = found?.description ?? ""
            #expect(text.contains("PostgreSQL") && text.contains("127.0.0.1") && !text.contains("hidden"), "\(text)")
        }
        let bad = #expect(throws: PostgresError.self) { try PostgresURL("mysql://u:hidden@h/d") }
        #expect(bad?.description.contains("hidden") == false)
    }
}
