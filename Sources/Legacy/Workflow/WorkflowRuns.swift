import LosslessJSON
import Migration
import Postgres
import Schedules

/// The ended runs of a workflow's tables. What a run returned is the list of what its stages returned, in their order.
struct WorkflowRuns: LegacyRuns {
    let source: WorkflowSource
    /// The entries by the sequence of agents.
    let entries: [String: EntryID]
    let now: @Sendable () -> Instant
    /// How long a run may last and still be seen to end while watched, in seconds: the table need not say when a run ended.
    static let longest: Int64 = 86_400

    init(source: WorkflowSource, entries: [LegacyEntry], now: @escaping @Sendable () -> Instant) {
        self.source = source
        self.now = now
        self.entries = Dictionary(entries.map { ($0.args.text(), $0.id) }, uniquingKeysWith: { $1 })
    }

    func recorded(limit: Int) async throws -> RecordedRuns {
        let connection = try await source.connect()
        var recorded = RecordedRuns(outcomes: [])
        for (form, entry) in entries.sorted(by: { $0.value < $1.value }) {
            let rows = try await connection.query(
                """
                SELECT \(WorkflowRuns.columns), count(*) OVER () AS number FROM \(source.profile.formed)
                WHERE form::jsonb = $1::jsonb AND status = ANY($2::text[]) ORDER BY runs.queued DESC, id DESC LIMIT $3
                """,
                [.text(form), .texts(source.profile.ended), .integer(Int64(limit))]
            )
            let (outcomes, unread) = try await outcomes(rows.reversed(), connection)
            recorded.outcomes += outcomes
            recorded.unread.merge(unread) { $1 }
            let more = try (rows.first?.int("number") ?? rows.count) - rows.count
            if more > 0 { recorded.older[entry] = more }
        }
        recorded.runs = recorded.outcomes.map(observed)
        return recorded
    }

    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        var given: Set<String> = []
        var begun = false
        var silent: String?
        while true {
            do throws(any Error) {
                let connection = try await source.connect()
                while true {
                    let from = min(since ?? now(), now()).adding(seconds: -WorkflowRuns.longest)
                    let over = try await connection.query(
                        source.profile.over,
                        [.texts(source.profile.ended), .text(String(Double(from.microseconds) / 1_000_000))]
                    )
                    let fresh = try over.map { try $0.text("id") }.filter { !given.contains($0) }
                    if begun || since != nil { try await give(fresh, connection, handle) }
                    // Only now: where the connection is lost in between, they are given at the next look.
                    given.formUnion(fresh)
                    if !begun {
                        begun = true
                        await ready()
                    }
                    silent = nil
                    try await handle(.current(now()))
                    try await Task.sleep(for: .seconds(1))
                }
            } catch let error as PostgresError {
                guard begun || since != nil else { throw error }
                if silent != error.description { try await handle(.silent(error.description)) }
                silent = error.description
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// Gives runs that have ended, and says of each that is not given why.
    private func give(
        _ ids: [String],
        _ connection: PostgresConnection,
        _ handle: @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        guard !ids.isEmpty else { return }
        let rows = try await connection.query(
            "SELECT \(WorkflowRuns.columns) FROM \(source.profile.formed) WHERE id = ANY($1::text[]) ORDER BY runs.queued, id",
            [.texts(ids)]
        )
        let (outcomes, unread) = try await outcomes(rows, connection)
        for outcome in outcomes { try await handle(.run(outcome, observed(outcome))) }
        for (record, reason) in unread { try await handle(.unread(record: record, reason: reason)) }
        let told = Set(outcomes.map(\.run)).union(unread.keys)
        for _ in ids.filter({ !told.contains($0) }) {
            try await handle(
                .leftOut(
                    "their agents are those of no workflow that is shadowed here; run bailey import if they are new"
                )
            )
        }
    }

    private static let columns =
        "id, form, status, "
        + ["queued", "started", "finished"].map { "extract(epoch FROM \($0))::float8 AS \($0)" }
        .joined(separator: ", ")

    /// The outcomes of rows, and those that cannot be read, with the reason. Runs of no known entry are left out.
    private func outcomes(_ rows: [PostgresRow], _ connection: PostgresConnection) async throws(PostgresError)
        -> ([Outcome], [String: String])
    {
        var found: [Outcome] = []
        var unread: [String: String] = [:]
        for start in stride(from: 0, to: rows.count, by: 200) {
            let part = rows[start..<min(start + 200, rows.count)]
            let ids = try part.map { row throws(PostgresError) in try row.text("id") }
            let details = try await connection.query(source.profile.details, [.texts(ids)])
            let byID = Dictionary(
                try details.map { row throws(PostgresError) in (try row.text("id"), row) },
                uniquingKeysWith: { $1 }
            )
            for row in part {
                let id = try row.text("id")
                guard let form = row["form"], let agents = try? JSON(parsing: form), let entry = entries[agents.text()]
                else { continue }
                guard let details = byID[id] else {
                    unread[id] = "it was deleted while it was read"
                    continue
                }
                do throws(JSONError) {
                    found.append(try outcome(row, details, entry, id))
                } catch {
                    unread[id] = "its columns hold JSON that cannot be read: \(error)"
                }
            }
        }
        return (found, unread)
    }

    private func outcome(_ row: PostgresRow, _ details: PostgresRow, _ entry: EntryID, _ id: String) throws(JSONError)
        -> Outcome
    {
        let isGood = source.profile.meaning(of: row["status"]) == "success"
        var outcome = Outcome(
            key: Outcome.Key(entry: entry, job: id),
            side: .legacy,
            run: id,
            state: isGood ? .success : .failed
        )
        outcome.arguments = try JSON(parsing: details["params"] ?? "{}")
        let stages = try JSON(parsing: details["stages"] ?? "[]").array ?? []
        if isGood, source.profile.stageColumns["result"] != nil {
            outcome.result = .array(stages.map(WorkflowRuns.result))
        }
        if !isGood {
            let failed = stages.first { source.profile.meaning(of: $0["status"]?.string) == "failed" }
            if let words = details["error"] ?? failed?["error"]?.string {
                outcome.error = RunError(type: "unknown", message: words)
            }
        }
        func instant(_ key: String) -> Instant? {
            (try? row.double(key)).flatMap { $0 }.flatMap { Instant(timestamp: $0) }
        }
        (outcome.queued, outcome.start, outcome.end) = (instant("queued"), instant("started"), instant("finished"))
        return outcome
    }

    /// What a stage returned: JSON, also where a column of text holds it.
    private static func result(_ stage: JSON) -> JSON {
        let stored = stage["result"] ?? .null
        guard stage["is_json"] == false, let text = stored.string else { return stored }
        return (try? JSON(parsing: text)) ?? stored
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
}
