import Cutover
import Foundation
import Legacy
import Postgres
import TestSupport
import Testing

/// A table of somebody's own whose rows are deleted when they end, with a log beside it, rows that wait for others, and triggers that name things
/// without a schema: the keys of `hold` that profiles of other systems use.
@Suite("How jobs begin and end where a row says it not alone, on a real PostgreSQL", .timeLimit(.minutes(4)))
struct QueueEndTests {
    private func bench(_ folder: URL, _ hold: String) throws -> QueueBench {
        var bench = try QueueBench(folder)
        let text = """
            profile: own
            table: tasks.background_jobs
            columns: {id: id, type: job_type, payload: job_data, status: status, queued: created_at, due: next_retry_at, attempts: retry_count, queue: lane}
            statuses: {queued: [pending], running: [running], success: [completed], failed: [failed]}
            naive_timestamps: true
            hold:
              by: queue
              claimed: running
              locks: true
            \(hold.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))

            """
        bench.profile = try QueueProfile(yaml: text, file: "own.yaml")
        return bench
    }

    private static let log = """
        deletes: [success]
        retries: {limit: 1, delay: 0.001s}
        log:
          table: told
          columns: {job: id, step: bailey_step, why: bailey_error, lane: "substr(lane, 9)"}
        """

    @Test func anEndIsToldAndTheRowIsDeleted() async throws {
        try await withFolder { folder in
            let bench = try bench(folder, QueueEndTests.log)
            try bench.server.psql(bench.url, "CREATE TABLE tasks.told (job uuid, step text, why text, lane text)")
            try bench.add(2)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            let jobs = try bench.take("dag/1")
            try #require(jobs.count == 2)
            #expect(
                try bench.server.psql(bench.url, "SELECT DISTINCT status, lane FROM tasks.background_jobs")
                    == "running|bailey:=fast"
            )
            #expect(try bench.finish(jobs[0], "dag/1", "success") == "success")
            #expect(try bench.finish(jobs[0], "dag/1", "success") == "success")
            #expect(try bench.finish(jobs[1], "dag/1", "failed") == "retry")
            #expect(try bench.take("dag/2") == [jobs[1]])
            #expect(try bench.finish(jobs[1], "dag/2", "failed") == "failed")
            #expect(try bench.server.psql(bench.url, "SELECT status, lane FROM tasks.background_jobs") == "failed|fast")
            func told(_ job: String) throws -> String {
                try bench.server.psql(
                    bench.url,
                    "SELECT string_agg(step || coalesce(' ' || why, '') || ' ' || lane, ', ' ORDER BY ctid) FROM tasks.told WHERE job = '\(job)'"
                )
            }
            #expect(try told(jobs[0]) == "running fast, success why fast")
            #expect(
                try told(jobs[1]) == "running fast, queued why fast, running fast, failed why fast"
            )
            #expect(try bench.server.psql(bench.url, "SELECT what FROM bailey.sighting") == "")
            try await bench.rollBack(queue)
        }
    }

    @Test func aLogThatDoesNotTakeARowIsFoundBeforeAnythingIsHeld() async throws {
        try await withFolder { folder in
            let bench = try bench(folder, QueueEndTests.log)
            try bench.server.psql(
                bench.url,
                "CREATE TABLE tasks.told (job uuid, step text CHECK (step <> 'success'), why text, lane text)"
            )
            try bench.add(2)
            let before = try bench.picture()
            let queue = try await bench.open()
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver(queue) }
            #expect(refusal?.reason == .forbiddenStatus, "\(String(describing: refusal))")
            #expect(try bench.picture() == before)
        }
    }

    @Test func aTriggerThatNamesNoSchemaIsFoundOrHelped() async throws {
        try await withFolder { folder in
            for helped in [false, true] {
                let bench = try bench(folder, "search_path: \(helped)")
                try bench.server.psql(
                    bench.url,
                    """
                    CREATE TABLE tasks.seen (n integer);
                    CREATE FUNCTION tasks.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (1); RETURN new; END';
                    CREATE TRIGGER see AFTER UPDATE ON tasks.background_jobs FOR EACH ROW EXECUTE FUNCTION tasks.see();
                    """
                )
                try bench.add(2)
                let queue = try await bench.open()
                guard helped else {
                    let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver(queue) }
                    #expect(
                        refusal?.found.contains("\"seen\" does not exist") == true,
                        "\(String(describing: refusal))"
                    )
                    continue
                }
                try await bench.cutOver(queue)
                let jobs = try bench.take("dag/1", 1)
                #expect(try bench.finish(jobs[0], "dag/1", "success") == "success")
                try await bench.rollBack(queue)
                // Held twice, taken, ended, given back.
                #expect(try bench.server.psql(bench.url, "SELECT count(*) FROM tasks.seen") == "5")
                // Where everybody may put things, their names prove nothing.
                try bench.server.psql(bench.url, "GRANT CREATE ON SCHEMA tasks TO PUBLIC")
                let open = await #expect(throws: Refusal.self) { try await bench.cutOver(queue) }
                #expect(open?.reason == .unfitUse)
            }
        }
    }

    @Test func whatIsNotReadyWaits() async throws {
        try await withFolder { folder in
            let bench = try bench(
                folder,
                "ready: \"NOT EXISTS (SELECT FROM {table} o WHERE o.job_id < jobs.job_id AND o.status IN ('pending', 'running'))\""
            )
            try bench.add(3, columns: ", job_id", values: ", g::text")
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            let standing = try await queue.standing("export")
            #expect(standing.held == 3 && standing.due == 1)
            let one = try bench.take("dag/1")
            #expect(one.count == 1)
            #expect(try bench.take("dag/2") == [])
            _ = try bench.finish(one[0], "dag/1", "success")
            #expect(try bench.take("dag/3").count == 1)
        }
    }

    @Test func whatMustNotBeSoIsAskedBeforehand() async throws {
        try await withFolder { folder in
            let bench = try bench(
                folder,
                "refuse: [{when: \"EXISTS (SELECT FROM {table} WHERE job_type = 'odd')\", because: odd jobs wait, advice: End them}]"
            )
            try bench.add(1)
            let queue = try await bench.open()
            try bench.add(1, type: "odd")
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver(queue) }
            #expect(refusal?.reason == .unfitUse && refusal?.found == "odd jobs wait" && refusal?.advice == "End them")
            try bench.server.psql(bench.url, "DELETE FROM tasks.background_jobs WHERE job_type = 'odd'")
            try await bench.cutOver(queue)
        }
    }

    @Test(arguments: [
        ("(lane, job_id) WHERE status = 'running'", true),
        ("(lane, job_id) WHERE status = 'running' AND job_id IS NOT NULL", true),
        ("(lane, job_id) WHERE status = 'pending'", false), ("(lane, job_id) WHERE job_id IS NOT NULL", false),
        ("(lane, job_id) WHERE status <> 'failed'", false), ("(lane, job_id)", false),
    ])
    func anIndexThatHasNoRowThatWaitsIsNoReason(_ index: String, _ isHarmless: Bool) async throws {
        try await withFolder { folder in
            let bench = try bench(folder, "order: [created_at]")
            try bench.server.psql(bench.url, "CREATE UNIQUE INDEX u ON tasks.background_jobs \(index)")
            let plan = try await QueueCutover(
                queue: bench.open(),
                types: ["export"],
                pipeline: "p",
                share: 100,
                surroundings: bench.surroundings("preview")
            ).plan()
            #expect(plan.refusals.isEmpty == isHarmless, "\(plan.refusals)")
        }
    }

    /// Without a word that says so, only the claims tell that a run has a row: takes go one after the other then.
    @Test(arguments: ["queue", "due"]) func twoRunsThatTakeAtOnceNeverTakeTheSame(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try bench.add(40)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            let taken = try await withThrowingTaskGroup(of: [String].self) { group in
                for run in 0..<8 {
                    group.addTask { try bench.take("dag/\(run)", 5) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(taken.count == 40 && Set(taken).count == 40)
        }
    }

    /// The SQL that an administrator runs frees what is held, and nothing that a run has: legacy would run it too.
    @Test(arguments: ["queue", "due"]) func whatAnAdministratorFreesIsNoRuns(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try bench.add(3)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            let taken = try bench.take("dag/1", 1)
            try bench.server.psql(bench.url, try await queue.freeing(["export"]))
            let free =
                "SELECT count(*) FROM tasks.background_jobs WHERE lane = 'fast' AND next_retry_at IS NULL AND id <> '\(taken[0])'"
            #expect(try bench.server.psql(bench.url, free) == "2")
            #expect(try await queue.standing("export").claimed == 1)
            #expect(try bench.finish(taken[0], "dag/1", "success") == "success")
        }
    }
}
