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
                "SELECT \(columns) FROM \(rows) WHERE type = $1 AND status = ANY($2::text[]) ORDER BY finished DESC NULLS LAST, id DESC LIMIT $3"
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
        var since = try await connection.query("SELECT now() - interval '2 seconds' AS now").first?["now"] ?? ""
        // A table that does not say when a job ended is compared with what was seen of it before.
        let isTimed = source.profile.has("finished")
        var seen = try await ids(connection, since: isTimed ? since : nil)
        await ready()
        while !Task.isCancelled {
            let sql =
                "SELECT \(columns), now() - interval '5 seconds' AS now FROM \(rows) WHERE type = ANY($1::text[]) AND status = ANY($2::text[])"
                + (isTimed ? " AND finished >= $3::timestamptz ORDER BY finished" : "")
            let found = try await connection.query(
                sql,
                [.texts(types), .texts(ended)] + (isTimed ? [.text(since)] : [])
            )
            for row in found {
                guard seen.insert(try row.text("id")).inserted else { continue }
                try await handle(try outcome(row))
            }
            // Only once rows were read may the window move, by the server's clock.
            if let now = found.last?["now"], now > since { since = now }
            try await Task.sleep(for: .milliseconds(pollMilliseconds))
        }
    }

    private var ended: [String] {
        (source.profile.statuses["success"] ?? []) + (source.profile.statuses["failed"] ?? [])
    }

    private func ids(_ connection: PostgresConnection, since: String?) async throws -> Set<String> {
        let sql =
            "SELECT id FROM \(rows) WHERE type = ANY($1::text[]) AND status = ANY($2::text[])"
            + (since == nil ? "" : " AND finished >= $3::timestamptz")
        let values: [PostgresValue] = [.texts(types), .texts(ended)] + (since.map { [.text($0)] } ?? [])
        return Set(try await connection.query(sql, values).compactMap { $0["id"] })
    }

    private var rows: String {
        source.rows([
            "id", "type", "payload", "status", "attempts", "queued", "started", "finished", "error", "result",
        ])
    }

    private var columns: String {
        "id, type, payload, status, attempts, error, result, "
            + ["queued", "started", "finished"].map { "extract(epoch FROM \($0)) AS \($0)" }.joined(separator: ", ")
    }

    /// A payload or result: JSON, or a text where it is none that can be read.
    private static func value(_ text: String) -> JSON { (try? JSON(parsing: text)) ?? .string(text) }

    private func outcome(_ row: PostgresRow) throws -> Outcome {
        let id = try row.text("id")
        let key = Outcome.Key(entry: EntryID(source: source.name, name: try row.text("type")), job: id)
        let state: Outcome.State = source.profile.meaning(of: row["status"]) == "success" ? .success : .failed
        var outcome = Outcome(key: key, side: .legacy, run: id, state: state)
        outcome.arguments = row["payload"].map(QueueRuns.value) ?? .null
        outcome.queued = try row.double("queued").map(QueueSource.instant)
        outcome.start = try row.double("started").map(QueueSource.instant)
        outcome.end = try row.double("finished").map(QueueSource.instant)
        outcome.attempts = row["attempts"].flatMap { Int($0) }.map { $0 + 1 }
        if let text = row["result"] { outcome.result = QueueRuns.value(text) }
        if let text = row["error"] { outcome.error = RunError(type: "unknown", message: text) }
        return outcome
    }
}
