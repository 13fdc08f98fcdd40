import GRDB

extension StateStore {
    /// The lines of a pipeline's journal that tell who owns its ticks: from the look with which the last step that changed owner began, and the
    /// newest ones, oldest first. What a watch has mended since may be any number of lines, which are passed over.
    ///
    /// - Throws: `StoreError`.
    public func ownershipLines(_ pipeline: String) throws(StoreError) -> [JournalLine] {
        let rows = try read("reading who owns by the journal") { database in
            // Each is found from the newest line backwards, without reading what is not asked for.
            let moved = try Int64.fetchOne(
                database,
                sql: """
                    SELECT id FROM journal WHERE pipeline = ?1 AND phase = 'after' AND (
                        (step = 'close' AND instr(detail, '"closed_at"') > 0)
                        OR (step = 'give-back' AND instr(detail, '"given_back_at"') > 0)
                        OR (step = 'restore' AND instr(detail, '"restored_at"') > 0)
                        OR (step = 'forgotten' AND instr(detail, '"queue"') = 0)
                        OR (step = 'finish' AND instr(detail, '"done"') > 0))
                    ORDER BY id DESC LIMIT 1
                    """,
                arguments: [pipeline]
            )
            let looked = try Int64.fetchOne(
                database,
                sql: """
                    SELECT id FROM journal WHERE pipeline = ?1 AND step = 'check' AND instr(detail, '"keys"') > 0 AND id <= ?2
                    ORDER BY id DESC LIMIT 1
                    """,
                arguments: [pipeline, moved ?? 0]
            )
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM journal WHERE id IN (
                        SELECT id FROM (SELECT id FROM journal WHERE pipeline = ?1 AND id >= ?2 ORDER BY id LIMIT 200)
                        UNION SELECT id FROM (SELECT id FROM journal WHERE pipeline = ?1 AND id <= ?3 ORDER BY id DESC LIMIT 50)
                        UNION SELECT id FROM (SELECT id FROM journal WHERE pipeline = ?1 ORDER BY id DESC LIMIT 200))
                    ORDER BY id
                    """,
                arguments: [pipeline, looked ?? .max, moved ?? 0]
            )
        }
        return rows.compactMap(StateStore.line)
    }
}
