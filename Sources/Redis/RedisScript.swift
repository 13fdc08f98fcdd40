/// A Lua script that Redis executes atomically, sent once and then called by its digest.
public struct RedisScript: Sendable {
    private let source: String

    /// A script.
    public init(_ source: String) { self.source = source }

    /// Runs the script.
    ///
    /// The digest is asked of the server (`SCRIPT LOAD`), so that no second implementation of SHA-1 is needed; a server that forgot the
    /// script between the two (a restart) is answered by loading it again, once.
    /// - Throws: `RedisError`.
    public func run(on connection: RedisConnection, keys: [[UInt8]], arguments: [[UInt8]]) async throws(RedisError)
        -> RedisValue
    {
        do throws(RedisError) {
            return try await call(connection, keys, arguments)
        } catch {
            guard error.found.contains("NOSCRIPT") else { throw error }
            return try await call(connection, keys, arguments)
        }
    }

    private func call(_ connection: RedisConnection, _ keys: [[UInt8]], _ arguments: [[UInt8]]) async throws(RedisError)
        -> RedisValue
    {
        let digest = try await connection.send("SCRIPT", "LOAD", source)
        let count = Array(String(keys.count).utf8)
        return try await connection.send(RedisCommand("EVALSHA", raw: [digest.bytes ?? [], count] + keys + arguments))
    }
}
