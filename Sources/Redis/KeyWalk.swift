/// A walk through the keys of a database, batch by batch. A key that is there all the time comes at least once.
///
/// It ends: a server walks its table once, so that more rounds than its keys can need are an error.
public struct KeyWalk: Sendable {
    private let pattern: String
    private let count: Int
    private var cursor: String?
    /// The server that was asked last.
    private var address = "?"
    private var rounds = 0
    private var mostRounds = 1_000_000
    private var isOver = false

    /// A walk.
    ///
    /// - Parameters:
    ///   - pattern: a glob of Redis.
    ///   - count: about how many keys Redis looks at before it answers.
    public init(matching pattern: String, count: Int = 1000) {
        self.pattern = pattern
        self.count = count
    }

    /// The next keys, of which there may be none; nil once all have come.
    ///
    /// - Throws: `RedisError`; `overflow` for a walk that does not end.
    public mutating func next(on redis: RedisConnection) async throws(RedisError) -> [[UInt8]]? {
        do {
            return try await next(at: redis.address) { try await redis.send($0) }
        } catch {
            throw error as? RedisError ?? failure(.closed, "\(error)", "Run the command again")
        }
    }

    /// The same by way of a function that sends a command.
    ///
    /// - Throws: `RedisError`, or what the function throws.
    public mutating func next(at address: String, _ send: (RedisCommand) async throws -> RedisValue) async throws
        -> [[UInt8]]?
    {
        guard !isOver else { return nil }
        self.address = address
        // Who may not ask for the number of keys may walk all the same.
        if cursor == nil, let keys = try? await send(RedisCommand("DBSIZE")).int {
            // A table has at most some sixteen places a key, and a round visits ten times `count` of them. Keys may be added meanwhile.
            mostRounds = min(mostRounds, 1000 + 50 * (keys / count))
        }
        rounds += 1
        guard rounds <= mostRounds else {
            throw failure(
                .overflow,
                "the walk through its keys has not ended after \(rounds - 1) rounds, more than its keys can need",
                "See whether a proxy answers in place of Redis"
            )
        }
        let reply = try await send(RedisCommand("SCAN", cursor ?? "0", "MATCH", pattern, "COUNT", String(count)))
        guard let parts = reply.array, parts.count == 2, let next = parts[0].text, let keys = parts[1].array else {
            throw failure(
                .protocol,
                "the answer is no cursor and keys",
                "See whether a proxy answers in place of Redis"
            )
        }
        cursor = next
        isOver = next == "0"
        return keys.compactMap(\.bytes)
    }

    private func failure(_ code: RedisError.Code, _ found: String, _ advice: String) -> RedisError {
        RedisError(code, address: address, operation: "SCAN", found: found, advice: advice)
    }
}
