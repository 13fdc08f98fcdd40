import CLibpq

extension PostgresConnection {
    /// Runs `COPY … TO STDOUT` and gives the data in pieces of whole rows.
    ///
    /// - Throws: `PostgresError`, or what the body throws; the copy is cancelled then.
    public func copyOut(_ sql: String, _ body: @Sendable ([UInt8]) async throws -> Void) async throws {
        let cancellation = cancellation
        let operation = PostgresConnection.operation(sql)
        let statement = cancellation.open()
        defer { finish(statement, operation) }
        cancellation.begin(statement)
        try await withTaskCancellationHandler {
            try await copy(sql, operation, statement, body)
        } onCancel: {
            cancellation.fire(statement, patience: PostgresConnection.cancelPatience)
        }
    }

    private func copy(
        _ sql: String,
        _ operation: String,
        _ statement: Int,
        _ body: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        if let abandoned { throw abandoned }
        guard PQsendQuery(connection, sql) == 1 else { throw failure(operation) }
        guard let result = try nextResult(statement, operation) else { throw failure(operation) }
        let isCopy = PQresultStatus(result) == PGRES_COPY_OUT
        do {
            defer { PQclear(result) }
            if !isCopy { try check(result, operation: operation) }
        } catch {
            drain(statement, operation)
            throw error
        }
        guard isCopy else {
            drain(statement, operation)
            throw failure(operation)
        }
        do {
            var piece: [UInt8] = []
            while let row = try nextCopiedRow(statement, operation) {
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
            if abandoned == nil { drain(statement, operation) }
            throw error
        }
        var failure: PostgresError?
        while let end = try nextResult(statement, operation) {
            defer { PQclear(end) }
            do throws(PostgresError) { try check(end, operation: operation) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
