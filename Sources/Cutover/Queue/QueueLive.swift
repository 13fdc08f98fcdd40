import Legacy
public import Migration
import Postgres
public import Schedules

/// What automatic rollback and alerts need to know of a queue's job types.
extension QueueSwitch {
    /// Whether the switch is there, of this version.
    ///
    /// - Throws: `PostgresError`.
    public func isInstalled() async throws -> Bool { try await readiness().installation != .absent }

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
        let waiting = try await connection.query(sql.longestWaiting(zone: timezone), [.text(queue), .texts(types)])
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

    /// How many times a worker did what one that locks its rows cannot do, and when last.
    ///
    /// - Throws: `PostgresError`.
    public func sightings() async throws -> (count: Int, last: String)? {
        let rows = try await connection.query(
            """
            SELECT count(*) AS n, to_char(max(seen_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS last FROM bailey.sighting
            WHERE queue = $1 HAVING count(*) > 0
            """,
            [.text(queue)]
        )
        return try rows.first.map { (count: try $0.int("n"), last: try $0.text("last")) }
    }
}

extension QueueSwitchSQL {
    /// The due job that no run has taken for longest, since it was Airflow's; `$1` is the queue, `$2` the types.
    func longestWaiting(zone: String) -> String {
        let zoned = rows.profile.naiveTimestamps ? " AT TIME ZONE \(QueueRowSQL.literal(zone))" : ""
        let times = ["queued", "due"].compactMap { rows.column($0, of: "j") }.map { "\($0)\(zoned)" }
        let far = rows.hold.method == .due ? "'9999-12-31 00:00:00+00'::timestamptz" : "NULL::timestamptz"
        let since = "greatest(\((["s.settled_at"] + times.map { "nullif(\($0), \(far))" }).joined(separator: ", ")))"
        return """
            SELECT \(rows.id("j"))::text AS job, floor(extract(epoch FROM \(since)) * 1000000)::bigint AS since
            FROM \(rows.table) j JOIN bailey.switch s ON s.queue = $1 AND s.job_type = \(rows.type("j"))::text
            WHERE s.state = 'airflow' AND \(rows.type("j"))::text = ANY ($2) AND \(rows.isHeld("j")) AND \(rows.due("j"))
            ORDER BY \(since) LIMIT 1
            """
    }
}
