import CLibpq
import Foundation

/// How a connection is opened: libpq waits for the server, so it does that on a thread of its own.
extension PostgresConnection {
    struct Opened: @unchecked Sendable {  // safe: handed from the opening thread to the actor, never shared
        var pointer: OpaquePointer
    }

    static func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let executor = QueueExecutor()
        return try await Hop(executor: executor).run(body)
    }

    private actor Hop {
        private nonisolated let executor: QueueExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        init(executor: QueueExecutor) { self.executor = executor }
        func run<Value: Sendable>(_ body: @Sendable () throws -> Value) throws -> Value { try body() }
    }

    static func open(_ url: PostgresURL, timezone: String?, readOnly: Bool, statementTimeout: Double) throws
        -> Opened
    {
        // Settings given apart from the URL win over nothing in it: libpq takes the last of equal keys.
        let options =
            (timezone.map { "-c timezone=\($0) " } ?? "")
            + "-c datestyle=ISO" + (readOnly ? " -c default_transaction_read_only=on" : "")
            + " -c statement_timeout=\(Int(statementTimeout * 1000)) -c client_encoding=UTF8"
        let keys: [String?] = ["dbname", "options", "application_name", "connect_timeout", nil]
        let values: [String?] = [url.text, options, "bailey", "10", nil]
        let pointer = withCStrings(keys) { keyPointers in
            withCStrings(values) { valuePointers in PQconnectdbParams(keyPointers, valuePointers, 1) }
        }
        guard let pointer else {
            throw PostgresError(
                .unreachable,
                address: url.address,
                operation: "connecting",
                found: "out of memory",
                advice: "Run the command again"
            )
        }
        PQsetNoticeProcessor(pointer, { _, _ in }, nil)
        guard PQstatus(pointer) == CONNECTION_OK else {
            let message = message(pointer)
            let wrongLogin =
                PQconnectionNeedsPassword(pointer) == 1 || message.contains("authentication failed")
                || message.contains("does not exist")
            PQfinish(pointer)
            throw PostgresError(
                wrongLogin ? .authentication : .unreachable,
                address: url.address,
                operation: "connecting",
                found: message,
                advice: wrongLogin
                    ? "Check the user, password and database in the URL's environment variable"
                    : "See whether PostgreSQL runs there and the address in bailey.yaml is right"
            )
        }
        return Opened(pointer: pointer)
    }

    static func message(_ connection: OpaquePointer) -> String {
        let text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        return text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}
