import Foundation
import LosslessJSON
import Migration
import Schedules
import Shadow
import TestSupport
import Testing

/// The embedded engine runs the same programs as the runtime in Airflow, on a real PostgreSQL.
@Suite("Bodies that move data, in the embedded engine", .timeLimit(.minutes(2))) struct DataBodyTests {
    private static let python = ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"]

    private func engine(_ connections: [String: String]) -> EmbeddedEngine {
        let runner = BodyRunner(
            environments: ["lab": .init(python: Self.python ?? "python3", path: [], variables: [:])],
            connections: connections,
            directory: FileManager.default.temporaryDirectory.path,
            inherited: ["PATH": "/usr/bin:/bin"],
            guardProgram: baileyProgram
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: 2,
            now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
        ) { _ in }
    }

    private func sql(_ id: String, _ text: String, _ parameters: JSON = [:], _ shadow: ShadowMode = .pure)
        -> TaskDefinition
    {
        let call = SQLCall(
            connection: "warehouse",
            statements: SQLStatement.all(text),
            parameters: parameters,
            environment: "lab"
        )
        return TaskDefinition(id: id, body: .sql(call), retry: RetryPolicy(retries: 2, delay: 1), shadow: shadow)
    }

    @Test(.enabled(if: python != nil, "needs psycopg")) func sqlReadsAndNeverWrites() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, "CREATE TABLE rows AS SELECT n, 'it''s ' || n AS name FROM generate_series(1, 5) n")
        let tasks = [
            sql(
                "count",
                "SELECT * FROM rows WHERE n > :n; SELECT 1 FROM rows WHERE name = :name",
                ["n": 2, "name": "it's 1"]
            ),
            sql("write", "SELECT 1; DELETE FROM rows"), sql("wrong", "SELECT 1; SELECT * FROM nowhere"),
            sql("seen", "DELETE FROM rows", [:], .observe),
        ]
        let run = try await engine(["warehouse": url]).run(tasks, payload: nil)
        #expect(run.tasks.map(\.state) == [.success, .failed, .failed, .success])
        #expect(run.tasks[0].result == ["rows": 1, "statements": [3, 1]])
        #expect(run.tasks[1].error?.message.contains("statement 2 of 2 failed") == true)
        #expect(run.tasks[1].error?.message.contains("25006") == true && run.tasks[1].attempts == 1)
        #expect(run.tasks[2].error?.type == "sql" && run.tasks[2].attempts == 1)
        #expect(run.tasks[3].observedOnly)
        #expect(try server.psql(url, "SELECT count(*) FROM rows").contains("5"))
    }

    @Test func aConnectionThatNobodyNamedIsSaid() async throws {
        let run = try await engine([:]).run([sql("a", "SELECT 1")], payload: nil)
        #expect(run.tasks[0].error?.type == "connection" && run.tasks[0].attempts == 1)
        #expect(run.tasks[0].error?.message.contains("“warehouse”") == true)
    }

    @Test func aServerThatIsAwayIsAskedAgain() async throws {
        let call = HTTPCall(url: "/x", connection: "agents")
        let task = TaskDefinition(id: "a", body: .http(call), retry: RetryPolicy(retries: 2, delay: 1), shadow: .pure)
        let run = try await engine(["agents": "http://me:secret@127.0.0.1:1/base/"]).run([task], payload: nil)
        #expect(run.tasks[0].error?.type == "http" && run.tasks[0].attempts == 3)
        #expect(run.tasks[0].error?.message.contains("GET http://127.0.0.1:1/base/x gave no answer") == true)
    }

    @Test func afterAnObservedOneRunsWhatAsksForSuccessAlone() async throws {
        var tasks = [sql("seen", "SELECT 1", [:], .observe)]
        for rule in [TriggerRule.allSuccess, .oneSuccess, .noneFailed, .allDone, .noneSkipped] {
            tasks.append(
                TaskDefinition(
                    id: rule.rawValue,
                    body: .command(CommandLine(arguments: ["true"])),
                    after: ["seen"],
                    triggerRule: rule,
                    shadow: .pure
                )
            )
        }
        let run = try await engine([:]).run(tasks, payload: nil)
        #expect(run.tasks.dropFirst().map(\.state) == [.success, .skipped, .success, .success, .skipped])
    }
}
