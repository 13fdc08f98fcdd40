import Legacy
import Postgres

/// What of a database stands against holding, although the table is fit.
extension QueueSwitch {
    /// What the profile says must not be so where its jobs are held.
    ///
    /// - Throws: `PostgresError`.
    func obstacles(_ operation: String) async throws -> [Refusal] {
        var found: [Refusal] = []
        if profile.hold?.hasSearchPath == true,
            let schema = profile.table.split(separator: ".").first,
            try await connection.query(
                "SELECT has_schema_privilege('public', $1, 'CREATE') AS open",
                [.text(String(schema))]
            ).first?.bool("open") == true
        {
            found.append(
                Refusal(
                    .unfitUse,
                    queue: queue,
                    operation: operation,
                    found:
                        "everybody may create things in schema \(schema), which the switch's functions would find by their names and run with its rights",
                    advice: "REVOKE CREATE ON SCHEMA \(PostgresConnection.identifier(String(schema))) FROM PUBLIC"
                )
            )
        }
        for (query, obstacle) in sql.obstacles {
            guard try await connection.query(query).first?.bool("holds") == true else { continue }
            found.append(
                Refusal(.unfitUse, queue: queue, operation: operation, found: obstacle.reason, advice: obstacle.advice)
            )
        }
        return found
    }
}
