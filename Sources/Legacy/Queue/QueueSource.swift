import LosslessJSON
import Migration
public import Postgres
public import Schedules

/// A queue table in PostgreSQL. Each job type is an entry; finished jobs are read as totals that the server computes.
public struct QueueSource: Sendable {
    /// The name in `bailey.yaml`.
    public let name: String
    let url: PostgresURL
    let profile: QueueProfile
    let zoneName: String?
    /// Seconds that each statement may take.
    var statementTimeout = 60.0
    /// Rows that were found to be such as the profile cannot read, and are left out.
    var unreadable: [UnreadableRow] = []

    /// A source.
    ///
    /// - Parameter timezone: the IANA zone of columns without one: that of the application's sessions; nil for the server's default.
    public init(name: String, url: PostgresURL, profile: QueueProfile, timezone: String? = nil) {
        self.name = name
        self.url = url
        self.profile = profile
        zoneName = timezone
    }

    /// Reads everything, changing nothing.
    ///
    /// - Throws: `PostgresError` or `ScheduleError`.
    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zoneName { _ = try zones.zone(zoneName) }
        let (connection, zone) = try await connect()
        let version = try await connection.serverVersion(atLeast: 10)
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "queue",
                system: "PostgreSQL \(version)",
                address: url.address,
                found: 0
            ),
            entries: [],
            unread: []
        )
        if profile.naiveTimestamps, zoneName == nil {
            reading.summary.notes.append(
                EntryNote(
                    .zoneUnknown,
                    "the time columns of \(profile.table) have no zone; the server's default \(zone) is assumed. Set “timezone” of source \(name)"
                )
            )
        }
        let ended = (profile.statuses["success"] ?? []) + (profile.statuses["failed"] ?? [])
        let (rows, readable) = try await sparing(connection) { source throws(PostgresError) in
            try await source.totals(connection, ended: ended)
        }
        let (arrivals, _) = try await readable.sparing(connection) { source throws(PostgresError) in
            try await source.arrivals(connection, counted: rows.filter { $0["rows"] != nil })
        }
        reading.unread += readable.unreadRecords
        reading.summary.found += reading.unread.count
        let words = try rows.filter { try !$0.bool("total") }
        let groups = Dictionary(grouping: rows) { $0["type"] }
        for (type, rows) in groups.sorted(by: { ($0.key ?? "") < ($1.key ?? "") }) {
            reading.summary.found += 1
            guard let type, !type.isEmpty else {
                let count = try rows.reduce(0) { try $0 + ($1.bool("total") ? 0 : $1.int("rows")) }
                reading.unread.append(
                    UnreadRecord(
                        source: name,
                        key:
                            "\(profile.table) where \(profile.columns["type"] ?? "the type") is \(type == nil ? "null" : "empty")",
                        reason: "no-job-type",
                        detail: "\(count) rows have no job type, so no worker function can be named for them"
                    )
                )
                continue
            }
            guard !type.contains("\u{FFFD}") else {
                let count = try rows.reduce(0) { try $0 + ($1.bool("total") ? 0 : $1.int("rows")) }
                reading.unread.append(
                    UnreadRecord(
                        source: name,
                        key: "\(profile.table) where the type is \(type)",
                        reason: "no-utf8",
                        detail: "\(count) rows have a job type that is no UTF-8, so nothing could ask for them by it"
                    )
                )
                continue
            }
            var entry = try entry(type, rows, zone: zone)
            entry.history?.arrived = arrivals[type] ?? []
            reading.entries.append(entry)
        }
        try await addRecurring(connection, to: &reading, zones: zones)
        let unknown = Set(
            words.compactMap { row in profile.meaning(of: row["status"]) == nil ? row["status"] ?? "null" : nil }
        ).sorted()
        let seen = Set(words.map { $0["status"] ?? "null" }).sorted()
        if unknown.isEmpty {
            reading.summary.notes.append(
                EntryNote(.historyBiased, "status words seen: \(seen.joined(separator: ", ")); all are in the profile")
            )
        } else {
            reading.summary.notes.append(
                EntryNote(
                    .unknownStatus,
                    "status words seen: \(seen.joined(separator: ", ")); the profile does not know \(unknown.joined(separator: ", ")). "
                        + "Say what they mean under “statuses” of source \(name)"
                )
            )
        }
        if profile.hold == nil {
            reading.summary.notes.append(
                EntryNote(.noSwitch, "\(profile.unverified); cutover, rollback and retire refuse them")
            )
        }
        reading.summary.notes += try await absences(connection, found: reading.summary.found)
        return reading
    }

    /// A read-only connection whose session reads columns without a zone as the application wrote them, and that zone's name.
    func connect() async throws(PostgresError) -> (PostgresConnection, zone: String) {
        let connection = try await PostgresConnection(
            to: url,
            timezone: zoneName,
            statementTimeout: statementTimeout
        )
        return (connection, try await connection.timezone())
    }

    /// The rows as the profile reads them: every column of a known type, NULL where the table has none.
    ///
    /// - Parameter meanings: which of them.
    func rows(_ meanings: [String]) -> String {
        let columns = meanings.map { "\(column($0)) AS \($0)" }
        return "(SELECT \(columns.joined(separator: ", ")) FROM \(relation) j) AS jobs"
    }

    /// All that is ever read of a row.
    static let read = [
        "id", "type", "payload", "payload_type", "status", "attempts", "queued", "started", "finished", "error",
        "result",
    ]

    /// What a row `j` says of a meaning, of a known type.
    func column(_ meaning: String) -> String {
        switch meaning {
        case "queued", "started", "finished": profile.instant(meaning, of: "j")
        case "attempts":
            profile.value(meaning, of: "j").flatMap { value in
                profile.count(meaning, of: "j").map { "CASE WHEN \(value) IS NOT NULL THEN \($0) END" }
            } ?? "NULL::integer"
        case "payload_type": profile.value("payload", of: "j").map { "pg_typeof(\($0))::text" } ?? "NULL::text"
        default: profile.text(meaning, of: "j")
        }
    }

    /// One row per job type and status, with when its jobs were put in line: what a pass over the table counts.
    private var counts: String {
        let queued =
            profile.has("queued")
            ? ["min", "max"].map { "extract(epoch FROM \($0)(queued))::float8" } : ["NULL", "NULL"]
        // What every row says is asked for, so that one of which it cannot be told is found here.
        let said = ["started", "finished", "attempts"].map { "count(\($0))" }.joined(separator: ", ")
        return """
            SELECT type, status, false AS total, count(*) AS rows, \(queued[0]) AS queued_first, \(queued[1]) AS queued_last, \(said)
            FROM \(rows(["type", "status", "queued", "started", "finished", "attempts"])) GROUP BY 1, 2 ORDER BY 1, 2
            """
    }

    /// One row per job type for its ended jobs; nothing but totals leaves the server.
    private var durations: String {
        let duration = "extract(epoch FROM (finished - started))::float8"
        let sane = "finished >= started"
        let wait = "extract(epoch FROM (started - queued))::float8"
        let begun = "started >= queued"
        let retries = profile.countsRuns ? "greatest(attempts - 1, 0)" : "attempts"
        return """
            SELECT type, true AS total,
                   percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS took,
                   percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY \(wait)) FILTER (WHERE \(begun)) AS waited,
                   avg(\(retries)) AS retries,
                   extract(epoch FROM min(finished)) AS first, extract(epoch FROM max(finished)) AS last
            FROM \(rows(["type", "status", "queued", "started", "finished", "attempts"]))
            WHERE status = ANY($1::text[]) GROUP BY 1 ORDER BY 1
            """
    }

    /// The totals of both.
    private func totals(_ connection: PostgresConnection, ended: [String]) async throws(PostgresError) -> [PostgresRow]
    {
        // The quantiles of a type are taken of one sorting.
        let apart = """
            SELECT type, total, took[1] AS p50, took[2] AS p95, waited[1] AS wait50, waited[2] AS wait95, retries, first, last
            FROM (\(durations)) AS d
            """
        return try await connection.query(counts) + connection.query(apart, [.texts(ended)])
    }

    /// When the latest jobs of each type were put in line, oldest first; none where the table does not say.
    ///
    /// - Parameter counted: the rows of `counts`.
    private func arrivals(_ connection: PostgresConnection, counted: [PostgresRow]) async throws(PostgresError)
        -> [String: [Instant]]
    {
        guard profile.has("queued") else { return [:] }
        // As if they came evenly, four times as many as are asked for; of a type of which these are too few, all are looked at.
        var since: [String: Double] = [:]
        for (type, rows) in Dictionary(grouping: counted, by: { $0["type"] ?? "" }) where !type.isEmpty {
            var (number, first, last) = (0, Double.infinity, -Double.infinity)
            for row in rows {
                number += try row.int("rows")
                first = min(first, try row.double("queued_first") ?? first)
                last = max(last, try row.double("queued_last") ?? last)
            }
            guard first.isFinite, last.isFinite else { continue }
            let share = 4 * Double(QueueSource.newest) / Double(max(number, 1))
            since[type] = share < 1 ? last - (last - first) * share : first - 1
        }
        var arrivals = try await arrivals(connection, since: since)
        let poor = since.filter { type, from in
            let counted = counted.filter { $0["type"] == type }
            return (arrivals[type]?.count ?? 0) < QueueSource.newest
                && counted.contains { ((try? $0.double("queued_first")) ?? nil).map { $0 < from } ?? false }
        }
        if !poor.isEmpty {
            let more = try await self.arrivals(connection, since: poor.mapValues { _ in -62_135_596_800 })
            arrivals.merge(more) { $1 }
        }
        return arrivals
    }

    /// How many arrivals of a type are kept.
    private static let newest = 500

    private func arrivals(_ connection: PostgresConnection, since: [String: Double]) async throws(PostgresError)
        -> [String: [Instant]]
    {
        // Nothing else of a job leaves the server; a row number may stop early, and its sort keeps to the server's memory.
        let sql = """
            SELECT type, extract(epoch FROM queued)::float8 AS queued FROM (
                SELECT jobs.type, queued, row_number() OVER (PARTITION BY jobs.type ORDER BY queued DESC) AS place
                FROM \(rows(["type", "queued"])) JOIN unnest($1::text[], $2::float8[]) AS s (type, since)
                  ON jobs.type = s.type AND queued >= to_timestamp(s.since)) AS newest
            WHERE place <= \(QueueSource.newest) ORDER BY type, queued
            """
        let types = since.keys.sorted()
        let found = try await connection.query(sql, [.texts(types), .texts(types.map { String(since[$0] ?? 0) })])
        var arrivals: [String: [Instant]] = [:]
        for row in found {
            guard let type = row["type"], let at = try row.double("queued").flatMap(QueueSource.instant) else {
                continue
            }
            arrivals[type, default: []].append(at)
        }
        return arrivals
    }

    func entry(_ type: String, _ rows: [PostgresRow], zone: String) throws -> LegacyEntry {
        var history = RunHistory(runs: 0, succeeded: 0, failed: 0, caveats: profile.caveats)
        for row in rows {
            if try row.bool("total") {
                history.p50 = try row.double("p50")
                history.p95 = try row.double("p95")
                history.waitP50 = try row.double("wait50")
                history.waitP95 = try row.double("wait95")
                if profile.has("attempts") { history.retriesPerRun = try row.double("retries") }
                history.first = try row.double("first").flatMap(QueueSource.instant)
                history.last = try row.double("last").flatMap(QueueSource.instant)
                continue
            }
            let count = try row.int("rows")
            guard (0...Int(Int32.max) << 16).contains(count) else { throw row.unexpected("rows", "a number of rows") }
            history.states[row["status"] ?? "null", default: 0] += count
            switch profile.meaning(of: row["status"]) {
            case "success": history.succeeded += count
            case "failed": history.failed += count
            default: break
            }
        }
        history.runs = history.succeeded + history.failed
        var entry = LegacyEntry(id: EntryID(source: name, name: type), kind: .jobType, task: type)
        entry.timezone = zone
        entry.history = history
        if history.runs > 0, !profile.caveats.isEmpty {
            entry.notes.append(EntryNote(.historyBiased, profile.caveats.joined(separator: "; ")))
        }
        entry.notes.append(
            EntryNote(.retryRuleInCode, "how often and when a failed job is retried stands in the worker's code")
        )
        return entry
    }

    static func instant(_ seconds: Double) -> Instant? { Instant(timestamp: seconds) }
}
