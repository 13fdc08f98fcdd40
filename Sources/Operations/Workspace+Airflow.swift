package import Airflow
import Foundation
import Legacy
import LosslessJSON
import Migration
import Settings

/// The way to the workspace's Airflow.
extension Workspace {
    /// Where the Airflow is and who asks it; nil if `bailey.yaml` names none.
    ///
    /// - Throws: `AirflowError` if what it says cannot be used.
    package func airflowAccess() throws(AirflowError) -> AirflowAccess? {
        let settings = self.settings.airflow
        guard let url = settings.url else { return nil }
        return try AirflowAccess(
            url: url,
            user: settings.user,
            password: settings.password,
            authorities: settings.authorities.map(absolute),
            certificate: settings.certificate.map(absolute),
            key: settings.key.map(absolute)
        )
    }

    /// Connects to the Airflow, and hands the client to a body.
    ///
    /// - Parameter purpose: what needs it, for the message if `bailey.yaml` names none.
    package func withAirflow<Value>(_ purpose: String, _ body: (AirflowClient) async throws -> Value) async throws
        -> Value
    {
        guard let access = try airflowAccess() else {
            throw OperationFailure(
                .usage,
                "\(purpose) needs target.airflow.url (and user and password) in \(settings.file)"
            )
        }
        return try await AirflowClient.with(access, now: surroundings.now, sleep: surroundings.sleep, body)
    }
}

extension Workspace {
    /// How files reach the DAG processor.
    package var delivery: DAGDelivery {
        switch settings.airflow.deploy {
        case .folder(let path)?: .folder(absolute(path))
        case .git(let repository, let branch, let folder, let variables)?:
            .git(
                // A path is relative to the settings; a URL and `host:path` are git's own.
                repository: repository.contains(":") ? repository : absolute(repository),
                branch: branch,
                folder: folder,
                variables: variables
            )
        case .command(let words, let variables)?: .command(words, directory: folder, variables: variables)
        case nil: .folder(absolute(settings.airflow.dagsFolder))
        }
    }

    /// A connection as Airflow is to have it, its password, and where it leads without credentials.
    package typealias KnownConnection = (connection: AirflowConnection, password: String?, address: String)

    /// The connection that mappings name, made from its URL in the settings; nil where they do not say where it leads.
    ///
    /// - Throws: `OperationFailure` if the URL cannot be taken apart.
    package func namedConnection(_ id: String) throws -> KnownConnection? {
        guard let url = settings.connections[id] else { return nil }
        do {
            let note = "The connection “\(id)” of Bailey's settings."
            return known(id, try SourceConnection(named: id, url: url), note: note)
        } catch let error as UnusableSource {
            throw OperationFailure(.usage, "\(error); make the connection \(id) by hand")
        }
    }

    /// The connection of a source, by the id that generated files name.
    ///
    /// - Throws: `OperationFailure` if it has to be made by hand.
    package func sourceConnection(_ id: String) throws -> KnownConnection {
        if let known = channelConnection(id) { return known }
        for system in systems {
            let own = DAGFile.connectionID(system.name)
            guard id == own || id.hasPrefix(own + "_") else { continue }
            do {
                let role = ConnectionRole(rawValue: String(id.dropFirst(own.count + 1))) ?? .source
                let found = try system.connection(role)
                return known(id, found, note: "The source “\(system.name)” of Bailey.")
            } catch let error as UnusableSource {
                throw OperationFailure(.usage, "\(error); make the connection \(id) by hand")
            }
        }
        throw OperationFailure(.usage, "no source of \(settings.file) belongs to the connection \(id); make it by hand")
    }

    /// The connection of an alert channel, by the id that generated files name; nil if none has it. A webhook's URL is its password.
    private func channelConnection(_ id: String) -> KnownConnection? {
        guard let (name, channel) = settings.channels.first(where: { DAGFile.alertConnectionID($0.key) == id }) else {
            return nil
        }
        var connection = AirflowConnection(
            id: id,
            type: "http",
            host: nil,
            port: nil,
            login: nil,
            schema: nil,
            extra: nil,
            note: "The alert channel “\(name)” of Bailey's settings."
        )
        switch channel {
        case .webhook(let url):
            connection.host = URL(string: url)?.host()
            return (connection, url, "webhook at \(connection.host ?? "an address that is no URL")")
        case .email(let host, let port, let from, let to):
            (connection.type, connection.host, connection.port) = ("smtp", host, port)
            connection.extra = ["from": .string(from), "to": .array(to.map { .string($0) })]
            return (connection, nil, "mail relay \(host):\(port)")
        case .command: return nil
        }
    }

    private func known(_ id: String, _ found: SourceConnection, note: String) -> KnownConnection {
        (
            AirflowConnection(
                id: id,
                type: found.type,
                host: found.host,
                port: found.port,
                login: found.login,
                schema: found.schema,
                extra: found.extra,
                note: note
            ),
            found.password, found.address
        )
    }
}
