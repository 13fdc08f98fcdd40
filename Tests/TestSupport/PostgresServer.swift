public import Foundation
import Synchronization

/// A real PostgreSQL cluster in a folder of its own; tests make databases in it.
public final class PostgresServer: Sendable {
    private let folder: URL
    /// Its port on the loopback interface.
    public let port: Int
    private let next = Mutex(0)

    private static let shared = Mutex<PostgresServer?>(nil)

    /// The cluster that all tests of a process share; it ends with the process.
    public static func running() throws -> PostgresServer {
        try shared.withLock { server in
            if let server { return server }
            let made = try PostgresServer()
            server = made
            atexit { PostgresServer.shared.withLock { $0?.stop() } }
            return made
        }
    }

    private init() throws {
        folder = URL(fileURLWithPath: "/tmp/bailey-pg-\(UUID().uuidString.prefix(8))")
        port = freePort()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // PostgreSQL refuses to run as root.
        if geteuid() == 0 { try check(TestSupport.run("chown", "postgres", folder.path)) }
        let data = folder.path + "/data"
        try check(server("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"))
        let settings = """
            port = \(port)
            listen_addresses = '127.0.0.1'
            unix_socket_directories = '\(folder.path)'
            fsync = off
            timezone = 'UTC'

            """
        let access = """
            host all locked 127.0.0.1/32 scram-sha-256
            host all all 127.0.0.1/32 trust
            local all all trust

            """
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: data + "/postgresql.conf"))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(settings.utf8))
        try handle.close()
        try Data(access.utf8).write(to: URL(fileURLWithPath: data + "/pg_hba.conf"))
        try check(server("pg_ctl", "-D", data, "-w", "-l", folder.path + "/log", "start"))
    }

    /// The process id of the server that lets sessions in.
    public var pid: pid_t {
        let text = (try? String(contentsOfFile: folder.path + "/data/postmaster.pid", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first.flatMap { pid_t($0) } ?? 0
    }

    private func server(_ program: String, _ words: String...) throws -> Ended {
        let root = "/usr/lib/postgresql"
        let versions = try FileManager.default.contentsOfDirectory(atPath: root).sorted {
            $0.count < $1.count || $0 < $1
        }
        let path = "\(root)/\(versions.last ?? "")/bin/\(program)"
        let user = geteuid() == 0 ? ["runuser", "-u", "postgres", "--"] : []
        return try Running(user + [path] + words, in: folder).ended()
    }

    private func check(_ ended: Ended) throws {
        guard ended.status == 0 else { throw NotInTime(description: "PostgreSQL did not start: \(ended.errors)") }
    }

    /// Stops it, with all its connections, for the time of the body.
    public func stopped(_ body: () throws -> Void) throws {
        let data = folder.path + "/data"
        try check(server("pg_ctl", "-D", data, "-w", "-m", "fast", "stop"))
        defer { _ = try? server("pg_ctl", "-D", data, "-w", "-l", folder.path + "/log", "start") }
        try body()
    }

    /// Speaks TLS to sessions that begin from now on, with copies of these PEM files; without them no more.
    public func serveTLS(certificate: String?, key: String?) async throws {
        let superuser = "postgresql://postgres@127.0.0.1:\(port)/postgres"
        var settings = ["ssl": "off"]
        if let certificate, let key {
            // A key must belong to the server's user, and be nobody else's.
            let name = "\(UUID().uuidString.prefix(8))"
            for (kind, file, mode) in [("cert", certificate, "0644"), ("key", key, "0600")] {
                let copy = folder.path + "/\(name).\(kind)"
                let owner = geteuid() == 0 ? ["-o", "postgres"] : []
                try check(Running(["install", "-m", mode] + owner + [file, copy]).ended())
                settings["ssl_\(kind)_file"] = copy
            }
            settings["ssl"] = "on"
        }
        for (setting, value) in settings.sorted(by: { $0.key > $1.key }) {
            try psql(superuser, "ALTER SYSTEM SET \(setting) = '\(value)'")
        }
        try psql(superuser, "SELECT pg_reload_conf()")
        let wanted = settings["ssl_cert_file"] ?? ""
        try await waitUntil("PostgreSQL has read its settings") {
            let now = try psql(superuser, "SELECT current_setting('ssl') || current_setting('ssl_cert_file')")
            return now == "on" + wanted || (wanted.isEmpty && now.hasPrefix("off"))
        }
    }

    private func stop() {
        _ = try? server("pg_ctl", "-D", folder.path + "/data", "-m", "immediate", "stop")
        try? FileManager.default.removeItem(at: folder)
    }

    /// A new database's URL, as the superuser.
    public func database() throws -> String {
        let name = next.withLock { number in
            number += 1
            return "t\(number)"
        }
        try psql("postgresql://postgres@127.0.0.1:\(port)/postgres", "CREATE DATABASE \(name)")
        return "postgresql://postgres@127.0.0.1:\(port)/\(name)"
    }

    /// Runs SQL by psql.
    @discardableResult
    public func psql(_ url: String, _ sql: String) throws -> String {
        let ended = try TestSupport.run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql)
        guard ended.status == 0 else { throw NotInTime(description: ended.errors) }
        return ended.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Loads a file of SQL.
    public func load(_ file: URL, into url: String) throws {
        let ended = try TestSupport.run("psql", "-X", "-q", "-d", url, "-f", file.path)
        guard ended.status == 0 else { throw NotInTime(description: ended.errors) }
    }
}
