import GRDB
import LosslessJSON
public import Migration
public import Schedules

/// What was compared. A run that is compared again takes the place of its older comparison, which stays in the history.
extension StateStore {
    static let comparisonTables = """
        CREATE TABLE compared (
            id INTEGER PRIMARY KEY,
            pipeline TEXT NOT NULL,
            entry TEXT NOT NULL,
            run TEXT NOT NULL,
            form TEXT NOT NULL,
            verdict TEXT NOT NULL,
            -- When it was compared, and when legacy ran it, in microseconds.
            compared_us INTEGER NOT NULL,
            ran_us INTEGER,
            legacy_us INTEGER,
            shadow_us INTEGER,
            state TEXT,
            replaced INTEGER NOT NULL DEFAULT 0,
            document TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX compared_run ON compared (pipeline, entry, run) WHERE replaced = 0;
        CREATE INDEX compared_verdict ON compared (pipeline, form, verdict) WHERE replaced = 0;
        CREATE TABLE cause (
            comparison INTEGER NOT NULL REFERENCES compared (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            place TEXT NOT NULL,
            -- The rule that hides it; empty if it counts.
            hidden TEXT NOT NULL
        ) STRICT;
        CREATE INDEX cause_comparison ON cause (comparison);
        CREATE TABLE rule_met (
            pipeline TEXT NOT NULL,
            form TEXT NOT NULL,
            entry TEXT NOT NULL,
            rule TEXT NOT NULL,
            times INTEGER NOT NULL,
            PRIMARY KEY (pipeline, form, entry, rule)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX compared_of_run ON compared (entry, run);
        CREATE INDEX compared_pipeline ON compared (pipeline, id);
        INSERT INTO compared (pipeline, entry, run, form, verdict, compared_us, document)
            SELECT pipeline, entry, CASE job WHEN '' THEN tick ELSE job END, '', verdict,
                CAST(strftime('%s', compared_at) AS INTEGER) * 1000000, document
            FROM comparison WHERE id IN (
                SELECT max(id) FROM comparison GROUP BY pipeline, entry, CASE job WHEN '' THEN tick ELSE job END)
            ORDER BY id;
        DROP TABLE comparison;

        """

    /// Keeps comparisons. One of an end of a run that has ended again and was compared since is history.
    ///
    /// - Parameter forms: the form of each pipeline's mapping that they were made under; see `DAGDefinition.form`.
    /// - Throws: `StoreError`.
    public func save(_ comparisons: [Comparison], at instant: Instant, forms: [String: String] = [:])
        throws(StoreError)
    {
        let documents = comparisons.map { $0.kept.text() }
        try write("saving comparisons") { database in
            let replace = try database.cachedStatement(
                sql: """
                    UPDATE compared SET replaced = 1 WHERE pipeline = ? AND entry = ? AND run = ? AND replaced = 0
                    AND NOT coalesce(ended_us > ?, 0)
                    """
            )
            let insert = try database.cachedStatement(
                sql: """
                    INSERT INTO compared (pipeline, entry, run, form, verdict, compared_us, ran_us, legacy_us, shadow_us, state,
                        isolation, uncompared_calls, document, ended_us, replaced)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, EXISTS (
                        SELECT 1 FROM compared WHERE pipeline = ?1 AND entry = ?2 AND run = ?3 AND replaced = 0))
                    """
            )
            let cause = try database.cachedStatement(
                sql: "INSERT INTO cause (comparison, kind, place, hidden) VALUES (?, ?, ?, ?)"
            )
            let met = try database.cachedStatement(
                sql: """
                    INSERT INTO rule_met (pipeline, form, entry, rule, times) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET times = times + excluded.times
                    """
            )
            var rules: [[String]: Int] = [:]
            for (comparison, document) in zip(comparisons, documents) {
                let form = forms[comparison.pipeline] ?? ""
                let entry = comparison.key.entry.description
                let run = comparison.run
                let ended = comparison.legacy?.end?.microseconds
                try replace.execute(arguments: [comparison.pipeline, entry, run, ended])
                try insert.execute(arguments: [
                    comparison.pipeline, entry, run, form, comparison.verdict.rawValue, instant.microseconds,
                    comparison.ran?.microseconds, comparison.legacy?.duration.map { Int64($0 * 1e6) },
                    comparison.shadow?.duration.map { Int64($0 * 1e6) }, comparison.shadow?.state.rawValue,
                    comparison.shadow?.isolation, comparison.uncomparedCalls > 0 ? comparison.uncomparedCalls : nil,
                    document, ended,
                ])
                let id = database.lastInsertedRowID
                for found in comparison.causes {
                    try cause.execute(arguments: [id, found.kind, found.place, found.hidden])
                }
                for rule in comparison.met { rules[[comparison.pipeline, form, entry, rule], default: 0] += 1 }
            }
            for (key, times) in rules {
                try met.execute(arguments: [key[0], key[1], key[2], key[3], times])
            }
        }
    }

    /// The comparisons of a pipeline, or of all, in the order of their making; only the latest of each pipeline where there are more.
    ///
    /// - Parameters:
    ///   - form: only those made under this form of the mapping.
    ///   - since: only those made at or after this instant.
    ///   - verdicts: only those with one of these verdicts.
    ///   - counting: only those of ticks and jobs, not those of calls that no tick made.
    /// - Throws: `StoreError`.
    public func comparisons(
        pipeline: String? = nil,
        form: String? = nil,
        since: Instant? = nil,
        verdicts: [Comparison.Verdict] = Comparison.Verdict.allCases,
        counting: Bool = false,
        limitPerPipeline: Int = 500
    ) throws(StoreError) -> [Comparison] {
        var all: [Comparison] = []
        do {
            try eachComparison(
                pipeline: pipeline,
                form: form,
                since: since,
                verdicts: verdicts,
                counting: counting,
                limitPerPipeline: limitPerPipeline
            ) { all.append($0) }
        } catch {
            throw error as? StoreError ?? StoreError(operation: "reading comparisons", path: path, error)
        }
        return all
    }

    /// Gives the same comparisons one after another, so that however many they are only a few are in memory.
    ///
    /// - Throws: `StoreError`; what the body throws.
    public func eachComparison(
        pipeline: String? = nil,
        form: String? = nil,
        since: Instant? = nil,
        verdicts: [Comparison.Verdict] = Comparison.Verdict.allCases,
        counting: Bool = false,
        limitPerPipeline: Int = 500,
        _ body: (Comparison) throws -> Void
    ) throws {
        guard limitPerPipeline > 0 else { return }
        let ids = try read("looking for comparisons") { database in
            try Int64.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT id FROM (
                            SELECT c.id, row_number() OVER (PARTITION BY pipeline ORDER BY c.id DESC) AS place
                            FROM compared c LEFT JOIN legacy_run r ON r.entry = c.entry AND r.run = c.run
                            WHERE replaced = 0 AND (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR form = ?2)
                            AND (?3 IS NULL OR compared_us >= ?3) AND instr(?4, '|' || verdict || '|')
                            AND (NOT ?5 OR \(StateStore.counts)))
                        WHERE place <= ?6 ORDER BY id
                        """
                ),
                arguments: [
                    pipeline, form, since?.microseconds, "|" + verdicts.map(\.rawValue).joined(separator: "|") + "|",
                    counting, limitPerPipeline,
                ]
            )
        }
        for start in stride(from: 0, to: ids.count, by: StateStore.batch) {
            let rows = try read("reading comparisons") { database in
                let statement = try database.cachedStatement(
                    sql: "SELECT document, pipeline, entry, run FROM compared WHERE id = ?"
                )
                return try ids[start..<min(start + StateStore.batch, ids.count)].compactMap {
                    try Row.fetchOne(statement, arguments: [$0])
                }
            }
            for row in rows { try body(StateStore.comparison(row)) }
        }
    }

    /// What a row keeps. One that nobody can read any more says so, and hides none of the others; what it counts for stands in columns of its own.
    private static func comparison(_ row: Row) -> Comparison {
        do { return try Comparison(json: JSON(parsing: row["document"] as String)) } catch {
            let entry = EntryID(row["entry"] as String) ?? EntryID(source: "?", name: row["entry"])
            return Comparison(
                key: Outcome.Key(entry: entry, job: row["run"]),
                pipeline: row["pipeline"],
                legacy: nil,
                shadow: nil,
                verdict: .broken,
                reason: "what Bailey's state keeps of this comparison cannot be read any more: \(error)"
            )
        }
    }

    /// How many are read at once.
    private static let batch = 200

    /// Whether a comparison `c` is of a tick or a job, by what its run `r` was judged to be. One of whose run nothing is known counts.
    static let counts = "coalesce(r.standing, '') NOT IN ('not-scheduled', 'ambiguous')"
}

extension Comparison {
    /// What tells the run from others of its entry.
    var run: String { key.job ?? key.tick?.iso8601 ?? legacy?.run ?? "" }

    /// When legacy ran it.
    var ran: Instant? { key.tick ?? legacy?.end ?? legacy?.start ?? legacy?.queued }

    /// Its differences by kind and place, each once: any element of an array is one place.
    fileprivate var causes: Set<Cause> {
        var causes = Set(differences.map { Cause(kind: $0.kind.rawValue, place: $0.place, hidden: "") })
        for item in ignored {
            causes.insert(Cause(kind: item.difference.kind.rawValue, place: item.difference.place, hidden: item.rule))
        }
        if differences.isEmpty, verdict == .broken || verdict == .insufficient, let reason {
            causes.insert(Cause(kind: verdict.rawValue, place: reason, hidden: ""))
        }
        return causes
    }
}

private struct Cause: Hashable {
    var kind: String
    var place: String
    var hidden: String
}
