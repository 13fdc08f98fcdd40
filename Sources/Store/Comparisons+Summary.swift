import GRDB
import LosslessJSON
public import Migration

/// Figures over everything that was compared, told by the database, whatever is shown.
extension StateStore {
    private static let present = """
        FROM compared c LEFT JOIN legacy_run r ON r.entry = c.entry AND r.run = c.run
        WHERE c.replaced = 0 AND c.pipeline = ?1 AND c.form = ?2 AND \(counts)
        """

    /// The figures of a pipeline under a form of its mapping.
    ///
    /// - Parameters:
    ///   - rules: the names of the mapping's rules, by entry; those that met nothing are listed.
    ///   - causes: the most causes that are told, each with an example, of those that count and of those that are hidden.
    /// - Throws: `StoreError`.
    public func summary(pipeline: String, form: String, rules: [EntryID: [String]] = [:], causes: Int = 20)
        throws(StoreError) -> ComparisonSummary
    {
        try read("summing up comparisons") { database in
            var summary = ComparisonSummary()
            let arguments: StatementArguments = [pipeline, form]
            for row in try Row.fetchAll(
                database.cachedStatement(
                    sql: "SELECT verdict, count(*) AS number \(StateStore.present) GROUP BY verdict"
                ),
                arguments: arguments
            ) {
                if let verdict = Comparison.Verdict(rawValue: row["verdict"]) {
                    summary.verdicts[verdict] = row["number"]
                }
            }
            summary.older =
                try Int.fetchOne(
                    database.cachedStatement(
                        sql: "SELECT count(*) FROM compared WHERE replaced = 0 AND pipeline = ?1 AND form <> ?2"
                    ),
                    arguments: arguments
                ) ?? 0
            if let row = try Row.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT count(*) AS number, coalesce(sum(c.verdict = 'mismatch'), 0) AS differing
                        FROM compared c JOIN legacy_run r ON r.entry = c.entry AND r.run = c.run
                        WHERE c.replaced = 0 AND c.pipeline = ?1 AND c.form = ?2 AND NOT \(StateStore.counts)
                        """
                ),
                arguments: arguments
            ) {
                summary.notScheduled = row["number"]
                summary.notScheduledDiffering = row["differing"]
            }
            summary.legacy = try StateStore.durations(database, "c.legacy_us", arguments)
            summary.shadow = try StateStore.durations(database, "c.shadow_us", arguments)
            try StateStore.causes(database, &summary, arguments, most: causes)
            try StateStore.effects(database, &summary, StateStore.present, arguments)
            let met = try Row.fetchAll(
                database.cachedStatement(sql: "SELECT entry, rule FROM rule_met WHERE pipeline = ?1 AND form = ?2"),
                arguments: arguments
            )
            let known = Set(met.map { "\($0["entry"] as String)\n\($0["rule"] as String)" })
            for (entry, names) in rules.sorted(by: { $0.key.description < $1.key.description }) {
                for name in names where !known.contains("\(entry)\n\(name)") { summary.unmetRules.append(name) }
            }
            return summary
        }
    }

    private static func durations(_ database: Database, _ column: String, _ arguments: StatementArguments) throws
        -> ComparisonSummary.Durations?
    {
        let rows = "\(present) AND \(column) IS NOT NULL"
        let count =
            try Int.fetchOne(database.cachedStatement(sql: "SELECT count(*) \(rows)"), arguments: arguments) ?? 0
        guard count > 0 else { return nil }
        return try ComparisonSummary.Durations(count: count) { place in
            let found = try Int64.fetchOne(
                database.cachedStatement(sql: "SELECT \(column) \(rows) ORDER BY \(column) LIMIT 1 OFFSET ?3"),
                arguments: arguments + [place]
            )
            return Double(found ?? 0) / 1e6
        }
    }

    private static func causes(
        _ database: Database,
        _ summary: inout ComparisonSummary,
        _ arguments: StatementArguments,
        most: Int
    ) throws {
        let rows = try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT k.kind, k.place, k.hidden, count(*) AS runs, max(k.comparison) AS example
                    FROM cause k JOIN (SELECT c.id \(present)) AS p ON p.id = k.comparison
                    GROUP BY k.kind, k.place, k.hidden ORDER BY k.hidden <> '', runs DESC, k.kind, k.place
                    """
            ),
            arguments: arguments
        )
        for row in rows {
            let hidden: String = row["hidden"]
            let number: Int
            if hidden.isEmpty {
                number = summary.causeCount
                summary.causeCount += 1
            } else {
                number = summary.hiddenCauseCount
                summary.hiddenCauseCount += 1
                summary.ignored += row["runs"] as Int
            }
            // So many of each: what counts leaves room for what is hidden.
            guard number < most else { continue }
            let document = try String.fetchOne(
                database.cachedStatement(sql: "SELECT document FROM compared WHERE id = ?"),
                arguments: [row["example"] as Int64]
            )
            summary.causes.append(
                ComparisonSummary.Cause(
                    kind: row["kind"],
                    place: row["place"],
                    hidden: hidden.isEmpty ? nil : hidden,
                    runs: row["runs"],
                    // One that cannot be read any more is no example; it counts all the same.
                    example: document.flatMap { try? Comparison(json: JSON(parsing: $0)) }
                )
            )
        }
    }
}

extension StateStore {
    /// The pipelines of which anything was compared.
    ///
    /// - Throws: `StoreError`.
    public func comparedPipelines() throws(StoreError) -> [String] {
        try read("reading which pipelines were compared") { database in
            try String.fetchAll(
                database.cachedStatement(sql: "SELECT DISTINCT pipeline FROM compared WHERE replaced = 0")
            )
        }
    }

    /// The form of the mapping under which a pipeline was compared last.
    ///
    /// - Throws: `StoreError`.
    public func latestForm(pipeline: String) throws(StoreError) -> String {
        try read("reading the form of a mapping") { database in
            try String.fetchOne(
                database.cachedStatement(
                    sql: "SELECT form FROM compared WHERE pipeline = ? AND replaced = 0 ORDER BY id DESC LIMIT 1"
                ),
                arguments: [pipeline]
            ) ?? ""
        }
    }
}
