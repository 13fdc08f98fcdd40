import CLibpq
import Foundation

/// One connection to a PostgreSQL server. Statements run one after another; a cancelled task cancels its statement on the server.
public actor PostgresConnection {
    /// The address without credentials.
    public nonisolated let address: String
    private nonisolated let executor = QueueExecutor()
    let cancellation: PostgresCancellation
    /// Seconds each statement may take, which the server sees to.
    let statementTimeout: Double
    /// Why the connection was given up; nil while it is of use.
    var abandoned: PostgresError?
    nonisolated(unsafe) let connection: OpaquePointer  // safe: the actor's alone, and deinit's

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Connects.
    ///
    /// - Parameters:
    ///   - timezone: the session's time zone, because a column without a zone is read in it; nil for what the server gives the user, which
    ///     `timezone()` tells.
    ///   - readOnly: whether the server refuses every write of this session; if not, the server's own setting decides.
    ///   - statementTimeout: seconds each statement may take.
    /// - Throws: `PostgresError` with the code `unreachable`, `authentication`, `timeout`, `cancelled` or `server`.
    public init(
        to url: PostgresURL,
        timezone: String? = "UTC",
        readOnly: Bool = true,
        statementTimeout: Double = 60
    ) async throws(PostgresError) {
        let opened = try await PostgresConnection.open(
            url,
            timezone: timezone,
            readOnly: readOnly,
            statementTimeout: statementTimeout
        )
        self.statementTimeout = statementTimeout
        address = url.address
        connection = opened.pointer
        cancellation = PostgresCancellation(opened.pointer)
    }

    deinit { PQfinish(connection) }

    /// Runs one statement and gives all its rows: for results known to be small.
    ///
    /// - Throws: `PostgresError`.
    public nonisolated func query(_ sql: String, _ values: [PostgresValue] = []) async throws(PostgresError)
        -> [PostgresRow]
    {
        try await cancellable("a statement") { connection, statement throws(PostgresError) in
            try await connection.run(sql, values, statement)
        }
    }

    /// Runs a script of several statements, all or none; their rows are dropped.
    ///
    /// - Parameter script: holds no value of anybody's that is not quoted, and no `BEGIN`.
    /// - Throws: `PostgresError`; nothing was changed then.
    public nonisolated func execute(script: String) async throws(PostgresError) {
        try await cancellable("a script") { connection, statement throws(PostgresError) in
            try await connection.runScript(script, statement)
        }
    }

    /// Runs a statement and gives its rows in batches as they arrive: memory does not grow with their number.
    ///
    /// - Throws: `PostgresError`, or what the body throws; the statement is cancelled then.
    public func stream(
        _ sql: String,
        _ values: [PostgresValue] = [],
        batch: Int = 500,
        _ body: @Sendable ([PostgresRow]) async throws -> Void
    ) async throws {
        let cancellation = cancellation
        let operation = PostgresConnection.operation(sql)
        let statement = cancellation.open()
        defer { finish(statement, operation) }
        cancellation.begin(statement)
        try send(sql, values, operation: operation)
        guard PQsetSingleRowMode(connection) == 1 else { throw failure(operation) }
        try await withTaskCancellationHandler {
            var rows: [PostgresRow] = []
            var columns: [String] = []
            do {
                while let result = try nextResult(statement, operation) {
                    defer { PQclear(result) }
                    try check(result, operation: operation)
                    // One result per row, all with the same columns.
                    if columns.isEmpty { columns = PostgresConnection.columns(of: result) }
                    append(result, columns, to: &rows)
                    if rows.count >= batch {
                        try await body(rows)
                        rows = []
                    }
                }
                if !rows.isEmpty { try await body(rows) }
            } catch {
                cancellation.fire(statement)
                if abandoned == nil { drain(statement, operation) }
                throw error
            }
        } onCancel: {
            cancellation.fire(statement, patience: PostgresConnection.cancelPatience)
        }
    }

    /// Runs statements in one transaction; rolls back if the body throws.
    ///
    /// - Throws: `PostgresError`, or what the body throws.
    public nonisolated func transaction<Value: Sendable>(
        _ options: String = "",
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        _ = try await query("BEGIN \(options)")
        do {
            let value = try await body(self)
            _ = try await query("COMMIT")
            return value
        } catch {
            // In a task of its own: that of the caller may be cancelled, and would cancel this too.
            await Task { _ = try? await self.query("ROLLBACK") }.value
            throw error
        }
    }

    /// The notifications that come within a time, after `LISTEN`: channel and payload.
    ///
    /// - Throws: `PostgresError` with the code `closed`.
    public func notifications(waitingMilliseconds: Int32) throws(PostgresError) -> [(channel: String, payload: String)]
    {
        var descriptor = pollDescriptor(PQsocket(connection))
        if waitingMilliseconds > 0 { _ = poll(&descriptor, 1, waitingMilliseconds) }
        guard PQconsumeInput(connection) == 1 else { throw failure("waiting for notifications") }
        var found: [(String, String)] = []
        while let notice = PQnotifies(connection) {
            found.append((String(cString: notice.pointee.relname), String(cString: notice.pointee.extra)))
            PQfreemem(notice)
        }
        return found
    }

    /// The session's time zone, which is set explicitly from now on.
    ///
    /// - Throws: `PostgresError`.
    public nonisolated func timezone() async throws(PostgresError) -> String {
        let rows = try await query("SELECT set_config('timezone', current_setting('timezone'), false) AS zone")
        return rows.first?["zone"] ?? "UTC"
    }

    /// The server's version, such as `15.18`.
    ///
    /// - Parameter oldest: the oldest major version that will do.
    /// - Throws: `PostgresError`; `server` for an older one.
    public nonisolated func serverVersion(atLeast oldest: Int) async throws(PostgresError) -> String {
        let version = try await query("SHOW server_version").first?["server_version"] ?? "of unknown version"
        if let major = Int(version.prefix { $0.isNumber }), major < oldest {
            throw PostgresError(
                .server,
                address: address,
                operation: "SHOW server_version",
                found: "it is PostgreSQL \(version)",
                advice: "Bailey needs PostgreSQL \(oldest) or later"
            )
        }
        return version
    }

    /// An identifier, quoted.
    public static func identifier(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    /// A text as a literal, whatever `standard_conforming_strings` says.
    public static func literal(_ text: String) -> String {
        let quoted = text.replacing("'", with: "''")
        return text.contains("\\") ? "E'" + quoted.replacing("\\", with: "\\\\") + "'" : "'" + quoted + "'"
    }

    // MARK: One statement

    /// The most rows and bytes that an answer which is kept whole may have.
    private static let (mostRows, mostBytes) = (1_000_000, 512 * 1024 * 1024)

    private func tooMuch(_ operation: String) -> PostgresError {
        PostgresError(
            .tooMuch,
            address: address,
            operation: operation,
            found:
                "the answer has more than \(PostgresConnection.mostRows) rows or \(PostgresConnection.mostBytes >> 20) MB, which no table that"
                + " Bailey reads should give",
            advice: "See what the table of the profile is, and whether something else answers in the server's place"
        )
    }

    private nonisolated func cancellable<Value: Sendable>(
        _ what: String,
        _ body: (PostgresConnection, Int) async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let cancellation = cancellation
        let statement = cancellation.open()
        defer { cancellation.close(statement) }
        do {
            return try await withTaskCancellationHandler {
                try await body(self, statement)
            } onCancel: {
                cancellation.fire(statement, patience: PostgresConnection.cancelPatience)
            }
        } catch {
            throw error as? PostgresError
                ?? PostgresError(
                    .cancelled,
                    address: address,
                    operation: what,
                    found: "\(error)",
                    advice: "Run the command again"
                )
        }
    }

    private func run(_ sql: String, _ values: [PostgresValue], _ statement: Int) throws(PostgresError) -> [PostgresRow]
    {
        let operation = PostgresConnection.operation(sql)
        cancellation.begin(statement)
        defer { finish(statement, operation) }
        try send(sql, values, operation: operation)
        // Row by row, so that what is too much is known before it is all here.
        guard PQsetSingleRowMode(connection) == 1 else { throw failure(operation) }
        var rows: [PostgresRow] = []
        var columns: [String] = []
        var bytes = 0
        var failure: PostgresError?
        while let result = try nextResult(statement, operation) {
            defer { PQclear(result) }
            do throws(PostgresError) { try check(result, operation: operation) } catch { failure = failure ?? error }
            if failure != nil { continue }
            if columns.isEmpty { columns = PostgresConnection.columns(of: result) }
            append(result, columns, to: &rows)
            bytes += PQresultMemorySize(result)
            if rows.count > PostgresConnection.mostRows || bytes > PostgresConnection.mostBytes {
                rows = []
                failure = tooMuch(operation)
                cancellation.fire(statement)
            }
        }
        if let failure { throw failure }
        return rows
    }

    private func runScript(_ script: String, _ statement: Int) throws(PostgresError) {
        let operation = PostgresConnection.operation(script)
        cancellation.begin(statement)
        defer { finish(statement, operation) }
        if let abandoned { throw abandoned }
        // One message is one transaction.
        guard PQsendQuery(connection, script) == 1 else { throw failure(operation) }
        var failure: PostgresError?
        while let result = try nextResult(statement, operation) {
            defer { PQclear(result) }
            do throws(PostgresError) { try check(result, operation: operation) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func send(_ sql: String, _ values: [PostgresValue], operation: String) throws(PostgresError) {
        if let abandoned { throw abandoned }
        let texts = values.map(\.wire)
        let sent = withCStrings(texts) { pointers in
            PQsendQueryParams(connection, sql, Int32(values.count), nil, pointers, nil, nil, 0)
        }
        guard sent == 1 else { throw failure(operation) }
    }

    func check(_ result: OpaquePointer, operation: String) throws(PostgresError) {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE, PGRES_EMPTY_QUERY: return
        default:
            let state = PQresultErrorField(result, 67).map { String(cString: $0) } ?? ""
            let message = PQresultErrorField(result, 77).map { String(cString: $0) } ?? "no message"
            if state.isEmpty { throw failure(operation) }
            throw .answered(address: address, operation: operation, message: message, state: state)
        }
    }

    private static func columns(of result: OpaquePointer) -> [String] {
        (0..<PQnfields(result)).map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
    }

    private func append(_ result: OpaquePointer, _ columns: [String], to rows: inout [PostgresRow]) {
        for row in 0..<PQntuples(result) {
            let cells = (0..<Int32(columns.count)).map { column -> String? in
                guard PQgetisnull(result, row, column) == 0, let start = PQgetvalue(result, row, column) else {
                    return nil
                }
                return String(
                    decoding: UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, row, column))),
                    as: UTF8.self
                )
            }
            rows.append(PostgresRow(columns: columns, cells: cells, address: address))
        }
    }

    func failure(_ operation: String) -> PostgresError {
        PostgresError(
            .closed,
            address: address,
            operation: operation,
            found: PostgresConnection.message(connection),
            advice: "See whether the server still runs, then run the command again"
        )
    }

    /// The first words of a statement, for errors; never its values.
    static func operation(_ sql: String) -> String {
        let words = sql.split(whereSeparator: \.isWhitespace).prefix(4).joined(separator: " ")
        return "“\(words)…”"
    }
}
