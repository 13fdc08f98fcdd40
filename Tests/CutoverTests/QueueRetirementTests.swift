import Cutover
import Foundation
import Legacy
import Migration
import Postgres
import Store
import TestSupport
import Testing

@Suite("Taking the bridge away from job types, on a real PostgreSQL", .timeLimit(.minutes(2)))
struct QueueRetirementTests {
    @Test(arguments: ["status", "due", "queue"]) func heldJobsWaitAsTheyWere(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try bench.add(5)
            try bench.add(3, columns: ", next_retry_at, lane", values: ", '2020-02-03 04:05:06.789', NULL")
            let before = try bench.picture()
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            #expect(try bench.picture() != before)
            // Not marked, nothing is handed over.
            await #expect(throws: Refusal.self) {
                try await queue.handOver(["export"], pipeline: "p", by: "me")
            }
            try await queue.mark(["export"], pipeline: "p", true)
            #expect(try await queue.standing("export").retirement == .begun)
            #expect(try await queue.handOver(["export"], pipeline: "p", by: "me") == 8)
            #expect(try bench.picture() == before)
            #expect(try await queue.standing("export").retirement == .finished)
            // Again changes nothing; what arrives from now on is left alone.
            #expect(try await queue.handOver(["export"], pipeline: "p", by: "me") == 0)
            try bench.add(2)
            #expect(try await queue.standing("export").waiting == 10)
            while try await !queue.sweep("export").isDone { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await queue.uses().isEmpty)
            // It is nobody's to cut over.
            await #expect(throws: Refusal.self) {
                try await queue.close("export", share: 100, pipeline: "p", by: "me", drain: false)
            }
            let picture = try bench.picture()
            try await queue.uninstall()
            #expect(try bench.server.psql(bench.url, "SELECT to_regnamespace('bailey') IS NULL") == "t")
            #expect(try bench.picture() == picture)
        }
    }

    @Test func whileItIsRetiredNothingGivesItBack() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(2)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            try await queue.mark(["export"], pipeline: "p", true)
            await #expect(throws: Refusal.self) { try await bench.rollBack(queue) }
            await #expect(throws: Refusal.self) {
                _ = try await queue.release(["export"], pipeline: "p", by: "me")
            }
            await #expect(throws: Refusal.self) {
                try await queue.close("export", share: 50, pipeline: "p", by: "me", drain: false)
            }
            #expect(try await queue.standing("export").held == 2)
            // A run that has a job keeps it, and is waited for.
            let jobs = try bench.take("dag/1", 1)
            let error = await #expect(throws: Refusal.self) {
                try await queue.handOver(["export"], pipeline: "p", by: "me")
            }
            #expect(error?.reason == .stillHeld)
            #expect(try bench.finish(jobs[0], "dag/1", "success") == "success")
            // All or none.
            await #expect(throws: Refusal.self) {
                try await queue.handOver(["export", "mail"], pipeline: "p", by: "me")
            }
            #expect(try await queue.standing("export").held == 1)
            try await queue.mark(["export"], pipeline: "p", false)
            try await bench.rollBack(queue)
            #expect(try await queue.standing("export").waiting == 1)
            // Only what is wholly Airflow's is marked.
            await #expect(throws: Refusal.self) { try await queue.mark(["export"], pipeline: "p", true) }
        }
    }

    @Test func theSwitchStaysForOtherTypes() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(2)
            try bench.add(2, type: "mail")
            let queue = try await bench.open()
            try await bench.cutOver(queue, ["export", "mail"])
            try await queue.mark(["export"], pipeline: "p", true)
            #expect(try await queue.handOver(["export"], pipeline: "p", by: "me") == 2)
            while try await !queue.sweep("export").isDone { try await Task.sleep(for: .milliseconds(20)) }
            let error = await #expect(throws: Refusal.self) { try await queue.uninstall() }
            #expect(error?.reason == .stillHeld)
            try bench.add(1)
            try bench.add(1, type: "mail")
            #expect(try await queue.standing("export").waiting == 3)
            #expect(try await queue.standing("mail").held == 3)
            // A DAG without a gate takes the one, and the triggers do not mind.
            let taker = try Taker(bench)
            let job = try #require(try taker.due().first)
            #expect(try taker.one(taker.sql.claim, job).count == 1 && taker.one(taker.sql.retry, job).count == 1)
            #expect(try taker.row(job) == "pending|1")
            #expect(try bench.server.psql(bench.url, "SELECT count(*) FROM bailey.sighting") == "0")
            try await bench.rollBack(queue, ["mail"])
            #expect(try await queue.standing("export").retirement == .finished)
            try await queue.uninstall()
        }
    }

    @Test func whoClaimsJobsIsSeen() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            let queue = try await bench.open()
            let wait: () async throws -> Void = { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await queue.claimants(wait: wait).value == [])
            let worker = try await PostgresConnection(to: PostgresURL(bench.url), readOnly: false)
            let table: [(String, Bool)] = [
                ("UPDATE tasks.background_jobs SET status = 'running' WHERE false", true),
                ("SELECT id FROM tasks.background_jobs WHERE status = 'pending' LIMIT 10", true),
                ("SELECT id FROM tasks.background_jobs LIMIT 1 FOR UPDATE SKIP LOCKED", true),
                ("SELECT count(*) FROM tasks.background_jobs WHERE status = 'pending'", false),
                ("INSERT INTO tasks.background_jobs (job_type, status) VALUES ('mail', 'pending')", false),
                ("SELECT 'status' WHERE false", false),
            ]
            for (statement, claims) in table {
                _ = try await worker.query(statement)
                let seen = try await queue.claimants(wait: wait).value ?? ["?"]
                #expect(seen.count == (claims ? 1 : 0) && seen.allSatisfy { $0.hasPrefix("pid ") }, "\(statement)")
            }
            // What another user's sessions do is out of an ordinary user's sight, which is not the same as nothing.
            let name = "u\(UUID().uuidString.prefix(8).lowercased())"
            try bench.server.psql(bench.url, "CREATE USER \(name); GRANT USAGE ON SCHEMA tasks TO \(name)")
            let url = try #require(URL(string: bench.url))
            let blind = try await bench.open("postgresql://\(name)@\(url.host() ?? ""):\(url.port ?? 0)\(url.path)")
            #expect(try await blind.claimants(wait: wait).value == nil)
        }
    }

    @Test func aSwitchOfAnEarlierBaileyIsBroughtUpToDate() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            let queue = try await bench.open()
            try await queue.install()
            try bench.server.psql(
                bench.url,
                "ALTER TABLE bailey.switch DROP COLUMN retirement; UPDATE bailey.queue SET digest = 'old'"
            )
            #expect(try await queue.standing("export").retirement == nil)
            try await queue.install()
            #expect(try await queue.readiness().installation == .present)
            try await bench.cutOver(queue)
            try await queue.mark(["export"], pipeline: "p", true)
        }
    }
}
