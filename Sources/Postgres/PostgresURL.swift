import Foundation

/// Where a database is: a `postgres://` or `postgresql://` URL, or libpq's `key=value` form. libpq itself reads it, service files and
/// password files included.
public struct PostgresURL: Sendable, Hashable {
    /// The text for libpq; holds credentials.
    let text: String
    /// The address without credentials: `postgresql://host:port/database`.
    public let address: String

    /// Takes a URL; the dialect part of SQLAlchemy's form (`postgresql+psycopg://`) is dropped.
    ///
    /// - Throws: `PostgresError` with the code `bad-url`, which never shows the URL's credentials.
    public init(_ text: String) throws(PostgresError) {
        var plain = text
        if let scheme = text.range(of: "://"), let plus = text[..<scheme.lowerBound].firstIndex(of: "+") {
            plain = String(text[..<plus]) + String(text[scheme.lowerBound...])
        }
        if plain.contains("://") {
            guard let parts = URLComponents(string: plain), ["postgres", "postgresql"].contains(parts.scheme) else {
                throw PostgresError(
                    .badURL,
                    address: "(unreadable URL)",
                    operation: "reading the URL",
                    found: "it is not a PostgreSQL URL",
                    advice: "Use postgresql://user:password@host:port/database"
                )
            }
            // What libpq says of these shows the password; and one with “/” or “@” in it has been read as host, port and path.
            let digits = "0123456789abcdefABCDEF"
            let isEncoded = plain.split(separator: "%", omittingEmptySubsequences: false).dropFirst().allSatisfy {
                $0.count >= 2 && $0.prefix(2).allSatisfy(digits.contains)
            }
            guard isEncoded, !parts.percentEncodedPath.contains("@"), parts.host?.contains("@") != true,
                parts.query?.contains("@") != true, parts.fragment == nil
            else {
                throw PostgresError(
                    .badURL,
                    address: "(unreadable URL)",
                    operation: "reading the URL",
                    found:
                        "a part of it holds “/”, “?”, “#”, “@” or “%” that is not written as %2F, %3F, %23, %40 or %25",
                    advice: "Write them so in user and password"
                )
            }
            let items = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
            let host = items["host"] ?? parts.host ?? "localhost"
            let port = items["port"] ?? parts.port.map(String.init) ?? "5432"
            address = "postgresql://\(host.isEmpty ? "localhost" : host):\(port)\(parts.path)"
        } else {
            var settings: [String: String] = [:]
            for pair in plain.split(separator: " ") {
                let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
                if halves.count == 2 { settings[halves[0]] = halves[1] }
            }
            guard !settings.isEmpty else {
                throw PostgresError(
                    .badURL,
                    address: "(unreadable URL)",
                    operation: "reading the URL",
                    found: "it is neither a URL nor key=value pairs",
                    advice: "Use postgresql://user:password@host:port/database"
                )
            }
            let place =
                settings["service"].map { "service \($0)" } ?? settings["host"] ?? settings["hostaddr"] ?? "localhost"
            address = "postgresql://\(place):\(settings["port"] ?? "5432")/\(settings["dbname"] ?? "")"
        }
        self.text = plain
    }
}
