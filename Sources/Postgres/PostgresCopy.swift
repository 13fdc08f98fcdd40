import CLibpq

/// What a `COPY … TO STDOUT` gives, in blocks of whole lines. Blocks are asked for one after another; the connection is of no other use until the
/// last one came, and where it is given up before, it ends.
public struct PostgresCopy: Sendable {
    let connection: PostgresConnection
    let statement: Int
    let operation: String

    /// The next lines; nil at the end.
    ///
    /// - Throws: `PostgresError`.
    public func block() async throws(PostgresError) -> [UInt8]? {
        try await connection.copiedBlock(statement, operation)
    }
}

extension PostgresConnection {
    private static let blockSize = 256 * 1024

    /// Starts a copy out of the server.
    ///
    /// - Parameter sql: `COPY (…) TO STDOUT`; holds no value of anybody's that is not quoted.
    /// - Throws: `PostgresError`.
    public func copy(_ sql: String) throws(PostgresError) -> PostgresCopy {
        let operation = PostgresConnection.operation(sql)
        if let abandoned { throw abandoned }
        let statement = cancellation.open()
        cancellation.begin(statement)
        guard PQsendQuery(connection, sql) == 1 else { throw failure(operation) }
        if let result = try nextResult(statement, operation) {
            defer { PQclear(result) }
            if PQresultStatus(result) != PGRES_COPY_OUT {
                do throws(PostgresError) { try check(result, operation: operation) } catch {
                    drain(statement, operation)
                    finish(statement, operation)
                    throw error
                }
            }
        }
        return PostgresCopy(connection: self, statement: statement, operation: operation)
    }

    fileprivate func copiedBlock(_ statement: Int, _ operation: String) throws(PostgresError) -> [UInt8]? {
        var block: [UInt8] = []
        block.reserveCapacity(PostgresConnection.blockSize + 4096)
        while block.count < PostgresConnection.blockSize {
            guard try appendCopiedRow(statement, operation, to: &block) else { break }
        }
        if !block.isEmpty { return block }
        var error: PostgresError?
        while let result = try nextResult(statement, operation) {
            defer { PQclear(result) }
            do throws(PostgresError) { try check(result, operation: operation) } catch let found { error = found }
        }
        finish(statement, operation)
        if let error { throw error }
        return nil
    }
}
