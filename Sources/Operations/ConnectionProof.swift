import Airflow
import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Settings

/// Whether a connection that Airflow has leads to the very place that Bailey knows, as far as that can be seen from here. Its password cannot
/// be read from Airflow: the place is asked with the source's own.
struct ConnectionProof {
    let workspace: Workspace

    /// What is wrong with a connection, or could not be seen; nil where it leads to the same place.
    func finding(_ there: AirflowConnection) async throws -> Finding? {
        guard let expected = try? workspace.sourceConnection(there.id) else { return nil }
        let wanted = expected.connection
        guard family(there.type) == family(wanted.type) else {
            return Finding(
                .connectionElsewhere,
                text:
                    "The connection “\(there.id)” is of type \(there.type), and the source's place is of type \(wanted.type) (\(expected.address)). Change it in Airflow."
            )
        }
        if leadsAlike(there, wanted) { return nil }
        let shown = "\(there.host ?? "localhost"):\(port(there))/\(database(there))"
        let differs =
            "The connection “\(there.id)” leads to \(shown), and \(workspace.settings.file) says \(expected.address)."
        guard family(there.type) == "redis", let role = role(there.id), let own = try? RedisURL(url(role)) else {
            return Finding(
                .connectionUnseen,
                text: "\(differs) Whether both are one place cannot be seen from here: compare them by hand."
            )
        }
        if database(there) != database(wanted) {
            return Finding(
                .connectionElsewhere,
                text:
                    "\(differs) These are two databases: its tasks would see none of what Bailey writes. Change it in Airflow."
            )
        }
        var other = own
        other.place = .host(there.host ?? "localhost", port: port(there))
        do {
            let (mine, theirs) = (try await identity(own), try await identity(other))
            if mine == theirs { return nil }
            return Finding(
                .connectionElsewhere,
                text:
                    "\(differs) These are two servers (their run ids differ): its tasks would see none of what Bailey writes. Change it in Airflow."
            )
        } catch let error as CancellationError {
            throw error
        } catch {
            return Finding(
                .connectionUnseen,
                text:
                    "\(differs) From here \(shown) gives no answer, so that nobody knows whether both are one; the policy's rule “deployed” holds only once the gate has asked at \(expected.address)."
            )
        }
    }

    /// Whether two connections of one type lead to one place, as they are written.
    func leadsAlike(_ there: AirflowConnection, _ wanted: AirflowConnection) -> Bool {
        host(there.host) == host(wanted.host) && port(there) == port(wanted) && database(there) == database(wanted)
    }

    /// What tells a Redis server from every other.
    private func identity(_ url: RedisURL) async throws -> String {
        let info = try await RedisConnection.use(url) { redis in
            try await redis.send(RedisCommand("INFO", raw: [Array("server".utf8)])).bytes ?? []
        }
        let lines = String(decoding: info, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let line = lines.first(where: { $0.hasPrefix("run_id:") }) else {
            throw OperationFailure(.unreachable, "\(url.address) does not tell its run id")
        }
        return String(line.dropFirst("run_id:".count))
    }

    private func role(_ id: String) -> (SourceSettings, ConnectionRole)? {
        for source in workspace.settings.sources {
            let own = DAGFile.connectionID(source.name)
            if id == own { return (source, .source) }
            guard id.hasPrefix(own + "_"), let role = ConnectionRole(rawValue: String(id.dropFirst(own.count + 1)))
            else { continue }
            return (source, role)
        }
        return nil
    }

    private func url(_ found: (SourceSettings, ConnectionRole)) -> String {
        let (source, role) = found
        switch role {
        case .source, .schedule: return source.url
        case .broker: return source.brokerURL ?? source.url
        case .results: return source.resultsURL ?? source.brokerURL ?? source.url
        }
    }

    private func family(_ type: String) -> String {
        switch type {
        case "redis", "rediss": "redis"
        case "amqp", "amqps", "pyamqp", "rabbitmq": "amqp"
        default: type
        }
    }

    private func host(_ name: String?) -> String {
        let name = (name ?? "").lowercased()
        return ["", "localhost", "::1"].contains(name) ? "127.0.0.1" : name
    }

    private func port(_ connection: AirflowConnection) -> Int {
        switch family(connection.type) {
        case "redis": connection.port ?? 6379
        case "amqp": connection.port ?? (connection.type == "amqps" ? 5671 : 5672)
        default: connection.port ?? 5432
        }
    }

    private func database(_ connection: AirflowConnection) -> String {
        let name = connection.schema ?? ""
        switch family(connection.type) {
        case "redis": return name.isEmpty ? connection.extra?["db"].map { $0.string ?? $0.text() } ?? "0" : name
        case "amqp": return name.isEmpty ? "/" : name
        default: return name
        }
    }
}
