import Legacy
public import Migration
import Postgres

/// Sessions of a queue's database that take jobs off its table.
extension QueueSwitch {
    /// Who is seen to claim jobs, by the latest statement of each session; unknown where statements of others are out of sight.
    ///
    /// - Parameters:
    ///   - looks: how often the sessions are looked at, until one is seen: between two claims a worker may do other things.
    ///   - wait: waits between two looks.
    /// - Throws: `PostgresError`, or what `wait` throws.
    public func claimants(looks: Int = 25, wait: () async throws -> Void) async throws -> Known<[String]> {
        var found: Set<String> = []
        for look in 0..<max(looks, 1) {
            if !found.isEmpty { break }
            if look > 0 { try await wait() }
            let rows = try await connection.query(
                """
                SELECT pid, application_name, host(client_addr) AS address, query FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
                    AND coalesce(backend_type, 'client backend') = 'client backend' -- it is null where the session is out of sight
                """
            )
            for row in rows {
                let text = row["query"] ?? ""
                if text == "<insufficient privilege>" {
                    return .unknown(
                        "the statements of other users' sessions in \(connection.address) are out of sight; grant pg_read_all_stats to Bailey's user"
                    )
                }
                guard QueueClaim.isClaim(text, table: profile.table, status: profile.columns["status"] ?? "") else {
                    continue
                }
                let name = row["application_name"].flatMap { $0.isEmpty ? nil : $0 } ?? "no application name"
                found.insert("pid \(row["pid"] ?? "?") (\(name)\(row["address"].map { ", \($0)" } ?? ""))")
            }
        }
        return .known(found.sorted())
    }
}

/// Whether a statement is a worker's claim.
enum QueueClaim {
    /// One that locks rows of the table, writes its status, or looks for rows by their status to claim them in a statement to come.
    static func isClaim(_ statement: String, table: String, status: String) -> Bool {
        let text = statement.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard QueueWorkers.mentions(text.replacing("\"", with: ""), table), !text.contains("bailey") else {
            return false
        }
        if text.contains("for update") || text.contains("for no key update") { return true }
        let words = Set(text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
        guard words.contains(status.lowercased()) else { return false }
        if text.contains("update ") && text.contains(" set ") { return true }
        return text.hasPrefix("select") && text.contains(" where ") && !words.contains("count")
            && !words.contains("group")
    }
}
