import LosslessJSON
public import Redis

/// Reads the switches of many pipelines of one Redis over one connection, many at a time.
public enum SwitchReading {
    /// How many pipelines are asked for before their answers are waited for.
    private static let batch = 200

    /// What the switches of pipelines hold, each read at one instant.
    ///
    /// - Parameters:
    ///   - groups: the entries of each pipeline.
    ///   - claims: how many claims to show of each entry.
    /// - Returns: for each pipeline, in order, its switches or why they could not be read.
    /// - Throws: `RedisError` where nobody can be asked.
    public static func statuses(of groups: [RedBeatKeys], at url: RedisURL, claims: Int) async throws(RedisError)
        -> [Result<SwitchStatus, any Error>]
    {
        guard !groups.isEmpty else { return [] }
        return try await RedisConnection.ask(url, timeoutSeconds: 30) { redis throws(RedisError) in
            var found: [Result<SwitchStatus, any Error>] = []
            let argument = Array(String(claims).utf8)
            for start in stride(from: 0, to: groups.count, by: batch) {
                let some = groups[start..<min(start + batch, groups.count)]
                let answers = try await SwitchScript.status.script.run(
                    on: redis,
                    calls: some.map { (keys: $0.all, arguments: [argument]) }
                )
                for (keys, answer) in zip(some, answers) {
                    found.append(
                        Result {
                            let value = try answer.get()
                            return try SwitchStatus(
                                SwitchAnswer(.status, value),
                                entries: keys.entries.count
                            )
                        }
                    )
                }
            }
            return found
        }
    }
}
