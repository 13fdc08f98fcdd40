import Cutover
import Foundation
import Legacy
import Postgres
import TestSupport
import Testing

/// Whatever looks at the column that holding changes is seen before anything is changed.
@Suite("What of a table looks at a held row, on a real PostgreSQL", .timeLimit(.minutes(4)))
struct QueueExaminationTests {
    private func plan(_ bench: QueueBench) async throws -> QueuePlan {
        try await QueueCutover(
            queue: bench.open(),
            types: ["export"],
            pipeline: "p",
            share: 100,
            surroundings: bench.surroundings("preview")
        ).plan()
    }

    @Test(arguments: [
        ("CREATE UNIQUE INDEX u ON T (job_id) WHERE status = 'pending'", "unique index"),
        ("CREATE UNIQUE INDEX u ON T (job_id, status)", "unique index"),
        ("CREATE UNIQUE INDEX u ON T ((status || job_id))", "unique index"),
        (
            "ALTER TABLE T ADD CONSTRAINT e EXCLUDE USING btree (job_id WITH =) WHERE (status = 'pending')",
            "unique index"
        ),
        ("ALTER TABLE T ADD CHECK (status = 'pending' OR retry_count > 0)", "compared with other columns"),
        ("ALTER TABLE T ADD open boolean GENERATED ALWAYS AS (status = 'pending') STORED", "generated"),
        (
            "CREATE TABLE words (w varchar(50) PRIMARY KEY); INSERT INTO words VALUES ('pending'); ALTER TABLE T ADD FOREIGN KEY (status) REFERENCES words",
            "refers to another table"
        ),
        ("CREATE VIEW v AS SELECT * FROM T WHERE status = 'pending' WITH CHECK OPTION", "checked by the view"),
        (
            "CREATE DOMAIN full_text AS text NOT NULL; ALTER TABLE T ADD note full_text DEFAULT ''",
            "cannot even be empty"
        ),
        ("CREATE RULE r AS ON UPDATE TO T DO ALSO SELECT 1", "rule r"),
        ("CREATE POLICY p ON T USING (status <> 'secret')", "policy p"),
        ("CREATE TABLE tasks.more () INHERITS (T)", "inherit"),
        (
            "CREATE DOMAIN word AS text CHECK (VALUE IN ('pending', 'running', 'completed', 'failed')); ALTER TABLE T ALTER status TYPE word",
            "no value of word"
        ),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.status IS NULL THEN RAISE ''no''; END IF; RETURN new; END'; CREATE TRIGGER t BEFORE UPDATE ON T FOR EACH ROW EXECUTE FUNCTION f()",
            "trigger t looks at status"
        ),
    ])
    func isRefusedAtThePreview(_ change: String, _ found: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.server.psql(
                bench.url,
                change.replacing(" T ", with: " tasks.background_jobs ").replacing(
                    "(T)",
                    with: "(tasks.background_jobs)"
                )
            )
            let refusals = try await plan(bench).refusals
            #expect(refusals.contains { $0.found.contains(found) }, "\(refusals.map(\.found))")
            #expect(refusals.allSatisfy { $0.reason == .forbiddenStatus || $0.reason == .unfitTable })
            #expect(
                try bench.server.psql(bench.url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'bailey'") == "0"
            )
        }
    }

    @Test(arguments: [
        "CREATE UNIQUE INDEX u ON T (job_id)", "CREATE INDEX i ON T (status) WHERE status = 'pending'",
        "CREATE VIEW v AS SELECT * FROM T WHERE status = 'pending'", "ALTER TABLE T ADD CHECK (retry_count >= 0)",
        "ALTER TABLE T ADD CHECK (length(status) < 30)",
    ])
    func whatHarmsNothingIsNoReason(_ change: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.server.psql(bench.url, change.replacing(" T ", with: " tasks.background_jobs "))
            let plan = try await plan(bench)
            #expect(plan.refusals == [])
            let seen = plan.readiness.notes.filter { $0.contains("sees held rows") }
            #expect(seen.isEmpty == !change.contains("VIEW"))
        }
    }

    @Test func oneKeyThatMayWaitOnceIsHeldByItsDueTime() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: "due")
            try bench.server.psql(
                bench.url,
                "CREATE UNIQUE INDEX u ON tasks.background_jobs (lane) WHERE status = 'pending'"
            )
            try bench.add(1)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            // The table's own rule holds while Airflow owns the jobs.
            #expect(throws: NotInTime.self) { try bench.add(1) }
            try await bench.rollBack(queue)
            #expect(
                try bench.server.psql(
                    bench.url,
                    "SELECT count(*) FROM tasks.background_jobs WHERE next_retry_at IS NULL"
                ) == "1"
            )
        }
    }

    @Test(arguments: ["LIST (status)", "LIST (job_type)"]) func aPartitionedTable(_ by: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.server.psql(
                bench.url,
                """
                ALTER TABLE tasks.background_jobs RENAME TO old;
                CREATE TABLE tasks.background_jobs (LIKE tasks.old INCLUDING DEFAULTS) PARTITION BY \(by);
                CREATE TABLE tasks.open PARTITION OF tasks.background_jobs FOR VALUES IN ('pending', 'running', 'export');
                CREATE TABLE tasks.rest PARTITION OF tasks.background_jobs DEFAULT;
                """
            )
            try bench.add(5)
            let plan = try await plan(bench)
            guard by.contains("job_type") else {
                #expect(plan.refusals.contains { $0.found.contains("partitioned by") }, "\(plan.refusals)")
                return
            }
            #expect(plan.refusals == [])
            let before = try bench.picture()
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            try bench.add(1, type: "mail")
            #expect(try await queue.standing("export").held == 5)
            try bench.server.psql(bench.url, "DELETE FROM tasks.background_jobs WHERE job_type = 'mail'")
            try await bench.rollBack(queue)
            #expect(try bench.picture() == before)
        }
    }

    @Test func aViewIsRecognisedAtThePreview() async throws {
        try await withFolder { folder in
            var bench = try QueueBench(folder)
            try bench.server.psql(bench.url, "CREATE VIEW tasks.seen AS SELECT * FROM tasks.background_jobs")
            bench.profile.table = "tasks.seen"
            #expect(
                try await plan(bench).refusals.map(\.found) == [
                    "tasks.seen is a view, which takes no trigger that could hold its rows"
                ]
            )
        }
    }

    @Test func aWorkerThatIsNeverSeenToRunIsRefused() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(3, columns: ", status, completed_at", values: ", 'completed', now()")
            #expect(try await plan(bench).refusals == [])
            // A worker that only reads, and writes the end.
            let worker = try await PostgresConnection(to: PostgresURL(bench.url))
            _ = try await worker.query("SELECT id FROM tasks.background_jobs WHERE status = 'pending' LIMIT 10")
            let refusals = try await plan(bench).refusals
            #expect(refusals.map(\.reason) == [.noRunningState], "\(refusals)")
            try bench.add(1, columns: ", status, started_at", values: ", 'completed', now()")
            #expect(try await plan(bench).refusals == [])
            _ = try await worker.query("SELECT 1")
        }
    }
}
