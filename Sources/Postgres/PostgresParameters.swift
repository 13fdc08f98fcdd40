import CLibpq
import Foundation

/// The parameters of a URL: those of libpq stay, those that frameworks add are understood or left out, and others are named.
struct PostgresParameters {
    /// Names that frameworks give the scheme (django-environ, dj-database-url).
    static let schemes: Set<String> = [
        "postgres", "postgresql", "psql", "pgsql", "postgis", "timescale", "timescalegis",
    ]

    /// Those that say something of the application's pool or of its cursors and nothing of the session: Prisma's, Django's, SQLAlchemy's.
    static let ignored: Set<String> = [
        "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size",
        "max_idle_connection_lifetime",
        "conn_max_age", "conn_health_checks", "disable_server_side_cursors", "atomic_requests", "autocommit",
        "pool_size",
        "max_overflow", "prepared_statement_cache_size",
    ]

    /// A parameter that nobody knows.
    struct Unknown: Error { let found: String }

    /// What libpq takes, encoded as it was.
    var query = ""
    /// What the server is told at the session's start; nil for nothing.
    var options: String?

    init() {}

    /// Reads what stands behind the question mark.
    init(_ text: Substring) throws(Unknown) {
        let known = PostgresParameters.known
        var kept: [Substring] = []
        var given: [String] = []
        for item in text.split(separator: "&") {
            let halves = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(halves[0])
            let value = halves.count > 1 ? String(halves[1]).removingPercentEncoding ?? String(halves[1]) : ""
            switch name.lowercased() {
            case "schema", "currentschema":
                // Prisma's, and JDBC's and dj-database-url's.
                given.append("-c search_path=" + PostgresParameters.escaped(PostgresConnection.identifier(value)))
            case "options": given.append(value)
            case "ssl_require": if ["true", "1", ""].contains(value.lowercased()) { kept.append("sslmode=require") }
            case "sslmode" where value == "no-verify": kept.append("sslmode=require")
            case "sslaccept": if value == "accept_invalid_certs" { kept.append("sslmode=require") }
            case let name where PostgresParameters.ignored.contains(name): break
            case _ where known.contains(name) || name == "ssl": kept.append(item)
            default:
                throw Unknown(
                    found: "its parameter “\(name)” is known neither to libpq nor as one of Prisma's or Django's"
                )
            }
        }
        query = kept.joined(separator: "&")
        options = given.isEmpty ? nil : given.joined(separator: " ")
    }

    /// A value inside `options`, where a space ends it and a backslash keeps the next character.
    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
    }

    /// The keywords of the libpq that is linked.
    private static let known: Set<String> = {
        guard let first = PQconndefaults() else { return [] }
        defer { PQconninfoFree(first) }
        var names: Set<String> = []
        var option = first
        while let keyword = option.pointee.keyword {
            names.insert(String(cString: keyword))
            option += 1
        }
        return names
    }()
}
