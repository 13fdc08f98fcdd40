import CLibpq

extension PostgresConnection {
    /// Runs `COPY … TO STDOUT` and gives the data in pieces of whole rows.
    ///
    /// - Throws: `PostgresError`, or what the body throws; the copy is cancelled then.
    public func copyOut(_ sql: String, _ body: @Sendable ([UInt8]) async throws -> Void) async throws {
        let cancellation = cancellation
        let statement = cancellation.open()
        defer { cancellation.end(statement) }
        cancellation.begin(statement)
        try await withTaskCancellationHandler {
            try await copy(sql, statement, body)
        } onCancel: {
            cancellation.fire(statement)
        }
    }

    private func copy(_ sql: String, _ statement: Int, _ body: @Sendable ([UInt8]) async throws -> Void) async throws {
        let operation = PostgresConnection.operation(sql)
        guard let result = PQexec(connection, sql) else { throw failure(operation) }
        let status = PQresultStatus(result)
        guard status == PGRES_COPY_OUT else {
            defer { PQclear(result) }
            try check(result, operation: operation)
            throw failure(operation)
        }
        PQclear(result)
        do {
            var piece: [UInt8] = []
            while let row = copiedRow() {
                piece += row
                if piece.count >= 64 * 1024 {
                    try Task.checkCancellation()
                    try await body(piece)
                    piece = []
                }
            }
            if !piece.isEmpty { try await body(piece) }
        } catch {
            cancellation.fire(statement)
            // Until the data are read to their end, there is no result but “copying”.
            while copiedRow() != nil {}
            drain()
            throw error
        }
        var failure: PostgresError?
        while let end = PQgetResult(connection) {
            defer { PQclear(end) }
            do throws(PostgresError) { try check(end, operation: operation) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func copiedRow() -> [UInt8]? {
        var buffer: UnsafeMutablePointer<CChar>?
        let count = PQgetCopyData(connection, &buffer, 0)
        guard count > 0, let buffer else { return nil }
        defer { PQfreemem(buffer) }
        return Array(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
    }
}
