import LosslessJSON
import Migration
import Postgres
public import Schedules

/// The ended jobs of a queue table.
public struct QueueRuns: LegacyRuns {
    /// Where they are; without the rows that were found to be unreadable.
    var source: QueueSource
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
        var older: [EntryID: Int] = [:]
        var source = source
        for type in types {
            let (rows, readable) = try await source.sparing(connection) { source throws(PostgresError) in
                try await connection.query(
                    "SELECT \(columns) FROM \(source.rows(QueueSource.read)) WHERE type = $1 AND status = ANY($2::text[]) ORDER BY finished DESC NULLS LAST, id DESC LIMIT $3",
                    [.text(type), .texts(ended), .integer(Int64(limit))]
                )
            }
            source = readable
            outcomes += try rows.reversed().map { try outcome($0) }
            guard rows.count == limit else { continue }
            let count = try await connection.query(
                "SELECT count(*) AS number FROM \(source.rows(QueueSource.read)) WHERE type = $1 AND status = ANY($2::text[])",
                [.text(type), .texts(ended)]
            ).first
            let more = try (count?.int("number") ?? limit) - limit
            if more > 0 { older[EntryID(source: source.name, name: type)] = more }
        }
        var recorded = RecordedRuns(outcomes: outcomes)
        recorded.older = older
        for row in source.unreadable { recorded.unread[row.id] = row.text }
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
            stamp: outcome.end,
            standing: .job
        )
    }

    private var ended: [String] {
        (source.profile.statuses["success"] ?? []) + (source.profile.statuses["failed"] ?? [])
    }

    /// The jobs that ended since then, by seconds of the server's clock, and when; infinity where the table does not say when.
    ///
    /// - Parameter untimed: also all that ended and are not stamped, which no time finds.
    func ids(
        _ connection: PostgresConnection,
        since: Double,
        untimed: Bool
    ) async throws(PostgresError) -> [(id: String, finished: Double)] {
        let isTimed = source.profile.has("finished")
        let stampless = untimed ? " OR finished IS NULL OR NOT isfinite(finished)" : ""
        let sql =
            "SELECT id, CASE WHEN isfinite(finished) THEN extract(epoch FROM finished) END AS finished FROM \(rows) "
            + "WHERE type = ANY($1::text[]) AND status = ANY($2::text[])"
            + (isTimed
                ? " AND (finished >= to_timestamp($3) AND isfinite(finished)\(stampless)) ORDER BY finished" : "")
        let values: [PostgresValue] = [.texts(types), .texts(ended)] + (isTimed ? [.text(String(since))] : [])
        return try await connection.query(sql, values).map { row throws(PostgresError) in
            (try row.text("id"), try row.double("finished") ?? .infinity)
        }
    }

    /// The jobs that ended, are not stamped and were put in line before then, or nobody knows when: whether they ended since is not known.
    func stampless(_ connection: PostgresConnection, queuedBefore: Double) async throws(PostgresError) -> [String] {
        guard source.profile.has("finished") else { return [] }
        let sql = """
            SELECT id FROM \(rows) WHERE type = ANY($1::text[]) AND status = ANY($2::text[])
            AND (finished IS NULL OR NOT isfinite(finished)) AND (queued IS NULL OR queued < to_timestamp($3))
            """
        let values: [PostgresValue] = [.texts(types), .texts(ended), .text(String(queuedBefore))]
        return try await connection.query(sql, values).map { row throws(PostgresError) in try row.text("id") }
    }

    /// The ends of some jobs. A row that cannot be read is told of, and does not end the reading of the others.
    func events(_ connection: PostgresConnection, ids: [String]) async throws(PostgresError) -> [LegacyEvent] {
        let sql = "SELECT \(columns) FROM \(rows) WHERE id = ANY($1::text[]) ORDER BY finished"
        return try await connection.query(sql, [.texts(ids)]).map { row in
            do {
                let outcome = try outcome(row)
                return .run(outcome, observed(outcome))
            } catch {
                return .unread(record: row["id"] ?? "?", reason: "\(error)")
            }
        }
    }

    private var rows: String { source.rows(QueueSource.read) }

    private var columns: String {
        "id, type, payload, payload_type, status, attempts, error, result, "
            + ["queued", "started", "finished"].map { "extract(epoch FROM \($0)) AS \($0)" }.joined(separator: ", ")
    }

    /// A result: JSON, or a text where it is none that can be read. Halves of a surrogate pair, which Python writes as escapes, are spelled out as
    /// in what a body returns.
    private static func value(_ text: String) -> JSON {
        do throws(JSONError) { return try JSON(parsing: text) } catch {
            guard error.kind == .loneSurrogate else { return .string(text) }
            return (try? JSON(parsing: HalfSurrogates.spelled(Array(text.utf8)))) ?? .string(text)
        }
    }

    /// A payload, and what it is in the table.
    ///
    /// The runtime's `json_value.payload` and `_payload` in a DAG without a gate read it alike: `payloads.json` is the table of cases that tests all.
    static func payload(_ text: String?, type: String?) -> (value: JSON, kind: PayloadKind) {
        guard let text else { return (.null, .missing) }
        if type == "bytea" { return (.string(text), .bytes) }
        do throws(JSONError) {
            let value = try JSON(parsing: text)
            // Python writes NaN, which no body could be given.
            return value.isStandard ? (value, .json) : (.string(text), .text)
        } catch {
            return (.string(text), error.kind == .tooDeep ? .deep : .text)
        }
    }

    func outcome(_ row: PostgresRow) throws(PostgresError) -> Outcome {
        let id = try row.text("id")
        let key = Outcome.Key(entry: EntryID(source: source.name, name: try row.text("type")), job: id)
        let state: RunState = source.profile.meaning(of: row["status"]) == "success" ? .success : .failed
        var outcome = Outcome(key: key, side: .legacy, run: id, state: state)
        (outcome.arguments, outcome.argumentsKind) = QueueRuns.payload(row["payload"], type: row["payload_type"])
        outcome.queued = try row.double("queued").flatMap(QueueSource.instant)
        outcome.start = try row.double("started").flatMap(QueueSource.instant)
        outcome.end = try row.double("finished").flatMap(QueueSource.instant)
        outcome.attempts = row["attempts"].flatMap { Int($0) }.flatMap { source.profile.attempts(of: $0) }
        if let text = row["result"] { outcome.result = QueueRuns.value(text) }
        if let text = row["error"] { outcome.error = RunError(type: "unknown", message: text) }
        return outcome
    }
}
