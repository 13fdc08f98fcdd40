import GRDB

/// The pipelines of which Bailey's own state keeps anything, by what.
public struct StoredPipelines: Sendable, Hashable {
    /// Those with comparisons.
    public var compared: Set<String>
    /// Those with rehearsals.
    public var rehearsed: Set<String>
    /// Those with lines of the journal.
    public var journaled: Set<String>
}

extension StateStore {
    /// The pipelines of which anything is kept: one look, where a question for each of ten thousand would be forty thousand.
    ///
    /// - Throws: `StoreError`.
    public func pipelinesKept() throws(StoreError) -> StoredPipelines {
        try read("reading which pipelines are kept") { database in
            func pipelines(_ table: String) throws -> Set<String> {
                // Each step is a look into the index for the next name, not a walk over all rows.
                let sql = """
                    WITH RECURSIVE name(pipeline) AS (
                        SELECT min(pipeline) FROM \(table)
                        UNION ALL
                        SELECT (SELECT min(pipeline) FROM \(table) WHERE pipeline > name.pipeline) FROM name
                        WHERE name.pipeline IS NOT NULL)
                    SELECT pipeline FROM name WHERE pipeline IS NOT NULL
                    """
                return try String.fetchSet(database, sql: sql)
            }
            return StoredPipelines(
                compared: try pipelines("compared"),
                rehearsed: try pipelines("rehearsal"),
                journaled: try pipelines("journal")
            )
        }
    }
}
