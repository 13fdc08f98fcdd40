import LosslessJSON
import Migration
import Postgres
import Schedules

/// The runs that `django_celery_results` records. A result belongs to the entry that it names (`periodic_task_name`), which Celery writes with
/// `result_extended`.
struct DjangoRuns: LegacyRuns {
    private let tables: DjangoBeatTables
    private let record: CeleryResultRecord
    private let entries: [String: LegacyEntry]
    private let now: @Sendable () -> Instant

    init(
        tables: DjangoBeatTables,
        entries: [LegacyEntry],
        zones: ZoneDatabase,
        now: @escaping @Sendable () -> Instant
    ) {
        self.tables = tables
        record = CeleryResultRecord(entries: entries, zones: zones)
        self.entries = Dictionary(entries.map { ($0.id.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.now = now
    }

    /// Why a result is nobody's.
    static let nameless = "no periodic task is named: set result_extended in the Celery application"

    /// A moment, or nothing for one that is infinite or outside the years 1 to 9999: no time can be taken from that.
    private static func sane(_ moment: String) -> String {
        "CASE WHEN \(moment) BETWEEN '0001-01-03' AND '9999-12-29' THEN \(moment) END"
    }

    private static let done = sane("r.date_done")
    private static let started = sane("(to_jsonb(r)->>'date_started')::timestamptz")

    private static let columns = """
        r.periodic_task_name AS name, r.task_id, r.status, r.result, r.content_type, r.traceback,
        to_char((\(done)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS done,
        extract(epoch FROM \(started)) AS started, extract(epoch FROM \(done)) AS ended
        """
    private static let over = "status IN ('SUCCESS', 'FAILURE', 'REVOKED')"

    func recorded(limit: Int) async throws -> RecordedRuns {
        let connection = try await tables.connect()
        var runs = RecordedRuns(outcomes: [])
        // First the clock: what it fired by then has ended, or may yet.
        runs.clock = try await clock(connection)
        for (reason, count) in try await leftOut(connection) { runs.unattributed[reason] = count }
        let rows = try await connection.query(
            """
            SELECT * FROM (
                SELECT \(DjangoRuns.columns), count(*) OVER (PARTITION BY r.periodic_task_name) AS number, row_number() OVER (PARTITION BY r.periodic_task_name ORDER BY r.date_done DESC, r.id DESC) AS place
                FROM \(DjangoBeatTables.results) r WHERE r.periodic_task_name = ANY($1::text[]) AND r.\(DjangoRuns.over)
            ) latest WHERE place <= $2 ORDER BY ended, task_id
            """,
            [.texts(entries.keys.sorted()), .integer(Int64(limit))]
        )
        for row in rows {
            if let entry = entries[try row.text("name")], case let more = try row.int("number") - limit, more > 0 {
                runs.older[entry.id] = more
            }
            let found: Outcome?
            do { found = try outcome(row) } catch {
                runs.unread[row["task_id"] ?? "?"] = error.found
                continue
            }
            guard let outcome = found else { continue }
            runs.outcomes.append(outcome)
            runs.runs.append(observed(outcome))
        }
        return runs
    }

    /// How many results belong to no entry, by the reason.
    private func leftOut(_ connection: PostgresConnection) async throws -> [(String, Int)] {
        let rows = try await connection.query(
            """
            SELECT CASE WHEN periodic_task_name IS NULL THEN 'nameless' WHEN NOT periodic_task_name = ANY($1::text[]) THEN 'gone' ELSE 'open' END AS why,
                   count(*) AS rows
            FROM \(DjangoBeatTables.results)
            WHERE periodic_task_name IS NULL OR NOT periodic_task_name = ANY($1::text[]) OR NOT \(DjangoRuns.over)
            GROUP BY 1 ORDER BY 1
            """,
            [.texts(entries.keys.sorted())]
        )
        let words = [
            "nameless": DjangoRuns.nameless, "gone": "they name a periodic task that is no entry", "open": "not ended",
        ]
        return try rows.map { (words[try $0.text("why")] ?? "", try $0.int("rows")) }
    }

    private func outcome(_ row: PostgresRow) throws(PostgresError) -> Outcome? {
        guard let entry = entries[try row.text("name")] else { return nil }
        let stored = row["result"] ?? "null"
        let isJSON = row["content_type"] == "application/json"
        let json: JSON = [
            "status": .string(try row.text("status")), "task_id": .string(try row.text("task_id")),
            // What is pickled stays closed.
            "result": isJSON ? (try? JSON(parsing: stored)) ?? .string(stored) : .null,
            "traceback": row["traceback"].map { .string($0) } ?? .null, "date_done": .string(try row.text("done")),
        ]
        let started = try row.double("started").flatMap { Instant(timestamp: $0) }
        return record.outcome(json, of: entry, started: started)
    }

    private func observed(_ outcome: Outcome) -> ObservedRun {
        ObservedRun(
            entry: outcome.key.entry,
            run: outcome.run,
            started: outcome.start,
            ended: outcome.end ?? now(),
            stamp: outcome.end,
            origin: outcome.origin
        )
    }

    // MARK: Clock

    func clockNow() async throws -> [ClockSighting] { try await clock(tables.connect()) }

    /// When beat fired each entry last, and how often, as it has written them: it does so every three minutes, or when its schedule changes.
    private func clock(_ connection: PostgresConnection) async throws -> [ClockSighting] {
        let seen = now()
        let rows = try await connection.query(
            """
            SELECT name, extract(epoch FROM last_run_at) AS last, total_run_count AS count FROM \(DjangoBeatTables.tasks)
            WHERE name = ANY($1::text[]) AND last_run_at IS NOT NULL AND total_run_count > 0
            """,
            [.texts(entries.keys.sorted())]
        )
        return try rows.compactMap { row in
            guard let entry = entries[try row.text("name")], let seconds = try row.double("last"),
                let last = Instant(timestamp: seconds),
                // A record of ten years ago or of tomorrow is no clock that runs.
                last < seen.adding(seconds: 86_400), last > seen.adding(seconds: -3653 * 86_400)
            else { return nil }
            return ClockSighting(entry: entry.id, last: last, count: try row.int("count"), seen: seen)
        }
    }

    // MARK: Totals

    /// What is recorded of each entry's runs, computed by the server, and how many results belong to none.
    func histories() async throws -> RecordedHistories {
        let connection = try await tables.connect()
        guard try await tables.hasResults(connection) else { return RecordedHistories() }
        let duration = "extract(epoch FROM (\(DjangoRuns.done)) - (\(DjangoRuns.started)))::float8"
        let rows = try await connection.query(
            """
            SELECT name, status, grouping(status) = 1 AS total, count(*) AS rows,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY duration) FILTER (WHERE duration >= 0 AND \(DjangoRuns.over)) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY duration) FILTER (WHERE duration >= 0 AND \(DjangoRuns.over)) AS p95,
                   extract(epoch FROM min(date_done) FILTER (WHERE \(DjangoRuns.over))) AS first,
                   extract(epoch FROM max(date_done) FILTER (WHERE \(DjangoRuns.over))) AS last
            FROM (SELECT r.periodic_task_name AS name, r.status, \(DjangoRuns.done) AS date_done, \(duration) AS duration
                  FROM \(DjangoBeatTables.results) r WHERE r.periodic_task_name = ANY($1::text[])) runs
            GROUP BY GROUPING SETS ((name, status), (name)) ORDER BY 1, 2
            """,
            [.texts(entries.keys.sorted())]
        )
        var found = RecordedHistories()
        for (name, rows) in Dictionary(grouping: rows, by: { $0["name"] }) {
            guard let name, let entry = entries[name] else { continue }
            found.entries[entry.id] = try DjangoRuns.history(rows)
        }
        for (reason, count) in try await leftOut(connection) where reason != "not ended" {
            found.notes.append(
                EntryNote(
                    .historyBiased,
                    "\(count) recorded results left out of the history: \(reason)",
                    cause: reason == DjangoRuns.nameless ? "nameless" : nil
                )
            )
        }
        return found
    }

    private static func history(_ rows: [PostgresRow]) throws -> RunHistory {
        var history = RunHistory(
            runs: 0,
            succeeded: 0,
            failed: 0,
            caveats: ["celery.backend_cleanup deletes results after result_expires (a day by default)"]
        )
        for row in rows {
            if try row.bool("total") {
                history.p50 = try row.double("p50")
                history.p95 = try row.double("p95")
                history.first = try row.double("first").flatMap { Instant(timestamp: $0) }
                history.last = try row.double("last").flatMap { Instant(timestamp: $0) }
                continue
            }
            let (status, count) = (try row.text("status"), try row.int("rows"))
            history.states[status, default: 0] += count
            switch status {
            case "SUCCESS": history.succeeded += count
            case "FAILURE": history.failed += count
            default: break
            }
        }
        history.runs = history.succeeded + history.failed
        return history
    }

    // MARK: Watching

    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        var alive = since ?? now()
        var given: [String: Double] = [:]
        var from: Double?
        var isReady = false
        var silent: String?
        var told: [ClockSighting] = []
        while true {
            try Task.checkCancellation()
            do {
                let connection = try await tables.connect()
                if silent != nil {
                    try await handle(
                        .gap(
                            from: alive,
                            until: now(),
                            reason: "the connection was lost; its rows were read afterwards"
                        )
                    )
                    silent = nil
                }
                while true {
                    try Task.checkCancellation()
                    let clock =
                        try await connection.query("SELECT extract(epoch FROM clock_timestamp()) AS now").first?
                        .double("now") ?? 0
                    let isFirst = from == nil
                    let start = from ?? since.map { clock - now().seconds(since: $0) } ?? clock
                    // A row is stamped by the worker, and is there when its transaction ends.
                    for row in try await ended(connection, since: start - DjangoRuns.late) {
                        let id = try row.text("task_id")
                        guard given.updateValue(try row.double("ended") ?? clock, forKey: id) == nil else { continue }
                        if isFirst, since == nil { continue }
                        let found: Outcome?
                        do { found = try outcome(row) } catch {
                            try await handle(.unread(record: id, reason: error.found))
                            continue
                        }
                        if let outcome = found { try await handle(.run(outcome, observed(outcome))) }
                    }
                    let clocks = try await self.clock(connection)
                    if clocks.map(\.count) != told.map(\.count) || clocks.map(\.last) != told.map(\.last) {
                        try await handle(.clock(clocks))
                        told = clocks
                    }
                    from = clock
                    given = given.filter { $0.value > clock - 2 * DjangoRuns.late }
                    if !isReady { await ready() }
                    isReady = true
                    alive = now()
                    try await handle(.current(alive))
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

    /// Seconds by which a row may come later than its stamp says.
    private static let late = 120.0

    private func ended(_ connection: PostgresConnection, since: Double) async throws(PostgresError) -> [PostgresRow] {
        try await connection.query(
            """
            SELECT \(DjangoRuns.columns) FROM \(DjangoBeatTables.results) r
            WHERE r.periodic_task_name = ANY($1::text[]) AND r.\(DjangoRuns.over) AND r.date_done >= to_timestamp($2::float8) AND isfinite(r.date_done)
            ORDER BY r.date_done, r.task_id
            """,
            [.texts(entries.keys.sorted()), .text(String(since))]
        )
    }
}
