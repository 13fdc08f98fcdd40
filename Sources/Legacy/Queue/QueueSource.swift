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
        let totals = totals
        let rows = try await explaining(connection) { () async throws(PostgresError) in
            try await connection.query(totals, [.texts(ended)])
        }
        let words = try rows.filter { try !$0.bool("total") }
        let groups = Dictionary(grouping: rows) { $0["type"] }
        for (type, rows) in groups.sorted(by: { ($0.key ?? "") < ($1.key ?? "") }) {
            reading.summary.found += 1
            guard let type, !type.isEmpty else {
                let count = try rows.first { try $0.bool("total") }?.int("rows") ?? 0
                reading.unread.append(
                    UnreadRecord(
                        source: name,
                        key: "\(profile.table) where \(column("type")) is \(type == nil ? "null" : "empty")",
                        reason: "no-job-type",
                        detail: "\(count) rows have no job type, so no worker function can be named for them"
                    )
                )
                continue
            }
            reading.entries.append(try entry(type, rows, zone: zone))
        }
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
        return reading
    }

    /// A read-only connection whose session reads columns without a zone as the application wrote them, and that zone's name.
    func connect() async throws(PostgresError) -> (PostgresConnection, zone: String) {
        let connection = try await PostgresConnection(to: url, timezone: zoneName)
        return (connection, try await connection.timezone())
    }

    /// The quoted column of a meaning.
    func column(_ meaning: String) -> String { profile.columns[meaning].map(PostgresConnection.identifier) ?? "NULL" }

    /// The quoted table.
    var table: String {
        profile.table.split(separator: ".").map { PostgresConnection.identifier(String($0)) }.joined(separator: ".")
    }

    /// One row per job type and status, and one per job type for its ended jobs; nothing but totals leaves the server.
    private var totals: String {
        let (type, status, started, finished) = (
            column("type"), column("status"), column("started"), column("finished")
        )
        let duration = "extract(epoch FROM (\(finished) - \(started)))::float8"
        let ended = "\(status) = ANY($1::text[])"
        let sane = "\(ended) AND \(finished) >= \(started) AND isfinite(\(finished)) AND isfinite(\(started))"
        return """
            SELECT \(type) AS type, \(status) AS status, grouping(\(status)) = 1 AS total, count(*) AS rows,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY \(duration)) FILTER (WHERE \(sane)) AS p95,
                   avg(\(column("attempts"))) FILTER (WHERE \(ended)) AS retries,
                   extract(epoch FROM (min(\(finished)) FILTER (WHERE isfinite(\(finished))))::timestamptz) AS first,
                   extract(epoch FROM (max(\(finished)) FILTER (WHERE isfinite(\(finished))))::timestamptz) AS last
            FROM \(table) GROUP BY GROUPING SETS ((\(type), \(status)), (\(type))) ORDER BY 1, 2
            """
    }

    private func entry(_ type: String, _ rows: [PostgresRow], zone: String) throws -> LegacyEntry {
        var history = RunHistory(runs: 0, succeeded: 0, failed: 0, caveats: profile.caveats)
        for row in rows {
            if try row.bool("total") {
                history.p50 = try row.double("p50")
                history.p95 = try row.double("p95")
                if profile.columns["attempts"] != nil { history.retriesPerRun = try row.double("retries") }
                history.first = try row.double("first").map(QueueSource.instant)
                history.last = try row.double("last").map(QueueSource.instant)
                continue
            }
            let count = try row.int("rows")
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

    static func instant(_ seconds: Double) -> Instant { Instant(microseconds: Int64((seconds * 1_000_000).rounded())) }
}
