import Foundation

/// A server that says what no real one does: for limits that only a broken or hostile server reaches.
public final class LyingServer: Sendable {
    /// What it does to everyone who connects.
    public enum Lie: String, Sendable {
        /// An HTTP answer whose body never ends, a byte at a time.
        case dripping
        /// A Redis whose SCAN goes on for ever.
        case endlessScan
        /// A Redis whose answers have no end.
        case endlessReply
        /// An Airflow whose lists never end.
        case endlessPages
    }

    /// Its port on the loopback interface.
    public let port = freePort()
    private let process: Running

    private static let program = """
        import socket, sys, threading, time, json
        lie, port = sys.argv[1], int(sys.argv[2])
        def http(connection, body, length):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n" % length)
            connection.sendall(body)
        def serve(connection):
            try:
                while data := connection.recv(65536):
                    if lie == "dripping":
                        http(connection, b"", 1000000)
                        while True:
                            connection.sendall(b" ")
                            time.sleep(0.2)
                    elif lie == "endlessPages":
                        path = data.split()[1]
                        if path.endswith(b"/version"):
                            body = json.dumps({"version": "3.3.2"}).encode()
                        else:
                            dags = [{"dag_id": "d%d" % n, "is_paused": False} for n in range(100)]
                            body = json.dumps({"dags": dags, "total_entries": 10**12}).encode()
                        http(connection, body, len(body))
                    elif lie == "endlessReply" and b"GET" in data:
                        connection.sendall(b"$999999999999\\r\\n")
                        while True:
                            connection.sendall(b"x" * 1000000)
                    else:
                        upper = data.upper()
                        for name in upper.split(b"\\r\\n"):
                            if name == b"SCAN":
                                connection.sendall(b"*2\\r\\n$1\\r\\n7\\r\\n*0\\r\\n")
                            elif name == b"DBSIZE":
                                connection.sendall(b":10\\r\\n")
                            elif name == b"PING":
                                connection.sendall(b"+PONG\\r\\n")
            except OSError:
                pass
        server = socket.create_server(("127.0.0.1", port))
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        """

    private init(_ lie: Lie) throws {
        process = try Running(["python3", "-c", LyingServer.program, lie.rawValue, "\(port)"])
    }

    /// Runs a body beside such a server.
    public static func with<Value>(_ lie: Lie, _ body: (LyingServer) async throws -> Value) async throws -> Value {
        let server = try LyingServer(lie)
        defer {
            server.process.signal(SIGKILL)
            _ = server.process.ended()
        }
        try await waitUntil("it listens") {
            try run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(server.port)").status == 0
        }
        return try await body(server)
    }
}
