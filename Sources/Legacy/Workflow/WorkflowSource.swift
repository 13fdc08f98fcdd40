import LosslessJSON
import Migration
import Postgres
import Schedules

/// The tables of a workflow. Each sequence of agents that runs have had is an entry; runs are read as totals that the server computes.
struct WorkflowSource: Sendable {
    let name: String
    let url: PostgresURL
    let profile: WorkflowProfile
    let timezone: String?

    /// A read-only connection whose session reads columns without a zone as the application wrote them.
    func connect() async throws(PostgresError) -> PostgresConnection {
        try await PostgresConnection(to: url, timezone: timezone, statementTimeout: 60)
    }

    /// The name of a sequence of agents.
    static func name(of agents: [String]) -> String { agents.joined(separator: "+") }

    func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let timezone { _ = try zones.zone(timezone) }
        let connection = try await connect()
        let version = try await connection.serverVersion(atLeast: 10)
        let zone = try await connection.timezone()
        let parameters = try await parameters(connection)
        let rows = try await connection.query(
            """
            SELECT form, status, count(*) AS rows, count(*) FILTER (WHERE finished >= began) AS timed,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished - began)::float8)
                       FILTER (WHERE finished >= began) AS p50,
                   percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished - began)::float8)
                       FILTER (WHERE finished >= began) AS p95,
                   extract(epoch FROM min(queued))::float8 AS first, extract(epoch FROM max(queued))::float8 AS last
            FROM (SELECT *, coalesce(started, queued) AS began FROM \(profile.formed)) AS runs
            GROUP BY 1, 2 ORDER BY 1, 2
            """
        )
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "workflow",
                system: "PostgreSQL \(version)",
                address: url.address,
                found: 0
            ),
            entries: [],
            unread: []
        )
        var unknown: Set<String> = []
        for (form, rows) in Dictionary(grouping: rows, by: { $0["form"] }).sorted(by: {
            ($0.key ?? "") < ($1.key ?? "")
        }) {
            reading.summary.found += 1
            guard let form, let agents = (try? JSON(parsing: form))?.array?.map({ $0.string ?? "" }),
                agents.allSatisfy({ !$0.isEmpty && !$0.contains("\u{FFFD}") })
            else {
                let count = try rows.reduce(0) { try $0 + $1.int("rows") }
                reading.unread.append(
                    UnreadRecord(
                        source: name,
                        key: "\(profile.runs) \(form.map { "with the agents \($0.prefix(200))" } ?? "without a stage")",
                        reason: form == nil ? "no-stages" : "no-agent",
                        detail:
                            "\(count) runs \(form == nil ? "have no row in \(profile.stages)" : "have a stage that names no agent")"
                    )
                )
                continue
            }
            var entry = LegacyEntry(
                id: EntryID(source: name, name: WorkflowSource.name(of: agents)),
                kind: .workflow,
                task: profile.name,
                args: .array(agents.map { .string($0) }),
                options: [
                    "connection": .string(profile.connection), "path": .string(profile.path),
                    "method": .string(profile.method), "params": .array(parameters),
                ]
            )
            entry.timezone = zone
            var history = RunHistory(runs: 0, succeeded: 0, failed: 0)
            for row in rows {
                let count = try row.int("rows")
                history.states[row["status"] ?? "null", default: 0] += count
                switch profile.meaning(of: row["status"]) {
                case "success":
                    history.succeeded += count
                    (history.p50, history.p95) = (try row.double("p50"), try row.double("p95"))
                case "failed": history.failed += count
                case nil: unknown.insert(row["status"] ?? "null")
                default: break
                }
                let (first, last) = (try row.double("first"), try row.double("last"))
                history.first = [history.first, first.flatMap { Instant(timestamp: $0) }].compactMap { $0 }.min()
                history.last = [history.last, last.flatMap { Instant(timestamp: $0) }].compactMap { $0 }.max()
            }
            history.runs = history.succeeded + history.failed
            entry.history = history
            reading.entries.append(entry)
        }
        if !unknown.isEmpty {
            reading.summary.notes.append(
                EntryNote(
                    .unknownStatus,
                    "the profile “\(profile.name)” does not know the status \(unknown.sorted().joined(separator: ", "))"
                )
            )
        }
        if reading.summary.found == 0 {
            reading.summary.notes.append(
                EntryNote(
                    .incompleteReading,
                    "\(profile.runs) has no row that this role may see, so that nobody knows which agents are called"
                )
            )
        }
        reading.summary.notes.append(
            EntryNote(
                .noSwitch,
                "requests come to the application itself, which goes on taking them: a DAG is started by people, or by the application through Airflow's API"
            )
        )
        return reading
    }

    /// The parameters with what their columns hold: `name`, `type`.
    private func parameters(_ connection: PostgresConnection) async throws(PostgresError) -> [JSON] {
        let row = try await connection.query(profile.parameterTypes).first
        return profile.parameters.enumerated().map { place, parameter in
            let kind =
                switch row?["p\(place)"] {
                case "smallint", "integer", "bigint": "integer"
                case "numeric", "real", "double precision": "number"
                case "boolean": "boolean"
                case "json", "jsonb": "object"
                default: "string"
                }
            return ["name": .string(parameter.name), "type": .string(kind)]
        }
    }
}
