import LosslessJSON
import Migration
import Postgres
public import Schedules

/// The ended jobs of a queue table.
public struct QueueRuns: LegacyRuns {
    let source: QueueSource
    let pollMilliseconds: Int
    let now: @Sendable () -> Instant
    private let types: [String]

    /// The ended jobs of some types.
    ///
    /// - Parameters:
    ///   - pollMilliseconds: how often `watch` looks.
    ///   - now: the clock, for when it was known that nothing was missed.
    public init(
        source: QueueSource,
        types: [String],
        pollMilliseconds: Int = 500,
        now: @escaping @Sendable () -> Instant
    ) {
        self.now = now
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
        var recorded = RecordedRuns(outcomes: outcomes)
        recorded.runs = outcomes.map(observed)
        return recorded
    }

    private func observed(_ outcome: Outcome) -> ObservedRun {
        ObservedRun(
            entry: outcome.key.entry,
            run: outcome.run,
            sent: outcome.queued,
            started: outcome.start,
            ended: outcome.end ?? now(),
            standing: .job
        )
    }

    private var ended: [String] {
        (source.profile.statuses["success"] ?? []) + (source.profile.statuses["failed"] ?? [])
    }

    /// The jobs that ended since then, by seconds of the server's clock, and when.
    func ids(_ connection: PostgresConnection, since: Double) async throws -> [(id: String, finished: Double)] {
        let finished = source.column("finished")
        let sql =
            "SELECT \(source.column("id"))::text AS id, extract(epoch FROM (\(finished))::timestamptz) AS finished FROM \(source.table)"
            // In the column's own type, so that its index serves.
            + " WHERE \(finished) >= (to_timestamp($1) AT TIME ZONE current_setting('TimeZone')) AND isfinite(\(finished))"
            + " AND \(source.column("type")) = ANY($2::text[]) AND \(source.column("status")) = ANY($3::text[])"
            + " ORDER BY \(finished)"
        return try await connection.query(sql, [.text(String(since)), .texts(types), .texts(ended)]).map { row in
            (try row.text("id"), try row.double("finished") ?? 0)
        }
    }

    /// The ends of some jobs. A row that cannot be read is told of, and does not end the reading of the others.
    func events(_ connection: PostgresConnection, ids: [String]) async throws -> [LegacyEvent] {
        let sql =
            "SELECT \(columns) FROM \(source.table) WHERE \(source.column("id"))::text = ANY($1::text[])"
            + " ORDER BY \(source.column("finished"))"
        return try await connection.query(sql, [.texts(ids)]).map { row in
            do {
                let outcome = try outcome(row)
                return .run(outcome, observed(outcome))
            } catch let error as PostgresError {
                throw error
            } catch {
                return .unread(record: row["id"] ?? "?", reason: "\(error)")
            }
        }
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
