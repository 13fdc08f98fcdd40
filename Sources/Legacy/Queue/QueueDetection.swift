public import Postgres

/// Queue tables that profiles know, found by their columns: whatever the schema is, and whatever the table is called.
public enum QueueDetection {
    /// A table that a profile fits.
    public struct Table: Sendable, Hashable {
        /// The profile's name.
        public var profile: String
        /// `schema.table`.
        public var table: String
        /// How many rows the server thinks there are; nil if it never counted.
        public var rows: Int?
    }

    /// Those of a database, by profile and name. One look at the catalogue, which needs no right to any table.
    ///
    /// - Throws: `PostgresError`.
    public static func tables(of connection: PostgresConnection) async throws -> [Table] {
        let profiles = try QueueProfile.shipped.map { try QueueProfile(yaml: $0.value, file: $0.key) }.filter {
            !$0.detect.isEmpty
        }
        let rows = try await connection.query(
            """
            SELECT n.nspname || '.' || c.relname AS name, c.relname, c.reltuples::bigint AS rows,
                   string_agg(a.attname, ' ' ORDER BY a.attnum) AS columns
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
            GROUP BY 1, 2, 3 ORDER BY 1
            """
        )
        var found: [Table] = []
        for row in rows {
            let columns = Set(try row.text("columns").split(separator: " ").map(String.init))
            // Of several that fit, the one that asks for most.
            let fitting = profiles.filter { QueueDetection.fits($0, columns) }
            guard let profile = fitting.max(by: { $0.detect.count < $1.detect.count }) else { continue }
            let estimate = try row.int("rows")
            found.append(
                Table(profile: profile.name, table: try row.text("name"), rows: estimate < 0 ? nil : estimate)
            )
        }
        return found.sorted { ($0.profile, $0.table) < ($1.profile, $1.table) }
    }

    /// Whether a table has what a profile's `detect` asks for, and not what it excludes (`!name`).
    private static func fits(_ profile: QueueProfile, _ columns: Set<String>) -> Bool {
        profile.detect.allSatisfy {
            $0.hasPrefix("!") ? !columns.contains(String($0.dropFirst())) : columns.contains($0)
        }
    }
}
