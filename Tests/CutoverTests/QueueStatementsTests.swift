import Foundation
import Legacy
import Migration
import TestSupport
import Testing

/// The SQL of a DAG without a gate, as Python's clients would send it.
struct Taker {
    let bench: QueueBench
    let sql: QueueStatements
    let type: String

    init(_ bench: QueueBench, type: String = "export") throws {
        self.bench = bench
        self.type = type
        sql = try #require(bench.profile.statements(timezone: "UTC"))
    }

    func ask(_ statement: String?, _ values: [String: String]) throws -> [String] {
        var text = try #require(statement)
        for (name, value) in values { text = text.replacing("%(\(name))s", with: value) }
        return try bench.server.psql(bench.url, text.replacing("%%", with: "%")).split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("UPDATE ") }
    }

    /// The due jobs, in order: id and attempts.
    func due(_ limit: Int = 100) throws -> [(job: String, attempts: Int)] {
        try ask(sql.due, ["type": "'\(type)'", "limit": "\(limit)"]).map { line in
            let parts = line.split(separator: "|", omittingEmptySubsequences: false)
            return (String(parts[0]), Int(parts[1]) ?? -1)
        }
    }

    func one(_ statement: String?, _ job: (job: String, attempts: Int)) throws -> [String] {
        try ask(
            statement,
            ["job": "'\(job.job)'", "attempts": "\(job.attempts)", "error": "'RuntimeError: it''s 100% busy'"]
        )
    }

    func row(_ job: (job: String, attempts: Int), _ columns: String = "status, retry_count") throws -> String {
        try bench.server.psql(bench.url, "SELECT \(columns) FROM tasks.background_jobs WHERE id = '\(job.job)'")
    }
}

@Suite("Jobs of a queue that a DAG has to itself, on a real PostgreSQL", .timeLimit(.minutes(2)))
struct QueueStatementsTests {
    @Test(arguments: ["status", "due", "queue"]) func eachJobIsClaimedOnceAndInOrder(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try bench.add(3, columns: ", created_at, job_id", values: ", now() - g * interval '1 hour', 'key ' || g")
            try bench.add(1, columns: ", next_retry_at", values: ", now() + interval '1 hour'")
            try bench.add(1, type: "mail")
            let taker = try Taker(bench)
            let jobs = try taker.due()
            #expect(try jobs.map { try taker.row($0, "job_id") } == ["key 3", "key 2", "key 1"])
            #expect(try taker.due(2).count == 2)
            #expect(try taker.one(taker.sql.claim, jobs[0]) == ["{\"n\": 1.10}"])
            #expect(try taker.row(jobs[0], "status, started_at IS NOT NULL") == "running|t")
            // Whoever comes second finds it begun.
            #expect(try taker.one(taker.sql.claim, jobs[0]).isEmpty)
            #expect(try taker.due().map(\.job) == jobs.dropFirst().map(\.job))
            #expect(try taker.one(taker.sql.success, jobs[0]).count == 1)
            #expect(try taker.row(jobs[0], "status, completed_at IS NOT NULL") == "completed|t")
            // An end that is told twice changes nothing.
            #expect(try taker.one(taker.sql.success, jobs[0]).isEmpty)
            #expect(try taker.one(taker.sql.failure, jobs[0]).isEmpty)
        }
    }

    @Test func anAttemptThatWasKilledFindsItsJobAndNoOther() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(2)
            let taker = try Taker(bench)
            let jobs = try taker.due()
            // The first attempt died before its claim, or after it.
            #expect(try taker.one(taker.sql.own, jobs[0]).isEmpty)
            #expect(try taker.one(taker.sql.claim, jobs[0]).count == 1)
            #expect(try taker.one(taker.sql.own, jobs[0]) == ["{\"n\": 1.10}"])
            // One that somebody else has run since, and that failed, is not its any more.
            #expect(try taker.one(taker.sql.claim, jobs[1]).count == 1)
            #expect(try taker.one(taker.sql.retry, jobs[1]).count == 1)
            #expect(try taker.one(taker.sql.own, jobs[1]).isEmpty && taker.one(taker.sql.claim, jobs[1]).isEmpty)
        }
    }

    @Test func failedJobsAreRepeatedAsTheProfileSays() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(1, columns: ", max_retries", values: ", 2")
            let taker = try Taker(bench)
            for attempt in 0..<2 {
                let job = try #require(try taker.due().first)
                #expect(job.attempts == attempt)
                #expect(try taker.one(taker.sql.claim, job).count == 1)
                #expect(try taker.one(taker.sql.retry, job).count == 1)
                #expect(try taker.row(job) == "pending|\(attempt + 1)")
                // 60 s, then twice as long.
                let wait = "round(extract(epoch FROM next_retry_at - localtimestamp) / 10) * 10"
                #expect(try taker.row(job, wait).hasPrefix("\(60 * (attempt + 1))"))
                #expect(try taker.due().isEmpty)
                try bench.server.psql(bench.url, "UPDATE tasks.background_jobs SET next_retry_at = now()")
            }
            let job = try #require(try taker.due().first)
            #expect(try taker.one(taker.sql.claim, job).count == 1)
            #expect(try taker.one(taker.sql.retry, job).isEmpty)
            #expect(try taker.one(taker.sql.failure, job).count == 1)
            #expect(try taker.row(job, "status, retry_count, completed_at IS NOT NULL") == "failed|2|t")
        }
    }

    @Test func aColumnThatCountsRunsAndOneForErrors() async throws {
        try await withFolder { folder in
            var bench = try QueueBench(folder)
            bench.profile.hold?.retries?.counts = .runs
            bench.profile.hold?.retries?.limit = 2
            bench.profile.columns["max_attempts"] = nil
            bench.profile.columns["error"] = "lane"
            try bench.add(1)
            let taker = try Taker(bench)
            var job = try #require(try taker.due().first)
            #expect(try taker.one(taker.sql.claim, job).count == 1)
            #expect(try taker.row(job) == "running|1" && taker.one(taker.sql.own, job).count == 1)
            #expect(try taker.one(taker.sql.retry, job).count == 1)
            #expect(try taker.row(job, "status, retry_count, lane") == "pending|1|RuntimeError: it's 100% busy")
            try bench.server.psql(bench.url, "UPDATE tasks.background_jobs SET next_retry_at = now()")
            job = try #require(try taker.due().first)
            #expect(try taker.one(taker.sql.claim, job).count == 1)
            #expect(try taker.one(taker.sql.retry, job).isEmpty && taker.one(taker.sql.failure, job).count == 1)
        }
    }

    /// A counter at its column's end, and one whose power no float holds: neither keeps other jobs from running, nor its own from ending.
    @Test(arguments: [QueueHold.Retries.Counts.retries, .runs]) func aRowThatSaysTooManyAttempts(
        _ counts: QueueHold.Retries.Counts
    ) async throws {
        try await withFolder { folder in
            var bench = try QueueBench(folder)
            bench.profile.hold?.retries?.counts = counts
            bench.profile.hold?.retries?.maximumDelay = 0
            try bench.server.psql(
                bench.url,
                "ALTER TABLE tasks.background_jobs ALTER retry_count TYPE smallint, ALTER max_retries TYPE bigint"
            )
            try bench.add(4, columns: ", job_id, max_retries", values: ", g, 9223372036854775807")
            func attempts() throws -> String {
                try bench.server.psql(
                    bench.url,
                    "SELECT string_agg(retry_count::text, ' ' ORDER BY retry_count) FROM tasks.background_jobs"
                )
            }
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            // What has been tried stays legacy's; so somebody writes the numbers into jobs that are held.
            try bench.server.psql(
                bench.url,
                "UPDATE tasks.background_jobs SET retry_count = (ARRAY[32767, 32766, 2000, 0])[job_id::int]"
            )
            func ask(_ sql: String) throws -> [String] {
                try bench.server.psql(bench.url, sql).split(separator: "\n").map(String.init)
            }
            let jobs = try ask("SELECT job FROM bailey.take('jobs', 'export', 'dag/1', 9)")
            #expect(jobs.count == 4)
            for job in jobs {
                #expect(try ask("SELECT bailey.finish('jobs', '\(job)', 'dag/1', 'failed', 'no')") == ["retry"])
            }
            #expect(try attempts() == "1 2001 32767 32767")
            try await bench.rollBack(queue)
            let taker = try Taker(bench)
            let left = try taker.due()
            #expect(left.count == 4)
            for job in left {
                #expect(try taker.one(taker.sql.claim, job).count == 1)
                #expect(try taker.one(taker.sql.own, job).count == 1)
                #expect(try taker.one(taker.sql.retry, job).count == 1, "\(job)")
            }
            #expect(try attempts() == "2 2002 32767 32767")
        }
    }

    @Test func aPercentSignIsNoParameter() throws {
        var profile = try #require(QueueProfile.shipped["background_jobs"].map { try QueueProfile(yaml: $0, file: "") })
        profile.statuses["queued"] = ["100%"]
        #expect(profile.statements(timezone: nil)?.due.contains("'100%%'") == true)
        profile.hold = nil
        #expect(profile.statements(timezone: nil) == nil)
    }
}
