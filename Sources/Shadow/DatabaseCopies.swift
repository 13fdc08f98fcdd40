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
    ///   - body: gets the URL of the copy.
    /// - Throws: `RowComparison.Failure` where no copy can be made; what the body throws.
    static func with<Value: Sendable>(
        _ copy: DatabaseCopy,
        url: String,
        _ body: (String) async throws -> Value
    ) async throws -> Value {
        let name = prefix + "\(getpid())_" + UUID().uuidString.prefix(8).lowercased()
        let server: PostgresConnection
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
        } catch {
            throw RowComparison.Failure(
                description:
                    "no copy of the database “\(copy.template)” can be made: \(error). The role of the connection “\(copy.connection)” needs CREATEDB, and nobody may be connected to the template"
            )
        }
        do {
            let value = try await body(leading(url, to: name))
            try await drop(name, server)
            return value
        } catch {
            // In a task of its own: the caller's may be cancelled.
            await Task { try? await drop(name, server) }.value
            throw error
        }
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
