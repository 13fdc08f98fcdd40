import LosslessJSON
public import Migration
import Postgres

/// The ended jobs of a queue table.
public struct QueueRuns: LegacyRuns {
    private let source: QueueSource
    private let types: [String]
    private let pollMilliseconds: Int

    /// The ended jobs of some types.
    ///
    /// - Parameter pollMilliseconds: how often `watch` looks.
    public init(source: QueueSource, types: [String], pollMilliseconds: Int = 500) {
        self.source = source
        self.types = types
        self.pollMilliseconds = pollMilliseconds
    }

    public func recorded(limit: Int) async throws -> RecordedRuns {
        let (connection, _) = try await source.connect()
        var outcomes: [Outcome] = []
        for type in types {
            let sql =
                "SELECT \(columns) FROM \(source.table) WHERE \(source.column("type")) = $1 AND \(source.column("status")) = ANY($2::text[])"
                + " ORDER BY \(source.column("finished")) DESC NULLS LAST LIMIT $3"
            let rows = try await source.explaining(connection) { () async throws(PostgresError) in
                try await connection.query(sql, [.text(type), .texts(ended), .integer(Int64(limit))])
            }
            outcomes += try rows.reversed().map(outcome)
        }
        return RecordedRuns(outcomes: outcomes)
    }

    public func watch(ready: @Sendable () async -> Void, handle: @Sendable (Outcome) async throws -> Void) async throws
    {
        let (connection, _) = try await source.connect()
        // The table's own clock, so that no other one matters. A job that ends while the query runs may be stamped a little earlier.
        var since =
            try await connection.query("SELECT localtimestamp - interval '2 seconds' AS now").first?["now"] ?? ""
        let old = try await ids(connection, since: since)
        var seen = Set(old)
        await ready()
        while !Task.isCancelled {
            let sql =
                "SELECT \(columns), localtimestamp - interval '5 seconds' AS now FROM \(source.table) WHERE \(source.column("finished")) >= $1"
                + " AND \(source.column("type")) = ANY($2::text[]) AND \(source.column("status")) = ANY($3::text[])"
                + " ORDER BY \(source.column("finished"))"
            let rows = try await connection.query(sql, [.text(since), .texts(types), .texts(ended)])
            for row in rows {
                guard seen.insert(try row.text("id")).inserted else { continue }
                try await handle(try outcome(row))
            }
            // Only once rows were read may the window move, by the server's clock.
            if let now = rows.last?["now"], now > since { since = now }
            try await Task.sleep(for: .milliseconds(pollMilliseconds))
        }
    }

    private var ended: [String] {
        (source.profile.statuses["success"] ?? []) + (source.profile.statuses["failed"] ?? [])
    }

    private func ids(_ connection: PostgresConnection, since: String) async throws -> [String] {
        let sql =
            "SELECT \(source.column("id"))::text AS id FROM \(source.table) WHERE \(source.column("finished")) >= $1"
        return try await connection.query(sql, [.text(since)]).compactMap { $0["id"] }
    }

    private var columns: String {
        func seconds(_ meaning: String) -> String {
            let column = source.column(meaning)
            return "CASE WHEN isfinite(\(column)) THEN extract(epoch FROM (\(column))::timestamptz) END AS \(meaning)"
        }
        return [
            "\(source.column("id"))::text AS id", "\(source.column("type")) AS type",
            "\(source.column("payload"))::text AS payload",
            "\(source.column("status")) AS status", "\(source.column("attempts")) AS attempts", seconds("queued"),
            seconds("started"),
            seconds("finished"), "\(source.column("error"))::text AS error",
            "\(source.column("result"))::text AS result",
        ].joined(separator: ", ")
    }

    private func outcome(_ row: PostgresRow) throws -> Outcome {
        let id = try row.text("id")
        let key = Outcome.Key(entry: EntryID(source: source.name, name: try row.text("type")), job: id)
        let state: Outcome.State = source.profile.meaning(of: row["status"]) == "success" ? .success : .failed
        var outcome = Outcome(key: key, side: .legacy, run: id, state: state)
        outcome.arguments = try row["payload"].map { try JSON(parsing: $0) } ?? .null
        outcome.queued = try row.double("queued").map(QueueSource.instant)
        outcome.start = try row.double("started").map(QueueSource.instant)
        outcome.end = try row.double("finished").map(QueueSource.instant)
        outcome.attempts = row["attempts"].flatMap { Int($0) }.map { $0 + 1 }
        if let text = row["result"] { outcome.result = (try? JSON(parsing: text)) ?? .string(text) }
        if let text = row["error"] { outcome.error = RunError(type: "unknown", message: text) }
        return outcome
    }
}
