import Foundation

/// Where a Redis is and how to log in: `redis://[user][:password@]host[:port][/db]`, `rediss://…`, `redis+socket:///path[?virtual_host=db]`.
public struct RedisURL: Sendable, Hashable {
    /// A host and port, or a socket's path.
    public enum Place: Sendable, Hashable {
        case host(String, port: Int)
        case socket(String)
    }

    /// Where it is.
    public var place: Place
    /// Whether TLS is used.
    public var tls: Bool
    /// The ACL user; nil for the default one.
    public var user: String?
    /// The password.
    public var password: String?
    /// The logical database.
    public var database: Int
    /// A file of PEM certificates to trust instead of the system's (`ssl_ca_certs`).
    public var authorities: String?
    /// Whether the server's certificate is checked (`ssl_cert_reqs`, which is `none` to turn it off).
    public var verifies: Bool

    /// Reads a URL in the forms that Celery and redis-py take.
    ///
    /// - Throws: `RedisError` with the code `bad-url`, which never shows the URL's credentials.
    public init(_ text: String) throws(RedisError) {
        func refusal(_ found: String) -> RedisError {
            RedisError(
                .badURL,
                address: RedisURL.redacted(text),
                operation: "reading the URL",
                found: found,
                advice: "Use redis://[user:password@]host[:port][/db], rediss://… or redis+socket:///path"
            )
        }
        guard let parts = URLComponents(string: text), let scheme = parts.scheme else {
            throw refusal("it is not a URL")
        }
        let query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
        user = parts.user.flatMap { $0.isEmpty ? nil : $0 }
        password = parts.password
        authorities = query["ssl_ca_certs"]
        verifies = !["none", "CERT_NONE"].contains(query["ssl_cert_reqs"] ?? "")
        var number = query["db"] ?? query["virtual_host"]
        switch scheme {
        case "redis", "rediss":
            // A password with “/” or “@” in it has been read as host, port and path.
            guard !parts.path.contains("@"), parts.host?.contains("@") != true, query["db"]?.contains("@") != true,
                parts.fragment == nil
            else {
                throw refusal(
                    "a user or password holds “/”, “?”, “#” or “@”, which are written as %2F, %3F, %23 and %40"
                )
            }
            guard let host = parts.host, !host.isEmpty else { throw refusal("it has no host") }
            let plain = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
            place = .host(plain, port: parts.port ?? 6379)
            let path = parts.path.drop { $0 == "/" }
            if !path.isEmpty { number = String(path) }
        case "redis+socket", "unix":
            guard !parts.path.isEmpty else { throw refusal("it has no path") }
            place = .socket(parts.path)
        default:
            throw refusal("its scheme is “\(scheme)”")
        }
        tls = scheme == "rediss"
        guard let database = Int(number ?? "0"), database >= 0 else {
            // What stands there may be the end of a password.
            throw refusal("its database is no number")
        }
        self.database = database
    }

    /// The address without credentials: `redis://host:6379/0`.
    public var address: String {
        switch place {
        case .host(let host, let port):
            let shown = host.contains(":") ? "[\(host)]" : host
            return "\(tls ? "rediss" : "redis")://\(shown):\(port)/\(database)"
        case .socket(let path): return "redis+socket://\(path)?virtual_host=\(database)"
        }
    }

    /// What may be shown of a text that is no good URL: its scheme. Where the password ends cannot be told.
    static func redacted(_ text: String) -> String {
        guard let scheme = text.range(of: "://"), scheme.lowerBound != text.startIndex else {
            return "(unreadable URL)"
        }
        return text[..<scheme.upperBound] + "…"
    }
}
