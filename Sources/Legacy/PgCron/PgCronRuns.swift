import LosslessJSON
import Migration
import Postgres
import Schedules

/// The runs that pg_cron records in cron.job_run_details: each names its job.
struct PgCronRuns: LegacyRuns {
    private let tables: PgCronTables
    private let entries: [Int: LegacyEntry]
    private let zones: ZoneDatabase
    private let now: @Sendable () -> Instant

    init(
        tables: PgCronTables,
        entries: [LegacyEntry],
        zones: ZoneDatabase,
        now: @escaping @Sendable () -> Instant
    ) {
        self.tables = tables
        self.zones = zones
        self.now = now
        let numbered = entries.compactMap { entry in entry.options["jobid"]?.int.map { ($0, entry) } }
        self.entries = Dictionary(numbered, uniquingKeysWith: { first, _ in first })
    }

    private var jobs: PostgresValue { .text("{" + entries.keys.sorted().map(String.init).joined(separator: ",") + "}") }

    /// What it writes of a run that was under way when its job was set inactive or the server ended: what became of it nobody knows.
    private static let lost = "status = 'failed' AND return_message IN ('job canceled', 'server restarted')"
    private static let over = "status IN ('succeeded', 'failed')"
    private static let columns = """
        jobid, runid, status, command, return_message, \(lost) AS lost, extract(epoch FROM start_time) AS started,
        extract(epoch FROM CASE WHEN NOT (\(lost)) THEN end_time END) AS ended
        """

    func recorded(limit: Int) async throws -> RecordedRuns {
        let connection = try await tables.connect()
        var runs = RecordedRuns(outcomes: [])
        // First the clock: what it started by then has ended, or may yet.
        runs.clock = try await clock(connection)
        let rows = try await connection.query(
            """
            SELECT * FROM (
                SELECT \(PgCronRuns.columns), count(*) OVER (PARTITION BY jobid) AS number,
                       row_number() OVER (PARTITION BY jobid ORDER BY runid DESC) AS place
                FROM cron.job_run_details WHERE jobid = ANY($1::bigint[]) AND \(PgCronRuns.over)
            ) latest WHERE place <= $2 ORDER BY runid
            """,
            [jobs, .integer(Int64(limit))]
        )
        for row in rows {
            guard let entry = entries[try row.int("jobid")] else { continue }
            if case let more = try row.int("number") - limit, more > 0 { runs.older[entry.id] = more }
            guard let (outcome, run) = try self.run(row, of: entry) else { continue }
            runs.outcomes.append(outcome)
            runs.runs.append(run)
        }
        let others = try await connection.query(
            "SELECT count(*) AS rows FROM cron.job_run_details WHERE NOT jobid = ANY($1::bigint[])",
            [jobs]
        ).first
        if let count = try others?.int("rows"), count > 0 {
            runs.unattributed["they are of jobs that are no longer there, or not shadowed"] = count
        }
        return runs
    }

    /// A run; nil of one that never began.
    private func run(_ row: PostgresRow, of entry: LegacyEntry) throws(PostgresError) -> (Outcome, ObservedRun)? {
        guard let started = try row.double("started").flatMap({ Instant(timestamp: $0) }) else { return nil }
        let id = try row.text("runid")
        let ended = try row.double("ended").flatMap { Instant(timestamp: $0) }
        let isLost = try row.bool("lost")
        let message = row["return_message"] ?? ""
        let succeeded = row["status"] == "succeeded"
        var outcome = Outcome(
            key: Outcome.Key(entry: entry.id, tick: tick(entry, started), job: id),
            side: .legacy,
            run: id,
            state: succeeded ? .success : isLost ? .cancelled : .failed
        )
        (outcome.start, outcome.end, outcome.attempts) = (started, ended, 1)
        if isLost {
            outcome.origin = "pg_cron lost sight of it (\(message)), and what became of it is unknown"
        } else if row["command"].map(ShownCommand.of) != entry.command {
            outcome.origin = "the job had another command then"
        }
        if !succeeded { outcome.error = RunError(type: "PostgresError", message: message) }
        let run = ObservedRun(
            entry: entry.id,
            run: id,
            started: started,
            ended: ended ?? started,
            stamp: ended,
            origin: outcome.origin
        )
        return (outcome, run)
    }

    private func tick(_ entry: LegacyEntry, _ started: Instant) -> Instant? {
        guard let schedule = entry.schedule, let zone = try? zones.zone(entry.timezone ?? "UTC") else { return nil }
        if case .interval = schedule { return nil }
        return schedule.last(until: started, in: zone)
    }

    // MARK: Clock

    func clockNow() async throws -> [ClockSighting] { try await clock(tables.connect()) }

    /// When pg_cron started each job last, and how often its record says it has.
    ///
    /// - Parameter end: the number of the first run that does not count.
    private func clock(_ connection: PostgresConnection, below end: Int = Int.max) async throws -> [ClockSighting] {
        let seen = now()
        let rows = try await connection.query(
            """
            SELECT jobid, extract(epoch FROM max(start_time)) AS last, count(*) AS count FROM cron.job_run_details
            WHERE jobid = ANY($1::bigint[]) AND start_time IS NOT NULL AND runid < $2 GROUP BY jobid ORDER BY jobid
            """,
            [jobs, .integer(Int64(end))]
        )
        return try rows.compactMap { row in
            guard let entry = entries[try row.int("jobid")],
                let last = try row.double("last").flatMap({ Instant(timestamp: $0) })
            else { return nil }
            return ClockSighting(entry: entry.id, last: last, count: try row.int("count"), seen: seen)
        }
    }

    // MARK: Totals

    /// What is recorded of each job's runs, computed by the server.
    func histories() async throws -> RecordedHistories {
        let duration = "extract(epoch FROM end_time - start_time)::float8"
        let sane = "\(PgCronRuns.over) AND NOT (\(PgCronRuns.lost)) AND end_time >= start_time"
        let rows = try await tables.connect().query(
            """
            SELECT jobid, status, grouping(status) = 1 AS total, count(*) AS rows,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p95,
                   extract(epoch FROM min(start_time) FILTER (WHERE \(PgCronRuns.over))) AS first,
                   extract(epoch FROM max(start_time) FILTER (WHERE \(PgCronRuns.over))) AS last,
                   count(*) FILTER (WHERE \(PgCronRuns.lost)) AS lost
            FROM cron.job_run_details WHERE jobid = ANY($1::bigint[])
            GROUP BY GROUPING SETS ((jobid, status), (jobid)) ORDER BY 1, 2
            """,
            [jobs]
        )
        var found = RecordedHistories()
        for row in rows {
            guard let entry = entries[try row.int("jobid")] else { continue }
            var history = found.entries[entry.id] ?? RunHistory(runs: 0, succeeded: 0, failed: 0)
            let count = try row.int("rows")
            if try row.bool("total") {
                history.p50 = try row.double("p50")
                history.p95 = try row.double("p95")
                history.first = try row.double("first").flatMap { Instant(timestamp: $0) }
                history.last = try row.double("last").flatMap { Instant(timestamp: $0) }
                let lost = try row.int("lost")
                history.failed -= lost
                if lost > 0 {
                    history.caveats = ["\(lost) runs were cut off from pg_cron's sight, and count neither way"]
                }
            } else {
                history.states[row["status"] ?? "null", default: 0] += count
                if row["status"] == "succeeded" { history.succeeded += count }
                if row["status"] == "failed" { history.failed += count }
            }
            found.entries[entry.id] = history
        }
        for id in found.entries.keys {
            if let history = found.entries[id] { found.entries[id]?.runs = history.succeeded + history.failed }
        }
        return found
    }

    // MARK: Watching

    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        var watch = Watch(alive: since ?? now())
        var isReady = false
        var silent: String?
        while true {
            try Task.checkCancellation()
            do {
                let connection = try await tables.connect()
                if silent != nil {
                    try await handle(
                        .gap(
                            from: watch.alive,
                            until: now(),
                            reason: "the connection was lost; its rows were read afterwards"
                        )
                    )
                    silent = nil
                }
                if watch.lowest == nil {
                    let lowest = try await begin(connection, since)
                    // Once: the table has an index by the number alone, and may have millions of rows.
                    let told = try await clock(connection, below: lowest)
                    for sighting in told { watch.clock[sighting.entry] = sighting }
                    if !told.isEmpty { try await handle(.clock(told)) }
                    watch.lowest = lowest
                }
                while true {
                    try Task.checkCancellation()
                    // What had ended before the watching began is nobody's where nothing is resumed.
                    try await look(connection, &watch, givesEnded: isReady || since != nil, handle)
                    if !isReady { await ready() }
                    isReady = true
                    watch.alive = now()
                    try await handle(.current(watch.alive))
                    try await Task.sleep(for: .milliseconds(500))
                }
            } catch let error as PostgresError {
                guard isReady || since != nil else { throw error }
                if silent != error.description { try await handle(.silent(error.description)) }
                silent = error.description
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Where a watching stands.
    private struct Watch {
        var alive: Instant
        /// The number below which every run has ended and was given; nil before the first look.
        var lowest: Int?
        /// What its record says of each job.
        var clock: [EntryID: ClockSighting] = [:]
        /// The runs above it that count there.
        var counted: Set<Int> = []
        /// Those above it that were given.
        var given: Set<Int> = []
    }

    /// The first run that is looked at: the oldest that has not ended, or ended since an instant.
    private func begin(_ connection: PostgresConnection, _ since: Instant?) async throws -> Int {
        let back = since.map { now().seconds(since: $0) } ?? 0
        let row = try await connection.query(
            """
            SELECT coalesce(min(runid) FILTER (WHERE NOT \(PgCronRuns.over) OR end_time >= clock_timestamp() - make_interval(secs => $2::float8)),
                            max(runid) + 1, 0) AS lowest
            FROM cron.job_run_details WHERE jobid = ANY($1::bigint[])
            """,
            [jobs, .text(String(back))]
        ).first
        return try row?.int("lowest") ?? 0
    }

    private func look(
        _ connection: PostgresConnection,
        _ watch: inout Watch,
        givesEnded: Bool,
        _ handle: @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        let rows = try await connection.query(
            "SELECT \(PgCronRuns.columns), \(PgCronRuns.over) AS over FROM cron.job_run_details WHERE jobid = ANY($1::bigint[]) AND runid >= $2 ORDER BY runid",
            [jobs, .integer(Int64(watch.lowest ?? 0))]
        )
        var lowest: Int?
        var moved: Set<EntryID> = []
        for row in rows {
            let id = try row.int("runid")
            if let entry = entries[try row.int("jobid")], let seconds = try row.double("started"),
                let started = Instant(timestamp: seconds), watch.counted.insert(id).inserted
            {
                let before = watch.clock[entry.id]
                let last = max(before?.last ?? started, started)
                watch.clock[entry.id] = ClockSighting(
                    entry: entry.id,
                    last: last,
                    count: (before?.count ?? 0) + 1,
                    seen: now()
                )
                moved.insert(entry.id)
            }
            guard try row.bool("over") else {
                lowest = lowest ?? id
                continue
            }
            guard watch.given.insert(id).inserted, givesEnded, let entry = entries[try row.int("jobid")],
                let (outcome, run) = try run(row, of: entry)
            else { continue }
            try await handle(.run(outcome, run))
        }
        let clocks = moved.sorted().compactMap { watch.clock[$0] }
        if !clocks.isEmpty { try await handle(.clock(clocks)) }
        if let next = try lowest ?? rows.last.map({ try $0.int("runid") + 1 }) {
            watch.lowest = next
            watch.given = watch.given.filter { $0 >= next }
            watch.counted = watch.counted.filter { $0 >= next }
        }
    }
}
