import Foundation
import Legacy
import Migration
import Postgres
import Schedules
import Store
import Synchronization
import TestSupport
import Testing

@testable import Cutover

/// A queue's table in a database of a real PostgreSQL, and what a test does to it.
struct QueueBench {
    let server: PostgresServer
    let url: String
    let folder: URL
    var profile: QueueProfile

    static let table = """
        CREATE SCHEMA tasks;
        CREATE TABLE tasks.background_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), job_id varchar(255) UNIQUE, job_type varchar(100),
            job_data jsonb, status STATUS DEFAULT 'pending', created_at timestamp DEFAULT now(), started_at timestamp, completed_at timestamp,
            retry_count integer DEFAULT 0, max_retries integer DEFAULT 3, next_retry_at timestamp, lane text DEFAULT 'fast');
        """

    init(_ folder: URL, status: String = "varchar(50)", hold: String? = nil, zone: String = "") throws {
        self.folder = folder
        server = try PostgresServer.running()
        url = try server.database()
        if status == "job_status" {
            try server.psql(url, "CREATE TYPE job_status AS ENUM ('pending', 'running', 'completed', 'failed')")
        }
        try server.psql(url, QueueBench.table.replacing("STATUS", with: status))
        let file = QueueSwitchSQLTests.root.appendingPathComponent("mappings/profiles/background_jobs.yaml")
        var text = try String(contentsOf: file, encoding: .utf8)
        if let hold {
            let lines = text.split(separator: "\n").map(String.init)
            text = lines.map { $0.hasPrefix("  by: ") ? "  by: \(hold)" : $0 }.filter { !$0.hasPrefix("  held: ") }
                .joined(separator: "\n")
            text = text.replacing("  due: next_retry_at", with: "  due: next_retry_at\n  queue: lane")
        }
        profile = try QueueProfile(yaml: text, file: "profile.yaml")
    }

    func open(_ url: String? = nil, name: String = "jobs", profile: QueueProfile? = nil) async throws -> QueueSwitch {
        try await QueueSwitch(
            QueueSource(
                name: name,
                url: PostgresURL(url ?? self.url),
                profile: profile ?? self.profile,
                timezone: "UTC"
            )
        )
    }

    func surroundings(_ operation: String, progress: @escaping @Sendable (QueueProgress) -> Void = { _ in }) throws
        -> QueueSurroundings
    {
        let now: @Sendable () -> Instant = { Instant(microseconds: 1_790_000_000_000_000) }
        let store = try StateStore(path: folder.appendingPathComponent("state.sqlite").path)
        let start = ContinuousClock.now
        return QueueSurroundings(
            journal: Journal(store: store, pipeline: "p", operation: operation, token: "t", by: "tester", now: now),
            progress: progress,
            seconds: { Double((ContinuousClock.now - start).components.seconds) },
            wait: { try await Task.sleep(for: .milliseconds(20)) }
        )
    }

    func cutOver(_ queue: QueueSwitch, _ types: [String] = ["export"], share: Int = 100, limit: Double = 30)
        async throws
    {
        let cutover = QueueCutover(
            queue: queue,
            types: types,
            pipeline: "p",
            share: share,
            surroundings: try surroundings("cutover")
        )
        var plan = try await cutover.plan()
        // No worker is at work here, so none can be seen to lock its rows.
        plan.workers.locking = .locks
        try await cutover.execute(plan, roles: [], limit: limit)
    }

    @discardableResult
    func rollBack(
        _ queue: QueueSwitch,
        _ types: [String] = ["export"],
        dead: [String] = [],
        limit: Double = 20,
        progress: @escaping @Sendable (QueueProgress) -> Void = { _ in }
    ) async throws -> [QueueRest] {
        let surroundings = try surroundings("rollback", progress: progress)
        return try await QueueRollback(queue: queue, types: types, pipeline: "p", surroundings: surroundings)
            .execute(deadRuns: dead, limit: limit)
    }

    func add(_ count: Int, type: String = "export", columns: String = "", values: String = "") throws {
        try server.psql(
            url,
            "INSERT INTO tasks.background_jobs (job_type, job_data\(columns)) SELECT '\(type)', '{\"n\": 1.10}'\(values) FROM generate_series(1, \(count)) g"
        )
    }

    func take(_ run: String, _ most: Int = 100) throws -> [String] {
        try server.psql(url, "SELECT job FROM bailey.take('jobs', 'export', '\(run)', \(most))").split(separator: "\n")
            .map(String.init)
    }

    func finish(_ job: String, _ run: String, _ state: String) throws -> String {
        try server.psql(url, "SELECT bailey.finish('jobs', '\(job)', '\(run)', '\(state)', 'why')")
    }

    /// All rows, as text.
    func picture() throws -> String { try server.psql(url, "SELECT * FROM tasks.background_jobs ORDER BY id") }
}

@Suite("The switch of a queue table, on a real PostgreSQL", .timeLimit(.minutes(4))) struct QueueSwitchTests {
    @Test(arguments: ["status", "due", "queue"])
    func everyWayOfHoldingGivesRowsBackAsTheyWere(_ way: String) async throws {
        try await withFolder { folder in
            // A due time of the application's own that is as far away as that of a deferred row.
            let bench = try QueueBench(folder, hold: way)
            try bench.add(30)
            try bench.add(5, columns: ", next_retry_at, lane", values: ", '2020-02-03 04:05:06.789', NULL")
            try bench.add(5, columns: ", next_retry_at", values: ", '9999-12-31 00:00:00'")
            try bench.add(3, columns: ", retry_count, next_retry_at", values: ", 1, now() - interval '1 hour'")
            try bench.add(4, type: "other", columns: ", next_retry_at", values: ", '9999-12-31 00:00:00'")
            let before = try bench.picture()
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            let standing = try await queue.standing("export")
            #expect(standing.state == .airflow)
            #expect(standing.held == (way == "due" ? 35 : 40))
            #expect(standing.due == 35)
            #expect(standing.retries == 3)
            #expect(standing.waiting == 0)
            // The company's worker sees none of them.
            let claim =
                "status = 'pending' AND (next_retry_at IS NULL OR next_retry_at < now()) AND lane IS NOT DISTINCT FROM 'fast'"
            #expect(
                try bench.server.psql(bench.url, "SELECT count(*) FROM tasks.background_jobs WHERE \(claim)") == "3"
            )
            try await bench.cutOver(queue)
            try await bench.rollBack(queue)
            #expect(try bench.picture() == before)
            try await bench.cutOver(queue)
            let jobs = try bench.take("dag/1", 4)
            #expect(jobs.count == 4)
            #expect(try bench.finish(jobs[0], "dag/1", "success") == "success")
            #expect(try bench.finish(jobs[1], "dag/1", "failed") == "retry")
            try await bench.rollBack(queue)
            #expect(try bench.finish(jobs[2], "dag/1", "failed") == "released")
            // The run of the fourth is called dead.
            #expect(try await queue.openClaims("export").map(\.count) == [1])
            await #expect(throws: Refusal.self) { try await queue.uninstall() }
            try await bench.rollBack(queue, dead: ["dag/1"])
            let rows = try bench.server.psql(
                bench.url,
                "SELECT status, count(*), count(*) FILTER (WHERE retry_count = 1), count(*) FILTER (WHERE lane LIKE 'bailey%') FROM tasks.background_jobs GROUP BY 1 ORDER BY 1"
            )
            #expect(rows == "completed|1|0|0\npending|46|5|0")
            #expect(
                try bench.server.psql(
                    bench.url,
                    "SELECT count(*) FROM tasks.background_jobs WHERE next_retry_at > '9000-01-01'"
                ) == "9"
            )
            try await queue.uninstall()
            try await queue.uninstall()
            let left = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'bailey%'"
            #expect(
                try bench.server.psql(
                    bench.url,
                    "\(left) UNION ALL SELECT count(*) FROM pg_namespace WHERE nspname = 'bailey'"
                ) == "0\n0"
            )
        }
    }

    @Test func eachStepIsInTheJournal() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            let queue = try await bench.open()
            try await bench.cutOver(queue, ["export", "mail"])
            try await bench.rollBack(queue, ["export", "mail"])
            let store = try StateStore(path: folder.appendingPathComponent("state.sqlite").path)
            let lines = try store.journal(pipeline: "p").map { "\($0.step.rawValue) \($0.phase.rawValue)" }
            #expect(
                lines == [
                    "install before", "install after", "close before", "close after", "close before", "close after",
                    "settle before",
                    "settle after", "settle before", "settle after", "give-back before", "give-back after",
                ]
            )
            #expect(try await queue.types(of: "p") == [])
        }
    }

    @Test func aCutoverThatWasBrokenOffIsCompletedOrUndone() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(10)
            let before = try bench.picture()
            let queue = try await bench.open()
            try await queue.install()
            _ = try await queue.close("export", share: 100, pipeline: "p", by: "dead", drain: false)
            _ = try await queue.hold("export")
            #expect(try await queue.types(of: "p") == ["export"])
            try await bench.rollBack(queue)
            #expect(try bench.picture() == before)
            _ = try await queue.close("export", share: 100, pipeline: "p", by: "dead", drain: false)
            try await bench.cutOver(queue)
            #expect(try await queue.standing("export").state == .airflow)
            await #expect(throws: Refusal.self) {
                try await queue.close("export", share: 50, pipeline: "another", by: "x", drain: false)
            }
            await #expect(throws: Refusal.self) {
                try await queue.release(["export"], pipeline: "another", by: "x")
            }
        }
    }

    @Test func allTypesAreMovedOrNone() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(3)
            let queue = try await bench.open()
            try await queue.install()
            _ = try await queue.close("mail", share: 100, pipeline: "another", by: "x", drain: false)
            let before = try bench.picture()
            let cutover = QueueCutover(
                queue: queue,
                types: ["export", "mail"],
                pipeline: "p",
                share: 100,
                surroundings: try bench.surroundings("cutover")
            )
            var plan = try await cutover.plan()
            #expect(plan.refusals.map(\.reason) == [.otherPipeline])
            let refused = await #expect(throws: Refusal.self) { try await cutover.execute(plan, roles: [], limit: 5) }
            #expect(refused?.reason == .otherPipeline && refused?.found.contains("another") == true)
            // The other one came after the look.
            plan.taken = nil
            let late = await #expect(throws: Refusal.self) { try await cutover.execute(plan, roles: [], limit: 5) }
            #expect(late?.reason == .otherPipeline)
            #expect(try await queue.standing("export").state == .legacy)
            #expect(try await queue.standing("mail").pipeline == "another")
            #expect(try bench.picture() == before)
        }
    }

    @Test func aQueueThatCannotBeDrainedIsGivenBack() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(5)
            try bench.add(1, columns: ", status, started_at", values: ", 'running', now()")
            let before = try bench.picture()
            let queue = try await bench.open()
            let told = Mutex<[QueueProgress]>([])
            let surroundings = try bench.surroundings("cutover") { line in told.withLock { $0.append(line) } }
            let cutover = QueueCutover(
                queue: queue,
                types: ["export"],
                pipeline: "p",
                share: 100,
                surroundings: surroundings
            )
            let plan = try await cutover.plan()
            #expect(plan.workers.locking == .unknown)
            let error = await #expect(throws: Refusal.self) {
                try await cutover.execute(plan, roles: [], limit: 2)
            }
            #expect(error?.reason == .notDrained)
            #expect(error?.found.contains("1 jobs are run by legacy's workers") == true)
            #expect(told.withLock { $0.contains(.waiting(type: "export", .running, 1)) })
            #expect(try bench.picture() == before)
            // A job of a worker that died long ago is not waited for.
            try bench.server.psql(
                bench.url,
                "UPDATE tasks.background_jobs SET started_at = now() - interval '2 hours' WHERE status = 'running'"
            )
            #expect(try await queue.standing("export").stuck == 1)
        }
    }
}
