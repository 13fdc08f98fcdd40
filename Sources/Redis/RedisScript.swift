import Synchronization

/// A Lua script that Redis executes atomically. Keep one value for all calls: it remembers the script's digest.
public struct RedisScript: Sendable {
    private final class Digest: Sendable {
        let bytes = Mutex<[UInt8]?>(nil)
    }
    private let source: [UInt8]
    private let digest = Digest()

    /// A script.
    public init(_ source: String) { self.source = Array(source.utf8) }

    /// Runs the script in one round trip: by its digest, or with its whole text where the digest is not known yet.
    ///
    /// The digest is what the server answers to `SCRIPT LOAD`, so that no second implementation of SHA-1 is needed. A server that has
    /// forgotten the script (a restart, `SCRIPT FLUSH`, another server) has run nothing then, and gets the text.
    /// - Throws: `RedisError`; with the code `timeout` or `closed` it is not known whether the script ran.
    public func run(on connection: RedisConnection, keys: [[UInt8]], arguments: [[UInt8]]) async throws(RedisError)
        -> RedisValue
    {
        let parameters = [Array(String(keys.count).utf8)] + keys + arguments
        if let known = digest.bytes.withLock({ $0 }) {
            let command = RedisCommand("EVALSHA", raw: [known] + parameters)
            let reply = try await connection.pipeline([command]).first ?? .null
            guard case .error(let message) = reply else { return reply }
            guard message.hasPrefix("NOSCRIPT") else { throw connection.refusal(command.name, message) }
        }
        let command = RedisCommand("EVAL", raw: [source] + parameters)
        let replies = try await connection.pipeline([RedisCommand("SCRIPT", "LOAD", raw: [source]), command])
        if case .bulk(let bytes)? = replies.first { digest.bytes.withLock { $0 = bytes } }
        guard case .error(let message)? = replies.last else { return replies.last ?? .null }
        throw connection.refusal(command.name, message)
    }
}
