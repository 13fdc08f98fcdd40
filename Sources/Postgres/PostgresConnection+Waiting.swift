import CLibpq
import Foundation

/// How a session waits for its server: not longer than it may, and not at all once nobody wants the answer. libpq's own waiting has no
/// limit, so nothing of it is called before the socket has what it needs.
extension PostgresConnection {
    /// The seconds that a server has to do what it was told to stop.
    static let cancelPatience = 2.0
    /// The seconds without a word from a server, beyond those that a statement may take, after which it is taken for stalled.
    private static let margin = 5.0

    /// The next result of the statement under way; nil when there is none left.
    ///
    /// - Throws: `PostgresError` with the code `timeout`, `cancelled` or `closed`; the connection is of no use then.
    func nextResult(_ statement: Int, _ operation: String) throws(PostgresError) -> OpaquePointer? {
        try flush(statement, operation)
        while PQisBusy(connection) == 1 { try receive(statement, operation) }
        return PQgetResult(connection)
    }

    /// The next row of a copy; nil at its end.
    ///
    /// - Throws: as `nextResult`.
    func nextCopiedRow(_ statement: Int, _ operation: String) throws(PostgresError) -> [UInt8]? {
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(connection, &buffer, 1)
            if count > 0, let buffer {
                defer { PQfreemem(buffer) }
                return Array(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
            }
            guard count == 0 else { return nil }
            try receive(statement, operation)
        }
    }

    /// Puts the next row of a copy behind others; false at its end.
    ///
    /// - Throws: as `nextResult`.
    func appendCopiedRow(_ statement: Int, _ operation: String, to block: inout [UInt8]) throws(PostgresError) -> Bool {
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(connection, &buffer, 1)
            if count > 0, let buffer {
                defer { PQfreemem(buffer) }
                block.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: Int(count)))
                return true
            }
            guard count == 0 else { return false }
            try receive(statement, operation)
        }
    }

    /// Reads to the end of what a statement that was told to stop still gives.
    func drain(_ statement: Int, _ operation: String) {
        do throws(PostgresError) {
            while let result = try nextResult(statement, operation) {
                let isCopy = PQresultStatus(result) == PGRES_COPY_OUT
                PQclear(result)
                // Until the data are read to their end, there is no result but “copying”.
                if isCopy { while try nextCopiedRow(statement, operation) != nil {} }
            }
        } catch {
            // What is wrong with the connection, its next statement tells.
        }
    }

    /// Ends a statement. A request to cancel it that is still on its way ends the connection too: it could reach the next statement.
    func finish(_ statement: Int, _ operation: String) {
        if !cancellation.end(statement) {
            _ = abandon(cancelled(operation, "the server does not answer the request to cancel it"))
        }
    }

    private func flush(_ statement: Int, _ operation: String) throws(PostgresError) {
        while true {
            switch PQflush(connection) {
            case 0: return
            // While it sends, the server may want to be read first.
            case 1: try wait(statement, operation, POLLIN | POLLOUT)
            default: throw failure(operation)
            }
            guard PQconsumeInput(connection) == 1 else { throw failure(operation) }
        }
    }

    private func receive(_ statement: Int, _ operation: String) throws(PostgresError) {
        try wait(statement, operation, POLLIN)
        guard PQconsumeInput(connection) == 1 else { throw failure(operation) }
    }

    /// Waits until the socket is ready.
    private func wait(_ statement: Int, _ operation: String, _ events: Int32) throws(PostgresError) {
        let silence = statementTimeout + PostgresConnection.margin
        let limit = ContinuousClock.now + .seconds(silence)
        while true {
            var descriptor = pollfd(fd: PQsocket(connection), events: Int16(events), revents: 0)
            if poll(&descriptor, 1, 50) != 0 { return }
            let now = ContinuousClock.now
            if let patience = cancellation.patience(statement), now >= patience {
                throw abandon(cancelled(operation, "it was told to end, and the server did not answer to that"))
            }
            guard now < limit else {
                cancellation.fire(statement)
                throw abandon(
                    PostgresError(
                        .timeout,
                        address: address,
                        operation: operation,
                        found:
                            "the server has said nothing for \(Int(silence)) s, although its limit for a statement is"
                            + " \(Int(statementTimeout)) s",
                        advice:
                            "See whether the server, a proxy or the network in between has stalled, then run the command again"
                    )
                )
            }
        }
    }

    private func cancelled(_ operation: String, _ found: String) -> PostgresError {
        PostgresError(
            .cancelled,
            address: address,
            operation: operation,
            found: found,
            advice: "Run the command again"
        )
    }

    /// Gives the connection up: what still comes would answer the wrong statement. The server ends the session, and its transaction with it.
    private func abandon(_ error: PostgresError) -> PostgresError {
        if abandoned == nil {
            abandoned = error
            shutdown(PQsocket(connection), Int32(SHUT_RDWR))
        }
        return error
    }
}
