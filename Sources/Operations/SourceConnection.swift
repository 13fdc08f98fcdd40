package import Airflow
import Foundation
import LosslessJSON
import Redis
package import Settings

/// The Airflow connection that leads to a source, made from the source's URL.
package struct SourceConnection {
    package let connection: AirflowConnection
    /// Never printed.
    package let password: String?
    /// Where it leads, without credentials.
    package let address: String

    /// The connection of a source.
    ///
    /// - Throws: `OperationFailure` if its URL has a form that an Airflow connection cannot hold.
    package init(id: String, source: SourceSettings, url: String) throws {
        let note = "The source “\(source.name)” of Bailey."
        switch source.kind {
        case .redbeat:
            let redis = try RedisURL(url)
            guard case .host(let host, let port) = redis.place else {
                throw OperationFailure(.usage, "\(redis.address) is a socket; make the connection \(id) by hand")
            }
            var extra: JSONObject = [:]
            if redis.tls {
                if let authorities = redis.authorities { extra["ssl_ca_certs"] = .string(authorities) }
                if !redis.verifies { extra["ssl_cert_reqs"] = "none" }
            }
            connection = AirflowConnection(
                id: id,
                type: redis.tls ? "rediss" : "redis",
                host: host,
                port: port,
                login: redis.user,
                schema: "\(redis.database)",
                extra: extra.isEmpty ? nil : .object(extra),
                note: note
            )
            password = redis.password
            address = redis.address
        case .queue:
            // Only a URL can be taken apart; libpq alone understands its other form.
            guard let parts = URLComponents(string: url), parts.scheme?.hasPrefix("postgres") == true else {
                throw OperationFailure(
                    .usage,
                    "the URL of “\(source.name)” is not postgresql://…; make the connection \(id) by hand"
                )
            }
            let extra = JSONObject((parts.queryItems ?? []).map { ($0.name, .string($0.value ?? "")) })
            let host = parts.host.map { $0.hasPrefix("[") ? String($0.dropFirst().dropLast()) : $0 }
            let database = String(parts.path.drop { $0 == "/" })
            connection = AirflowConnection(
                id: id,
                type: "postgres",
                host: host ?? "localhost",
                port: parts.port ?? 5432,
                login: parts.user,
                schema: database,
                extra: extra.isEmpty ? nil : .object(extra),
                note: note
            )
            password = parts.password
            address = "postgresql://\(host ?? "localhost"):\(parts.port ?? 5432)/\(database)"
        }
    }
}
