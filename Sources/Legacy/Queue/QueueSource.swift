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
            try await connection.query(source.totals, [.texts(ended)])
        }
        let (arrivals, _) = try await readable.sparing(connection) { source throws(PostgresError) in
            try await source.arrivals(connection)
        }
        reading.unread += readable.unreadRecords
        reading.summary.found += reading.unread.count
        let words = try rows.filter { try !$0.bool("total") }
        let groups = Dictionary(grouping: rows) { $0["type"] }
        for (type, rows) in groups.sorted(by: { ($0.key ?? "") < ($1.key ?? "") }) {
            reading.summary.found += 1
            guard let type, !type.isEmpty else {
                let count = try rows.first { try $0.bool("total") }?.int("rows") ?? 0
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
                let count = try rows.first { try $0.bool("total") }?.int("rows") ?? 0
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

    /// One row per job type and status, and one per job type for its ended jobs; nothing but totals leaves the server.
    private var totals: String {
        let duration = "extract(epoch FROM (finished - started))::float8"
        let ended = "status = ANY($1::text[])"
        let sane = "\(ended) AND finished >= started"
        let wait = "extract(epoch FROM (started - queued))::float8"
        let begun = "\(ended) AND started >= queued"
        let retries = profile.countsRuns ? "greatest(attempts - 1, 0)" : "attempts"
        return """
            SELECT type, status, grouping(status) = 1 AS total, count(*) AS rows,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p95,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY \(wait)) FILTER (WHERE \(begun)) AS wait50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY \(wait)) FILTER (WHERE \(begun)) AS wait95,
                   avg(\(retries)) FILTER (WHERE \(ended)) AS retries,
                   extract(epoch FROM min(finished)) AS first, extract(epoch FROM max(finished)) AS last
            FROM \(rows(["type", "status", "queued", "started", "finished", "attempts"]))
            GROUP BY GROUPING SETS ((type, status), (type)) ORDER BY 1, 2
            """
    }

    /// When the latest jobs of each type were put in line, oldest first; none where the table does not say.
    private func arrivals(_ connection: PostgresConnection) async throws(PostgresError) -> [String: [Instant]] {
        guard profile.has("queued") else { return [:] }
        // Nothing else of a job leaves the server; a row number may stop early, and its sort keeps to the server's memory.
        let sql = """
            SELECT type, extract(epoch FROM queued)::float8 AS queued FROM (
                SELECT type, queued, row_number() OVER (PARTITION BY type ORDER BY queued DESC) AS place
                FROM \(rows(["type", "queued"])) WHERE queued IS NOT NULL AND type <> '') AS newest
            WHERE place <= 500 ORDER BY type, queued
            """
        let found = try await connection.query(sql, [])
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
