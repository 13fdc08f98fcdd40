import GRDB
import LosslessJSON
import Migration

/// In which sandboxes bodies ran, and what calls of theirs nobody could compare: columns of their own, so that their figures are over everything
/// that was compared.
extension StateStore {
    /// Adds the columns, and fills the first from what was compared before. Calls that were not compared were not counted then.
    static func addEffectColumns(_ database: Database) throws {
        try database.execute(
            sql: """
                ALTER TABLE compared ADD COLUMN isolation TEXT;
                ALTER TABLE compared ADD COLUMN uncompared_calls INTEGER;
                """
        )
        let update = try database.makeStatement(sql: "UPDATE compared SET isolation = ? WHERE id = ?")
        var last: Int64 = 0
        while true {
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, document FROM compared WHERE id > ? AND instr(document, '"isolation":"') ORDER BY id LIMIT 200
                    """,
                arguments: [last]
            )
            guard let newest = rows.last else { return }
            for row in rows {
                // As it is read elsewhere: SQLite knows no NaN in JSON.
                guard let shadow = (try? JSON(parsing: row["document"] as String))?["shadow"],
                    let isolation = shadow["isolation"]?.string
                else { continue }
                try update.execute(arguments: [isolation, row["id"] as Int64])
            }
            last = newest["id"]
        }
    }

    /// Adds those figures to a summary.
    ///
    /// - Parameter present: what is counted, from `FROM` on.
    static func effects(
        _ database: Database,
        _ summary: inout ComparisonSummary,
        _ present: String,
        _ arguments: StatementArguments
    ) throws {
        let kinds = "SELECT isolation, count(*) AS runs \(present) AND isolation IS NOT NULL GROUP BY isolation"
        summary.isolations = try Row.fetchAll(
            database.cachedStatement(sql: "\(kinds) ORDER BY runs DESC, isolation LIMIT 3"),
            arguments: arguments
        ).map { ComparisonSummary.Isolation(words: $0["isolation"], runs: $0["runs"]) }
        if let row = try Row.fetchOne(
            database.cachedStatement(sql: "SELECT count(*) AS kinds, coalesce(sum(runs), 0) AS runs FROM (\(kinds))"),
            arguments: arguments
        ) {
            summary.isolationCount = row["kinds"]
            summary.isolated = row["runs"]
        }
        if let row = try Row.fetchOne(
            database.cachedStatement(
                sql:
                    "SELECT count(*) AS runs, coalesce(sum(uncompared_calls), 0) AS calls \(present) AND uncompared_calls > 0"
            ),
            arguments: arguments
        ) {
            summary.uncomparedCalls = row["calls"]
            summary.runsWithUncomparedCalls = row["runs"]
        }
    }
}
