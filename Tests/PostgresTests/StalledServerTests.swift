import Foundation
import Postgres
import TestSupport
import Testing

@Suite("PostgreSQL that stalls, with real sessions that are stopped", .timeLimit(.minutes(3))) struct StalledServerTests
{
    private func connect(_ url: String, timeout: Double) async throws -> (PostgresConnection, pid: pid_t) {
        let postgres = try await PostgresConnection(to: PostgresURL(url), readOnly: false, statementTimeout: timeout)
        let pid = try await postgres.query("SELECT pg_backend_pid() AS pid").first?.int("pid")
        return (postgres, pid_t(try #require(pid)))
    }

    @Test func aStatementEndsSoonAfterItsLimit() async throws {
        let (postgres, pid) = try await connect(PostgresServer.running().database(), timeout: 1)
        kill(pid, SIGSTOP)
        defer { kill(pid, SIGCONT) }
        let start = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) { try await postgres.query("SELECT 1") }
        #expect(error?.code == .timeout)
        #expect(error?.found.contains("said nothing") == true)
        #expect(ContinuousClock.now - start < .seconds(30))
        // What still comes would answer the wrong statement.
        kill(pid, SIGCONT)
        let later = await #expect(throws: PostgresError.self) { try await postgres.query("SELECT 2 AS two") }
        #expect(later == error)
    }

    @Test func streamsAndTransactionsEndToo() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, "CREATE TABLE t (n int)")
        let works: [@Sendable (PostgresConnection) async throws -> Void] = [
            { try await $0.stream("SELECT 1") { _ in } },
            { try await $0.transaction { _ = try await $0.query("INSERT INTO t VALUES (1)") } },
            { try await $0.execute(script: "SELECT 1; SELECT 2") },
        ]
        for work in works {
            let (postgres, pid) = try await connect(url, timeout: 0.5)
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            let start = ContinuousClock.now
            let error = await #expect(throws: PostgresError.self) { try await work(postgres) }
            #expect(error?.code == .timeout)
            #expect(ContinuousClock.now - start < .seconds(40))
        }
        #expect(try server.psql(url, "SELECT count(*) FROM t") == "0")
    }

    @Test func aCancelledTaskDoesNotWaitForItEvenWhereTheRequestToCancelHangs() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        let (postgres, pid) = try await connect(url, timeout: 600)
        let work = Task { try await postgres.query("SELECT pg_sleep(302)") }
        try await waitUntil("the statement runs") {
            try server.psql(
                url,
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(302)' AND state = 'active'"
            ) == "1"
        }
        kill(pid, SIGSTOP)
        kill(server.pid, SIGSTOP)
        defer {
            kill(server.pid, SIGCONT)
            kill(pid, SIGCONT)
        }
        work.cancel()
        let start = ContinuousClock.now
        await #expect(throws: PostgresError.self) { _ = try await work.value }
        #expect(ContinuousClock.now - start < .seconds(20))
        // And neither does one who wants to connect.
        let opening = Task {
            try await PostgresConnection(to: PostgresURL(url), readOnly: true)
        }
        try await Task.sleep(for: .milliseconds(300))
        opening.cancel()
        let before = ContinuousClock.now
        let error = await #expect(throws: PostgresError.self) { _ = try await opening.value }
        #expect(error?.code == .cancelled)
        #expect(ContinuousClock.now - before < .seconds(5))
    }

    @Test func anAnswerOfMoreThanAMillionRowsIsRefused() async throws {
        let postgres = try await PostgresConnection(to: PostgresURL(try PostgresServer.running().database()))
        let error = await #expect(throws: PostgresError.self) {
            try await postgres.query("SELECT n FROM generate_series(1, 100000000) n")
        }
        #expect(error?.code == .tooMuch)
        #expect(try await postgres.query("SELECT 1 AS one").first?["one"] == "1")
    }
}
