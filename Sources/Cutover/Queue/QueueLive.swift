import Legacy
public import Migration
import Postgres
public import Schedules

/// What automatic rollback and alerts need to know of a queue's job types.
extension QueueSwitch {
    /// Whether the switch is there, of this version.
    ///
    /// - Throws: `PostgresError`.
    public func isInstalled() async throws -> Bool { try await isSwitchThere() }

    /// The jobs of types that ended since they were moved, newest first, as many as matter; the job that has waited longest; and since when all are moved.
    ///
    /// - Throws: `PostgresError`.
    public func live(_ types: [String]) async throws -> (
        jobs: [LiveJob], oldest: (job: String, since: Instant)?, since: Instant?
    ) {
        let ended = try await connection.query(
            """
            SELECT c.job_type, c.job, c.run, c.outcome, floor(extract(epoch FROM c.finished_at) * 1000000)::bigint AS at
            FROM bailey.claim c JOIN bailey.switch s ON s.queue = c.queue AND s.job_type = c.job_type
            WHERE c.queue = $1 AND c.job_type = ANY ($2) AND c.outcome IN ('success', 'failed', 'retry') AND c.taken_at >= s.settled_at
            ORDER BY c.finished_at DESC LIMIT 200
            """,
            [.text(queue), .texts(types)]
        )
        let jobs = try ended.map { row in
            LiveJob(
                type: try row.text("job_type"),
                job: try row.text("job"),
                run: try row.text("run"),
                endedAt: Instant(microseconds: Int64(try row.int("at"))),
                succeeded: try row.text("outcome") == "success"
            )
        }
        let waiting = try await connection.query(sql.longestWaiting(), [.text(queue), .texts(types)])
        let oldest = try waiting.first.map { row in
            (job: try row.text("job"), since: Instant(microseconds: Int64(try row.int("since"))))
        }
        let moved = try await connection.query(
            """
            SELECT floor(extract(epoch FROM max(settled_at)) * 1000000)::bigint AS at FROM bailey.switch
            WHERE queue = $1 AND job_type = ANY ($2) HAVING max(settled_at) IS NOT NULL
            """,
            [.text(queue), .texts(types)]
        )
        return (jobs, oldest, try moved.first.map { Instant(microseconds: Int64(try $0.int("at"))) })
    }

    /// The due job that has waited longest, where no run has taken any of these types since; nil if there is none, or if the table has changed
    /// so that it cannot be told.
    func untaken(_ types: [String]) async throws -> (job: String, since: Instant)? {
        guard !types.isEmpty,
            let waiting = try? await connection.query(sql.longestWaiting(), [.text(queue), .texts(types)]),
            let row = waiting.first
        else { return nil }
        let since = Instant(microseconds: Int64(try row.int("since")))
        let taken = try await connection.query(
            """
            SELECT floor(extract(epoch FROM max(taken_at)) * 1000000)::bigint AS at FROM bailey.claim
            WHERE queue = $1 AND job_type = ANY ($2) HAVING max(taken_at) IS NOT NULL
            """,
            [.text(queue), .texts(types)]
        )
        if let last = try taken.first?.int("at"), Instant(microseconds: Int64(last)) >= since { return nil }
        return (try row.text("job"), since)
    }

    /// The installations of Airflow that asked for jobs of types within a day and are not the one whose runs take them.
    ///
    /// - Throws: `PostgresError`.
    func otherInstallations(_ types: [String]) async throws -> [String] {
        // A switch that an earlier Bailey has installed names none.
        let known = try await connection.query("SELECT to_regclass('bailey.named') IS NOT NULL AS here")
        guard try known.first?.bool("here") == true else { return [] }
        let rows = try await connection.query(
            """
            SELECT DISTINCT substr(g.what, length('installation: ') + 1) AS name FROM bailey.sighting g
            JOIN bailey.switch s ON s.queue = g.queue AND s.job_type = g.job_type
            JOIN bailey.named n ON n.queue = g.queue AND n.job_type = g.job_type
            WHERE g.queue = $1 AND g.job_type = ANY ($2) AND g.what LIKE 'installation:%' AND g.seen_at > now() - interval '1 day'
                AND g.seen_at > s.closed_at AND g.what <> 'installation: ' || n.installation ORDER BY 1
            """,
            [.text(queue), .texts(types)]
        )
        return try rows.map { try $0.text("name") }
    }

    /// What was seen of workers and of the application that the switch cannot hold, or that went wrong in its triggers: how often, and when last.
    ///
    /// - Throws: `PostgresError`.
    public func sightings() async throws -> [QueueSightings] {
        let rows = try await connection.query(
            """
            SELECT CASE WHEN what LIKE 'trouble:%' THEN what WHEN what LIKE 'deleted%' OR what = 'emptied' THEN what
                    WHEN what LIKE 'taken:%' THEN 'taken' WHEN what LIKE 'held:%' THEN 'held' ELSE 'begun' END AS what, count(*) AS n,
                to_char(max(seen_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last FROM bailey.sighting
            WHERE queue = $1 AND what NOT LIKE 'installation:%' GROUP BY 1 ORDER BY max(seen_at) DESC LIMIT 20
            """,
            [.text(queue)]
        )
        return try rows.map { row in
            QueueSightings(what: try row.text("what"), count: try row.int("n"), last: try row.text("last"))
        }
    }
}

/// Things of one sort that the triggers have seen.
public struct QueueSightings: Sendable, Hashable {
    /// `begun`, `taken`, `held`, `deleted while held`, `deleted while a run had it`, `emptied`, or `trouble:` and an error.
    public var what: String
    /// How often.
    public var count: Int
    /// When last, as the server writes it, UTC.
    public var last: String

    /// One sentence about a queue.
    ///
    /// - Parameter queue: the source's name.
    public func text(_ queue: String) -> String {
        switch what {
        case "begun":
            "A worker of \(queue) began \(count) jobs that had begun or been held before, last at \(last): it does not lock the rows that it claims."
        case "taken":
            "Somebody wrote \(count) times another status into a job of \(queue) that a run had taken, last at \(last): such a job may have been run twice."
        case "held":
            "\(count) jobs of \(queue) ended while they were held, last at \(last): a worker that has run them does not lock the rows that it claims."
        case "emptied": "The table of \(queue) was emptied \(count) times while jobs were Airflow's, last at \(last)."
        default:
            what.hasPrefix("trouble:")
                ? "The triggers on \(queue) failed, last at \(last), and let jobs pass to legacy: \(what.dropFirst(9)). Correct its profile and run bailey cutover again."
                : "\(count) jobs of \(queue) were \(what), last at \(last): the application deletes by a status that held jobs do not have; see “What cannot be held”."
        }
    }
}

extension QueueSwitchSQL {
    /// The due job that no run has taken for longest, since it was Airflow's; `$1` is the queue, `$2` the types.
    func longestWaiting() -> String {
        // Read in the connection's zone, which is that of the columns.
        let times = ["queued", "due"].filter { rows.profile.has($0) }.map { rows.profile.instant($0, of: "j") }
        let since = "greatest(\((["s.settled_at"] + times).joined(separator: ", ")))"
        return """
            SELECT \(rows.id("j"))::text AS job, floor(extract(epoch FROM \(since)) * 1000000)::bigint AS since
            FROM \(rows.table) j JOIN bailey.switch s ON s.queue = $1 AND s.job_type = \(rows.type("j"))
            WHERE s.state = 'airflow' AND \(rows.type("j")) = ANY ($2) AND \(rows.isHeld("j")) AND \(rows.due("j"))
            ORDER BY \(since) LIMIT 1
            """
    }
}
