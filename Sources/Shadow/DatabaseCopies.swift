import Foundation
import Migration
import Postgres

/// Copies of databases that bodies run on, made by the server from a template and dropped afterwards.
struct DatabaseCopies: Sendable {
    private static let prefix = "bailey_shadow_"

    /// Does something with a copy.
    ///
    /// - Parameters:
    ///   - url: leads to a database of the template's server, by a role that may create databases.
    ///   - body: gets the URL of the copy, and which settings of the database at `url` it may not have.
    /// - Throws: `RowComparison.Failure` where no copy can be made; what the body throws.
    static func with<Value: Sendable>(
        _ copy: DatabaseCopy,
        url: String,
        _ body: (_ place: String, _ missing: [String]) async throws -> Value
    ) async throws -> Value {
        let name = prefix + "\(getpid())_" + UUID().uuidString.prefix(8).lowercased()
        let server: PostgresConnection
        let missing: [String]
        do {
            // Not through the template itself: nobody may use it while it is copied.
            let place = database(of: url) == copy.template ? leading(url, to: "postgres") : url
            server = try await PostgresConnection(
                to: try PostgresURL(place),
                readOnly: false,
                statementTimeout: 3600
            )
            try await dropLeft(server)
            let names = [name, copy.template].map { PostgresConnection.identifier($0) }
            _ = try await server.query("CREATE DATABASE \(names[0]) TEMPLATE \(names[1])")
            let mark = PostgresConnection.literal(hostName)
            _ = try await server.query("COMMENT ON DATABASE \(names[0]) IS \(mark)")
            missing = try await giveSettings(of: database(of: url), to: names[0], server)
        } catch {
            throw RowComparison.Failure(
                description:
                    "no copy of the database “\(copy.template)” can be made: \(error). The role of the connection “\(copy.connection)” needs CREATEDB, and nobody may be connected to the template"
            )
        }
        do {
            let value = try await body(leading(url, to: name), missing)
            try await drop(name, server)
            return value
        } catch {
            // In a task of its own: the caller's may be cancelled.
            await Task { try? await drop(name, server) }.value
            throw error
        }
    }

    /// Settings whose value is a list of names, each of which may be quoted: they are taken over as they are in force.
    private static let lists = [
        "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries",
    ]

    /// Gives a copy what `ALTER DATABASE` and `ALTER ROLE … IN DATABASE` say of legacy's, which no template hands on: a body would see another time zone.
    ///
    /// - Returns: those that this role may not set, or that the server refuses.
    private static func giveSettings(of legacy: String, to copy: String, _ server: PostgresConnection) async throws
        -> [String]
    {
        let rows = try await server.query(
            """
            SELECT s.setrole <> 0 AS own, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value, current_user AS role
            FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) c
            WHERE d.datname = $1 AND (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user))
            ORDER BY own, name
            """,
            [.text(legacy)]
        )
        var missing: [String] = []
        for row in rows {
            let name = try row.text("name"), value = try row.text("value")
            let role = PostgresConnection.identifier(try row.text("role"))
            let place = row["own"] == "t" ? "ROLE \(role) IN DATABASE \(copy)" : "DATABASE \(copy)"
            let setting = PostgresConnection.identifier(name)
            do throws(PostgresError) {
                if lists.contains(name) {
                    _ = try await server.query("SELECT set_config($1, $2, false)", [.text(name), .text(value)])
                    _ = try await server.query("ALTER \(place) SET \(setting) FROM CURRENT")
                } else {
                    let literal = PostgresConnection.literal(value)
                    _ = try await server.query("ALTER \(place) SET \(setting) TO \(literal)")
                }
            } catch {
                guard error.code == .rights || error.code == .server else { throw error }
                missing.append(name)
            }
        }
        return missing
    }

    private static func drop(_ name: String, _ server: PostgresConnection) async throws {
        _ = try await server.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            [.text(name)]
        )
        _ = try await server.query("DROP DATABASE IF EXISTS \(PostgresConnection.identifier(name))")
    }

    /// Drops the copies of a Bailey of this machine that was killed.
    private static func dropLeft(_ server: PostgresConnection) async throws {
        let host = PostgresConnection.literal(hostName)
        let rows = try await server.query(
            """
            SELECT d.datname AS name FROM pg_database d JOIN pg_shdescription s ON s.objoid = d.oid
            WHERE d.datname LIKE 'bailey\\_shadow\\_%' AND s.description = \(host)
            """
        )
        for row in rows {
            guard let name = row["name"],
                let pid = name.dropFirst(prefix.count).split(separator: "_").first.flatMap({ pid_t($0) }),
                kill(pid, 0) != 0, errno == ESRCH
            else { continue }
            try await drop(name, server)
        }
    }

    /// What marks a copy as this machine's.
    private static var hostName: String { "bailey shadow on \(ProcessInfo.processInfo.hostName)" }

    private static func database(of url: String) -> String {
        String((URLComponents(string: url)?.path ?? "").drop { $0 == "/" })
    }

    /// The same server, another database.
    static func leading(_ url: String, to database: String) -> String {
        guard var parts = URLComponents(string: url) else { return url }
        parts.path = "/" + database
        return parts.string ?? url
    }
}
