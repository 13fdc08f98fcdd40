import Foundation
public import LosslessJSON
import Postgres

/// An Airflow connection that leads to a source, made from the source's URL.
public struct SourceConnection: Sendable, Hashable {
    /// The type, as Airflow calls it: `redis`, `postgres`, …
    public var type: String
    /// The host.
    public var host: String?
    /// The port.
    public var port: Int?
    /// The user.
    public var login: String?
    /// The database, as the type calls it.
    public var schema: String?
    /// The type's own settings: an object.
    public var extra: JSON?
    /// Never printed.
    public var password: String?
    /// Where it leads, without credentials.
    public var address: String

    /// The connection of an `amqp://` or `amqps://` URL; nil if the URL is of something else.
    ///
    /// - Throws: `UnusableSource` if it cannot be taken apart.
    init?(messageQueue url: String) throws {
        guard let scheme = ["amqp", "amqps", "pyamqp"].first(where: { url.hasPrefix($0 + "://") }) else { return nil }
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty else {
            throw UnusableSource("the broker's URL is not \(scheme)://user:password@host:port/vhost")
        }
        let vhost = String(parts.path.dropFirst())
        // How TLS is checked; RabbitMQ's client takes none of it from a URL, Bailey's runtime does from the extras.
        var extra: JSONObject = [:]
        for item in parts.queryItems ?? [] where item.name.hasPrefix("ssl_") {
            extra[item.name] = .string(item.value ?? "")
        }
        self.init(
            type: scheme == "amqps" ? "amqps" : "amqp",
            host: host,
            port: parts.port,
            login: parts.user,
            schema: vhost.isEmpty ? nil : vhost,
            extra: extra,
            password: parts.password,
            address: "\(scheme)://\(host)" + (parts.port.map { ":\($0)" } ?? "") + parts.path
        )
    }

    /// The connection of a PostgreSQL URL.
    ///
    /// - Throws: `UnusableSource` if it cannot be taken apart, or `PostgresError`.
    init(postgres url: String, source: String) throws {
        // Only a URL can be taken apart; libpq alone understands its other form.
        // What frameworks add to a URL, the driver in Airflow does not take.
        guard let parts = URLComponents(string: try PostgresURL(url).text),
            parts.scheme?.hasPrefix("postgres") == true
        else {
            throw UnusableSource("the URL of “\(source)” is not postgresql://…")
        }
        let host = parts.host.map { $0.hasPrefix("[") ? String($0.dropFirst().dropLast()) : $0 } ?? "localhost"
        let database = String(parts.path.drop { $0 == "/" })
        self.init(
            type: "postgres",
            host: host,
            port: parts.port ?? 5432,
            login: parts.user,
            schema: database,
            extra: JSONObject((parts.queryItems ?? []).map { ($0.name, .string($0.value ?? "")) }),
            password: parts.password,
            address: "postgresql://\(host):\(parts.port ?? 5432)/\(database)"
        )
    }

    /// The connection that a mapping names, by the URL of `bailey.yaml`: of a PostgreSQL, or of an HTTP server.
    ///
    /// - Throws: `UnusableSource` if it cannot be taken apart, or `PostgresError`.
    public init(named name: String, url: String) throws {
        guard url.hasPrefix("http") else {
            try self.init(postgres: url, source: name)
            return
        }
        guard let parts = URLComponents(string: url), let scheme = parts.scheme, let host = parts.host, !host.isEmpty
        else { throw UnusableSource("the URL of “\(name)” is not \(url.prefix { $0 != ":" })://host:port") }
        let path = String(parts.path.reversed().drop { $0 == "/" }.reversed())
        let place = host + (parts.port.map { ":\($0)" } ?? "")
        self.init(
            type: "http",
            // Where there is a path, Airflow's host is the whole URL.
            host: path.isEmpty ? host : "\(scheme)://\(place)\(path)",
            port: path.isEmpty ? parts.port : nil,
            login: parts.user,
            schema: path.isEmpty ? scheme : nil,
            password: parts.password,
            address: "\(scheme)://\(place)\(path)"
        )
    }

    /// Makes one.
    public init(
        type: String,
        host: String?,
        port: Int?,
        login: String?,
        schema: String?,
        extra: JSONObject = [:],
        password: String?,
        address: String
    ) {
        self.type = type
        self.host = host
        self.port = port
        self.login = login
        self.schema = schema
        self.extra = extra.isEmpty ? nil : .object(extra)
        self.password = password
        self.address = address
    }
}
