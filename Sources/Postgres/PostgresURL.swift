import Foundation

/// Where a database is: a `postgres://` or `postgresql://` URL, or libpq's `key=value` form. libpq itself reads it, service files and
/// password files included.
public struct PostgresURL: Sendable, Hashable {
    /// The text for libpq, without what only frameworks understand; holds credentials.
    public let text: String
    /// What the URL says of the session, as the server takes it at its start (`-c search_path=…`); nil for nothing.
    let options: String?
    /// The address without credentials: `postgresql://host:port/database`.
    public let address: String

    /// Takes a URL as frameworks write it: the dialect part of SQLAlchemy's form (`postgresql+psycopg://`) is dropped, Django's schemes are
    /// known, and so are the parameters of Prisma and Django (`PostgresParameters`).
    ///
    /// - Throws: `PostgresError` with the code `bad-url`, which never shows the URL's credentials.
    public init(_ text: String) throws(PostgresError) {
        var plain = text
        if let scheme = text.range(of: "://"), let plus = text[..<scheme.lowerBound].firstIndex(of: "+") {
            plain = String(text[..<plus]) + String(text[scheme.lowerBound...])
        }
        if let scheme = plain.range(of: "://"),
            PostgresParameters.schemes.contains(plain[..<scheme.lowerBound].lowercased())
        {
            plain = "postgresql" + String(plain[scheme.lowerBound...])
        }
        var parameters = PostgresParameters()
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
            if let question = plain.firstIndex(of: "?") {
                do throws(PostgresParameters.Unknown) {
                    parameters = try PostgresParameters(plain[plain.index(after: question)...])
                } catch {
                    throw PostgresError(
                        .badURL,
                        address: "postgresql://\(parts.host ?? "localhost")\(parts.path)",
                        operation: "reading the URL",
                        found: error.found,
                        advice: "Take it out of the URL; docs/configuration.md lists the parameters that are known"
                    )
                }
                plain = String(plain[..<question]) + (parameters.query.isEmpty ? "" : "?" + parameters.query)
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
        options = parameters.options
    }
}
