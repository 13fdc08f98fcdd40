/// The messages of channels that match patterns, over a connection of its own that is renewed when it breaks.
public struct RedisSubscription: Sendable {
    /// A message, or the news that some may have been missed.
    public enum Event: Sendable, Hashable {
        /// The channel and the payload.
        case message(channel: [UInt8], payload: [UInt8])
        /// The connection was renewed, or more came than was taken: what was sent meanwhile is lost.
        case gap(String)
    }

    /// Listens until the task is cancelled, reconnecting up to a limit of attempts in a row.
    ///
    /// - Parameters:
    ///   - most: how many messages wait to be taken; of more, the newest are lost, and told as a gap.
    ///   - ready: called once the first subscription stands: later messages are not missed.
    /// - Throws: `RedisError` when the limit is reached.
    public static func listen(
        to url: RedisURL,
        patterns: [String],
        attempts: Int = 10,
        most: Int = 100_000,
        ready: @Sendable () async -> Void,
        handle: (Event) async throws -> Void
    ) async throws {
        var first = true
        var failures = 0
        while !Task.isCancelled {
            let (stream, continuation) = AsyncStream.makeStream(
                of: RedisValue.self,
                bufferingPolicy: .bufferingOldest(most)
            )
            let overflowed = Flag()
            let push: @Sendable (RedisValue) -> Void = { value in
                if case .dropped = continuation.yield(value) { overflowed.set() }
            }
            try await RedisConnection.use(url, attempts: attempts, push: push) { connection in
                connection.onClose { continuation.finish() }
                do throws(RedisError) {
                    try await connection.subscribe(patterns: patterns)
                } catch {
                    failures += 1
                    guard error.isOfConnecting, failures < attempts else { throw error }
                    return
                }
                failures = 0
                if first {
                    await ready()
                } else {
                    try await handle(.gap("the connection to \(url.address) was renewed"))
                }
                first = false
                try await withTaskCancellationHandler {
                    for await value in stream {
                        if overflowed.take() { try await handle(.gap("more messages came than were taken")) }
                        guard let parts = value.array, parts.count == 4, parts[0].text == "pmessage",
                            let channel = parts[2].bytes,
                            let payload = parts[3].bytes
                        else { continue }
                        try await handle(.message(channel: channel, payload: payload))
                    }
                } onCancel: {
                    continuation.finish()
                }
            }
        }
    }
}
