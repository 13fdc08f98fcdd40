public import Foundation

/// A real redis-server in a folder of its own.
public final class RedisServer: Sendable {
    /// Its folder.
    public let folder: URL
    /// Its port on the loopback interface; with TLS the TLS port.
    public let port: Int
    private let password: String?
    private let tls: Bool

    private let options: [String]

    init(folder: URL, password: String?, tls: Bool, options: [String]) {
        self.options = options
        self.folder = folder
        self.password = password
        self.tls = tls
        port = freePort()
    }

    /// Its URL, with the password.
    public var url: String { "\(tls ? "rediss" : "redis")://\(password.map { ":\($0)@" } ?? "")127.0.0.1:\(port)/0" }
    /// Its unix socket.
    public var socket: String { folder.path + "/s" }

    /// Starts it and waits until it answers.
    public func start() async throws {
        var words = ["redis-server"]
        // A sentinel writes down what it finds out, and does not start where it cannot.
        if options.contains("--sentinel") {
            let file = folder.path + "/sentinel.conf"
            try Data().write(to: URL(fileURLWithPath: file))
            words.append(file)
        }
        words += [
            "--daemonize", "yes", "--save", "", "--appendonly", "yes", "--dir", folder.path,
            "--unixsocket", socket, "--pidfile", folder.path + "/pid", "--bind", "127.0.0.1",
        ]
        if tls {
            let key = folder.path + "/key.pem"
            let certificate = folder.path + "/ca.pem"
            try run(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1,DNS:localhost",
                "-keyout",
                key,
                "-out",
                certificate
            )
            words += ["--port", "0", "--tls-port", "\(port)", "--tls-key-file", key, "--tls-cert-file", certificate]
            words += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"]
        } else {
            words += ["--port", "\(port)"]
        }
        if let password { words += ["--requirepass", password] }
        words += options
        // Its own default is its port and 10000, which may be no port.
        if options.contains("--cluster-enabled") { words += ["--cluster-port", "\(freePort())"] }
        _ = try Running(words).ended()
        try await waitUntil("redis-server answers") { try cli("PING").contains("PONG") }
    }

    /// Its process id.
    public var pid: Int32? {
        (try? String(contentsOfFile: folder.path + "/pid", encoding: .utf8)).flatMap {
            Int32($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }

    /// Runs a command by redis-cli.
    @discardableResult
    public func cli(_ words: String..., input: URL? = nil) throws -> String {
        var environment = ProcessInfo.processInfo.environment
        environment["REDISCLI_AUTH"] = password
        return try Running(["redis-cli", "-s", socket] + words, environment: environment, input: input).ended().output
    }

    /// Stores a result of Celery's in a database and publishes it, as a worker does.
    public func endTask(_ id: String, _ record: String, beginning: String = "", database: Int = 0) throws {
        for command in ["SET", "PUBLISH"] {
            try cli("-n", "\(database)", command, "\(beginning)celery-task-meta-\(id)", record)
        }
    }

    /// Loads a file of commands.
    public func load(_ file: URL) throws { try cli(input: file) }

    /// Ends it at once.
    public func stop() async throws {
        guard let pid else { return }
        kill(pid, SIGKILL)
        try await waitUntil("redis-server has ended") { kill(pid, 0) != 0 }
    }
}

/// A Redis for the time of the body.
public func withRedis<Value>(
    password: String? = nil,
    tls: Bool = false,
    options: [String] = [],
    _ body: (RedisServer) async throws -> Value
) async throws -> Value {
    try await withFolder { folder in
        let server = RedisServer(folder: folder, password: password, tls: tls, options: options)
        try await server.start()
        do {
            let value = try await body(server)
            try await server.stop()
            return value
        } catch {
            try? await server.stop()
            throw error
        }
    }
}
