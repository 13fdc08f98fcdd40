import Cutover
import Foundation
import Legacy
import Migration
import Postgres
import TestSupport
import Testing

/// Airflow owns a type and holds jobs; then the application changes its table. What is held is given back all the same, or it is said why not.
@Suite("A queue whose table the application changes while Airflow owns its jobs", .timeLimit(.minutes(4)))
struct QueueChangedTableTests {
    private static let add =
        "INSERT INTO tasks.background_jobs (job_type, job_data) VALUES ('export', '{}'), ('other', '{}')"

    @Test(arguments: [
        "DROP COLUMN started_at", "DROP COLUMN completed_at", "DROP COLUMN retry_count", "DROP COLUMN job_data",
        "RENAME COLUMN created_at TO made_at", "RENAME COLUMN status TO state", "RENAME COLUMN job_type TO kind",
        "RENAME COLUMN id TO number", "ALTER COLUMN completed_at TYPE timestamptz", "ALTER COLUMN status TYPE text",
        "ALTER COLUMN started_at TYPE bigint USING extract(epoch FROM started_at)", "RENAME TO jobs",
        "SET SCHEMA public", "ALTER COLUMN job_type TYPE text", "ALTER COLUMN id TYPE text",
    ])
    func rollbackGivesBackWhatIsHeld(_ change: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(7)
            let before = try await bench.open()
            try await bench.cutOver(before)
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs \(change)")
            let table =
                change == "RENAME TO jobs" ? "tasks.jobs" : change == "SET SCHEMA public" ? "background_jobs" : nil
            let name = table ?? "tasks.background_jobs"
            // The application goes on adding jobs, of this type too.
            let type = change.contains("TO kind") ? "kind" : "job_type"
            let status = change.contains("TO state") ? "state" : "status"
            let values = change.contains("job_data") ? "" : ", job_data"
            let given = change.contains("job_data") ? "" : ", '{}'"
            let id = change.contains("id TYPE text") ? ", id" : ""
            let number = change.contains("id TYPE text") ? ", 'x'" : ""
            let other = change.contains("id TYPE text") ? ", 'y'" : ""
            try bench.server.psql(
                bench.url,
                "INSERT INTO \(name) (\(type)\(values)\(id)) VALUES ('export'\(given)\(number)), ('other'\(given)\(other))"
            )
            let queue = try await bench.open()
            #expect(try await queue.types(of: "p") == ["export"])
            #expect(try await bench.rollBack(queue) == [])
            let rows = try bench.server.psql(bench.url, "SELECT \(status), count(*) FROM \(name) GROUP BY 1")
            #expect(rows == "pending|9")
            #expect(try await queue.stranded().isEmpty)
        }
    }

    /// As tools do that change a table without locking it: a copy takes its name.
    @Test(arguments: [true, false]) func aTableThatIsPutInItsPlaceIsTheOneThatCounts(_ keeps: Bool) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(7)
            let queue = try await bench.open()
            try await bench.cutOver(queue)
            #expect(try await queue.isGuarded())
            try bench.server.psql(
                bench.url,
                """
                CREATE TABLE tasks.made (LIKE tasks.background_jobs INCLUDING ALL);
                INSERT INTO tasks.made SELECT * FROM tasks.background_jobs;
                ALTER TABLE tasks.background_jobs RENAME TO former;
                ALTER TABLE tasks.made RENAME TO background_jobs;
                """
            )
            if !keeps { try bench.server.psql(bench.url, "DROP TABLE tasks.former") }
            try bench.server.psql(bench.url, QueueChangedTableTests.add)
            func statuses() throws -> String {
                try bench.server.psql(
                    bench.url,
                    "SELECT status, count(*) FROM tasks.background_jobs GROUP BY 1 ORDER BY 1"
                )
            }
            #expect(try statuses() == "bailey_held|7\npending|2")
            #expect(try await !queue.isGuarded())
            #expect(try await queue.readiness().installation == .outdated)
            // A cutover puts the triggers there, and takes what has passed meanwhile.
            try await bench.cutOver(queue)
            #expect(try await queue.isGuarded())
            try bench.server.psql(bench.url, QueueChangedTableTests.add)
            #expect(try statuses() == "bailey_held|9\npending|2")
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs DISABLE TRIGGER bailey_arrival")
            #expect(try await !queue.isGuarded())
            try bench.server.psql(bench.url, "DROP TRIGGER bailey_arrival ON tasks.background_jobs")
            #expect(try await bench.rollBack(queue) == [])
            #expect(try statuses() == "pending|11")
            #expect(try await queue.stranded().isEmpty)
        }
    }

    @Test(arguments: ["DROP COLUMN job_type", "DROP COLUMN status"])
    func whatCannotBeGivenBackIsSaidWithTheSQLThatDoesIt(_ change: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(7)
            try await bench.cutOver(try await bench.open())
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs \(change)")
            let queue = try await bench.open()
            #expect(try await queue.types(of: "p") == ["export"])
            let standing = try await queue.standing("export")
            #expect(standing.state == .airflow && standing.trouble != nil)
            let error = await #expect(throws: Refusal.self) { try await bench.rollBack(queue) }
            #expect(error?.reason == .stranded)
            #expect(error?.found.contains("has lost the columns") == true, "\(error?.found ?? "")")
            // New jobs are legacy's all the same.
            #expect(try await queue.standing("export").state == .legacy)
            guard change.contains("job_type") else { return }
            let sql = try #require(error?.advice.split(separator: "owner: ").last.map(String.init))
            try bench.server.psql(bench.url, sql.replacing("BEGIN;", with: "").replacing("COMMIT;", with: ""))
            #expect(
                try bench.server.psql(bench.url, "SELECT DISTINCT status FROM tasks.background_jobs") == "pending"
            )
        }
    }

    /// The type stands in the payload, and cannot be taken out of one row: that is legacy's, and the others move.
    @Test(arguments: ["status", "due", "queue"])
    func aRowWhoseTypeCannotBeToldStopsNothing(_ way: String) async throws {
        try await withFolder { folder in
            var bench = try QueueBench(folder, hold: way)
            bench.profile.columns["type"] = nil
            bench.profile.expressions["type"] = "(job_data->>'kind') || nullif((job_data->>'n')::int, 0)"
            func add(_ payloads: String...) throws {
                for payload in payloads {
                    try bench.server.psql(
                        bench.url,
                        "INSERT INTO tasks.background_jobs (job_data) VALUES ('\(payload)')"
                    )
                }
            }
            let (good, bad) = (#"{"kind": "export", "n": "1"}"#, #"{"kind": "export", "n": "x"}"#)
            try add(good, bad, good)
            let queue = try await bench.open()
            try await bench.cutOver(queue, ["export1"])
            #expect(try await queue.standing("export1").held == 2)
            // One that comes later passes to legacy, and is told of.
            try add(bad, good)
            #expect(try await queue.standing("export1").trouble == nil)
            #expect(try await queue.standing("export1").held == 3)
            #expect(try await queue.sightings().contains { $0.what.hasPrefix("trouble: ") })
            let taken = try bench.server.psql(
                bench.url,
                "SELECT count(*) FROM bailey.take('jobs', 'export1', 'p/r', 9)"
            )
            #expect(taken == "3")
            try bench.server.psql(
                bench.url,
                "SELECT bailey.finish('jobs', job, run, 'success', NULL) FROM bailey.claim ORDER BY place LIMIT 2"
            )
            // Held again, so that there is something to give back.
            #expect(try await queue.giveUp("export1", runs: ["p/r"], by: "tester") == 1)
            #expect(try await bench.rollBack(queue, ["export1"]) == [])
            let waiting = try bench.server.psql(
                bench.url,
                "SELECT count(*) FROM tasks.background_jobs WHERE status = 'pending' AND coalesce(next_retry_at < '9000-01-01', true) AND lane = 'fast'"
            )
            #expect(waiting == "3")
            try await queue.uninstall()
            #expect(try bench.server.psql(bench.url, "SELECT to_regnamespace('bailey') IS NULL") == "t")
        }
    }

    @Test(arguments: ["status", "due", "queue"])
    func aTriggerThatFailsLetsTheRowPassAndIsKept(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try await bench.cutOver(try await bench.open())
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs RENAME COLUMN status TO state")
            for _ in 1...3 { try bench.server.psql(bench.url, QueueChangedTableTests.add) }
            try bench.server.psql(bench.url, "UPDATE tasks.background_jobs SET state = 'running', started_at = now()")
            try bench.server.psql(bench.url, "DELETE FROM tasks.background_jobs WHERE job_type = 'other'")
            let queue = try await bench.open()
            let seen = try await queue.sightings()
            #expect(seen.contains { $0.what.hasPrefix("trouble: ") && $0.what.contains("status") })
            #expect(seen.allSatisfy { $0.count <= 2 }, "\(seen)")
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs RENAME COLUMN state TO status")
            try await bench.rollBack(queue)
        }
    }

    @Test(arguments: ["status", "due", "queue"])
    func aTableThatWasRestoredWithoutTheSwitchHasHeldRowsThatAreNobodys(_ way: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, hold: way)
            try bench.add(4)
            let before = try bench.picture()
            try await bench.cutOver(try await bench.open())
            _ = try bench.take("dag/1", 1)
            // As a dump of the table's schema alone leaves it.
            try bench.server.psql(bench.url, "DROP SCHEMA bailey CASCADE")
            let queue = try await bench.open()
            let found = try await queue.stranded(guesses: true)
            #expect(found.map(\.type) == ["export"])
            #expect(found.first?.taken == (way == "status" ? 1 : 0))
            let error = try #require(try await queue.strandedError("looking", guesses: true))
            #expect(error.reason == .stranded && error.advice.contains("UPDATE"))
            if way != "due" {
                await #expect(throws: Refusal.self) { try await bench.rollBack(queue) }
                await #expect(throws: Refusal.self) { try await bench.cutOver(queue) }
            }
            let sql = try #require(error.advice.split(separator: "owner: ").last?.split(separator: "COMMIT;").first)
            try bench.server.psql(bench.url, String(sql).replacing("BEGIN;", with: ""))
            if way != "status" {
                try bench.server.psql(bench.url, "UPDATE tasks.background_jobs SET started_at = NULL")
                #expect(try bench.picture() == before)
            }
        }
    }
}
