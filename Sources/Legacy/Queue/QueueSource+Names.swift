import Foundation
import Postgres

/// The names that an administrator needs.
extension QueueSource {
    /// The table, quoted.
    public var quotedTable: String { profile.quotedTable }

    /// The table's schema, quoted; nil for a table that is found by the search path.
    public var quotedSchema: String? {
        let parts = profile.table.split(separator: ".").map(String.init)
        return parts.count > 1 ? PostgresConnection.identifier(parts[0]) : nil
    }

    /// SQL that lets the role `bailey` in, to the database and to the table's schema.
    public var entryRights: [String] {
        let connect = "GRANT CONNECT ON DATABASE \(PostgresConnection.identifier(database)) TO bailey;"
        return [connect] + [quotedSchema.map { "GRANT USAGE ON SCHEMA \($0) TO bailey;" }].compactMap { $0 }
    }

    /// The database's name, as the URL has it; empty where the URL names none.
    public var database: String {
        String(url.address.split(separator: "/", omittingEmptySubsequences: false).last ?? "").removingPercentEncoding
            ?? ""
    }
}
