/// Whole collections, in steps that do not block the server. What is no answer to the question is an error, never an empty collection.
extension RedisConnection {
    /// The keys that match a pattern.
    ///
    /// - Parameter steps: after so many of about a thousand keys each it ends; nil to go on to the end.
    /// - Throws: `RedisError`; `overflow` for a walk that does not end.
    public func keys(matching pattern: String, steps: Int = .max) async throws(RedisError) -> Set<[UInt8]> {
        var keys: Set<[UInt8]> = []
        var walk = KeyWalk(matching: pattern)
        var step = 0
        while step < steps, let some = try await walk.next(on: self) {
            keys.formUnion(some)
            step += 1
        }
        return keys
    }

    /// A text as a pattern that only itself matches.
    public static func literalPattern(_ text: String) -> String {
        text.reduce(into: "") { pattern, character in
            if "*?[]\\".contains(character) { pattern.append("\\") }
            pattern.append(character)
        }
    }

    /// The members of a sorted set with their scores; none if there is no such key.
    ///
    /// - Throws: `RedisError`.
    public func scores(of key: [UInt8]) async throws(RedisError) -> [[UInt8]: Double] {
        let reply = try await send(
            RedisCommand("ZRANGE", raw: [key, Array("0".utf8), Array("-1".utf8), Array("WITHSCORES".utf8)])
        )
        guard let values = reply.array, values.count.isMultiple(of: 2) else { throw unexpected("ZRANGE", reply) }
        var scores: [[UInt8]: Double] = [:]
        for index in stride(from: 0, to: values.count, by: 2) {
            guard let member = values[index].bytes, let score = values[index + 1].text.flatMap({ Double($0) }) else {
                throw unexpected("ZRANGE", values[index + 1])
            }
            scores[member] = score
        }
        return scores
    }

    /// The members of a set; none if there is no such key.
    ///
    /// - Throws: `RedisError`.
    public func members(of key: [UInt8]) async throws(RedisError) -> [[UInt8]] {
        let reply = try await send(RedisCommand("SMEMBERS", raw: [key]))
        guard let members = reply.array else { throw unexpected("SMEMBERS", reply) }
        return members.compactMap(\.bytes)
    }

    private func unexpected(_ command: String, _ reply: RedisValue) -> RedisError {
        let found =
            switch reply {
            case .null: "nil"
            case .integer: "an integer"
            case .status(let text): "“\(text.prefix(60))”"
            case .bulk: "a text"
            case .array(let values): "an array of \(values.count)"
            case .error(let text): "“\(text.prefix(60))”"
            }
        return RedisError(
            .protocol,
            address: address,
            operation: command,
            found: "the server answered \(found), which is no answer to it",
            advice: "See whether that is a Redis server, and whether a proxy in front of it supports \(command)"
        )
    }
}
