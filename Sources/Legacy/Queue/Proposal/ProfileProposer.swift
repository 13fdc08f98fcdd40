import LosslessJSON
public import Migration
public import Postgres
public import Schedules
import Settings

/// Makes a profile for a table of which nothing is known, from its catalogue, its rows and the statements that the server remembers.
public enum ProfileProposer {
    /// Proposes a profile, and reads the table with it. Nothing is changed.
    ///
    /// - Parameters:
    ///   - table: `schema.table`, or a name on the search path.
    ///   - seconds: how long each statement may take.
    /// - Throws: `PostgresError`; `UnusableSource` where there is no such table, or none of its columns is an id.
    public static func propose(_ table: String, at url: PostgresURL, zones: ZoneDatabase, seconds: Double = 10)
        async throws -> ProfileProposal
    {
        let connection = try await PostgresConnection(to: url, statementTimeout: seconds)
        _ = try await connection.serverVersion(atLeast: 10)
        // Of one moment, and nothing can be written.
        let facts = try await connection.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") { connection in
            try await TableFacts(table, connection)
        }
        var proposal = try propose(facts)
        do {
            let profile = try QueueProfile(yaml: proposal.profile, file: "\(proposal.name).yaml")
            var source = QueueSource(name: proposal.name, url: url, profile: profile)
            source.statementTimeout = max(seconds, 30)
            let reading = try await source.read(zones: zones)
            let jobs = reading.entries.reduce(0) { $0 + ($1.history?.states.values.reduce(0, +) ?? 0) }
            let odd = reading.summary.notes.first { $0.code == .unknownStatus }
            proposal.reading =
                "an import with it reads \(jobs) jobs of \(reading.entries.count) types"
                + (reading.unread.isEmpty ? "" : ", and \(reading.unread.count) groups of rows that have no type")
                + (odd.map { "; \($0.detail)" } ?? "")
        } catch let error as PostgresError {
            proposal.failure = error.description
        } catch let error as SettingsError {
            proposal.failure = error.description
        }
        return proposal
    }

    /// The profile of what is known.
    static func propose(_ facts: TableFacts) throws -> ProfileProposal {
        let guesser = ColumnGuesser(facts: facts)
        guard let id = guesser.id() else {
            throw UnusableSource(
                "\(facts.full) has no column by which a row is found again: neither a primary key, nor a unique column, nor one that is called id. Give it one, or name a view that has"
            )
        }
        let error = guesser.error()
        let times = guesser.times(but: [id.column.name])
        let statuses = StatusGuesser(
            facts: facts,
            times: times,
            failedAt: guesser.failedAt(),
            cancelledAt: guesser.cancelledAt(),
            error: error
        )
        let status =
            statuses.status()
            ?? StatusGuesser.Status(
                sql: "'queued'",
                words: ["queued": ["queued"]],
                guesses: [
                    ProfileProposal.Guess(
                        "status",
                        "'queued'",
                        .low,
                        ["nothing says how far a job is, and whatever stands in the table is taken to wait"]
                    )
                ],
                unknown: ["how a job's end is told: perhaps its row is deleted then"]
            )
        var parts: [String: ColumnGuesser.Part] = times
        parts["id"] = id
        parts["error"] = error
        parts["payload"] = guesser.payload()
        parts["queue"] = guesser.queue()
        parts["attempts"] = guesser.attempts()
        parts["max_attempts"] = guesser.mostAttempts()
        parts["result"] = guesser.result()
        let used = Set(parts.values.map(\.column.name)).union([status.column?.name].compactMap { $0 })
        let key = guesser.key(but: id.column)
        let kind = TypeGuesser(
            facts: facts,
            payload: parts["payload"],
            queue: parts["queue"],
            taken: used.union([key?.column.name].compactMap { $0 }).subtracting(
                [parts["queue"]?.column.name].compactMap { $0 }
            )
        ).kind()
        if let key, key.column != kind.column, !used.contains(key.column.name) { parts["key"] = key }
        if parts["payload"]?.column == kind.column { parts["payload"] = nil }
        return ProposalText(facts: facts, parts: parts, kind: kind, status: status).proposal
    }
}
