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
    /// - Throws: `RedisError`; with the code `timeout` or `closed` it is not known whether the script ran.
    public func run(on connection: RedisConnection, keys: [[UInt8]], arguments: [[UInt8]]) async throws(RedisError)
        -> RedisValue
    {
        let answers = try await run(on: connection, calls: [(keys: keys, arguments: arguments)])
        return try answers.first?.get() ?? .null
    }

    /// Runs the script several times, one call after another, in one round trip.
    ///
    /// The digest is what the server answers to `SCRIPT LOAD`, so that no second implementation of SHA-1 is needed; for a user who may not
    /// load scripts each call carries the text. A server that has forgotten the script (a restart, `SCRIPT FLUSH`, another server) has run
    /// nothing then, and gets the text.
    ///
    /// - Returns: what each call answers, or why it was refused.
    /// - Throws: `RedisError`; with the code `timeout` or `closed` it is not known which calls ran.
    public func run(on connection: RedisConnection, calls: [(keys: [[UInt8]], arguments: [[UInt8]])])
        async throws(RedisError) -> [Result<RedisValue, RedisError>]
    {
        let parameters = calls.map { [Array(String($0.keys.count).utf8)] + $0.keys + $0.arguments }
        func texts(_ places: [Int]) -> [RedisCommand] {
            places.map { RedisCommand("EVAL", raw: [source] + parameters[$0]) }
        }
        var replies: [RedisValue]
        if let known = digest.bytes.withLock({ $0 }) {
            replies = try await connection.pipeline(parameters.map { RedisCommand("EVALSHA", raw: [known] + $0) })
            let forgotten = replies.indices.filter { replies[$0].refusal?.hasPrefix("NOSCRIPT") == true }
            for (place, reply) in zip(forgotten, try await connection.pipeline(texts(forgotten))) {
                replies[place] = reply
            }
        } else {
            let first = RedisCommand("SCRIPT", "LOAD", raw: [source])
            // The text goes along once; the others wait for the digest.
            let answers = try await connection.pipeline([first] + texts(Array(calls.indices.prefix(1))))
            replies = Array(answers.dropFirst())
            if case .bulk(let bytes)? = answers.first { digest.bytes.withLock { $0 = bytes } }
            let others = Array(calls.dropFirst())
            if !others.isEmpty {
                if digest.bytes.withLock({ $0 }) != nil {
                    let rest = try await run(on: connection, calls: others)
                    return replies.map { connection.result($0) } + rest
                }
                replies += try await connection.pipeline(texts(Array(calls.indices.dropFirst())))
            }
        }
        return replies.map { connection.result($0) }
    }
}

extension RedisConnection {
    /// What a script answered, or why it was refused.
    fileprivate func result(_ reply: RedisValue) -> Result<RedisValue, RedisError> {
        reply.refusal.map { .failure(refusal("EVALSHA", $0)) } ?? .success(reply)
    }
}

extension RedisValue {
    /// The server's words, if the reply is an error.
    fileprivate var refusal: String? {
        if case .error(let message) = self { return message }
        return nil
    }
}
