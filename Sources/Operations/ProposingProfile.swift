import Foundation
import Legacy
package import Migration
import Postgres
package import Schedules

/// A profile for a table that none knows.
package struct ProposingProfile {
    private let url: String
    private let zones: ZoneDatabase

    /// - Parameter url: a database's URL, or the name of an environment variable that holds one; nil for the variables that usually do.
    /// - Throws: `OperationFailure` if there is none.
    package init(_ url: String?, environment: [String: String], zones: ZoneDatabase = ZoneDatabase()) throws {
        self.zones = zones
        if let url {
            self.url = try Discovering.Server(url, number: 1, environment: environment).url
            return
        }
        let usual = ["DATABASE_URL", "POSTGRES_URL", "PG_URL"]
        guard let name = usual.first(where: { environment[$0]?.isEmpty == false }), let found = environment[name] else {
            throw OperationFailure(
                .usage,
                "no database is named: give --url, or set \(usual.joined(separator: " or "))"
            )
        }
        self.url = found
    }

    /// Makes it, and reads the table with it.
    ///
    /// - Throws: `PostgresError`, or `UnusableSource`.
    package func propose(_ table: String) async throws -> ProfileProposal {
        try await ProfileProposer.propose(table, at: PostgresURL(url), zones: zones)
    }
}
