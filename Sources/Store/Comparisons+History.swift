import GRDB
public import LosslessJSON
public import Migration
public import Schedules

/// A comparison as it is kept, with what the state knows of it.
public struct KeptComparison: Sendable {
    /// Its number; grows.
    public var id: Int64
    /// The form of the mapping that it was made under.
    public var form: String
    /// Its verdict.
    public var verdict: Comparison.Verdict
    /// When it was made.
    public var comparedAt: Instant
    /// Whether a later one of the same run took its place.
    public var isReplaced: Bool
    /// Whether it is of a tick or a job, and not of a call that no tick made.
    public var isCounted: Bool
    /// The comparison as JSON, as reports have it; the text as it is kept where that cannot be read.
    public var document: JSON
}

extension StateStore {
    /// Every comparison of a pipeline that was ever made, those that were replaced included, by number.
    ///
    /// - Parameters:
    ///   - number: only those after this one.
    ///   - limit: the most of them.
    /// - Throws: `StoreError`.
    public func history(pipeline: String, after number: Int64, limit: Int = 500) throws(StoreError) -> [KeptComparison]
    {
        try read("reading all comparisons") { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT c.id, c.form, c.verdict, c.compared_us, c.replaced, c.document, \(StateStore.counts) AS counted
                        FROM compared c LEFT JOIN legacy_run r ON r.entry = c.entry AND r.run = c.run
                        WHERE c.pipeline = ? AND c.id > ? ORDER BY c.id LIMIT ?
                        """
                ),
                arguments: [pipeline, number, limit]
            ).map { row in
                KeptComparison(
                    id: row["id"],
                    form: row["form"],
                    verdict: Comparison.Verdict(rawValue: row["verdict"]) ?? .broken,
                    comparedAt: Instant(microseconds: row["compared_us"]),
                    isReplaced: row["replaced"],
                    isCounted: row["counted"],
                    document: StateStore.whole(row["document"])
                )
            }
        }
    }

    private static func whole(_ text: String) -> JSON {
        guard let json = try? JSON(parsing: text) else { return .string(text) }
        return (try? Comparison(json: json).json) ?? json
    }
}
