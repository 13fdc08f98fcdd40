/// The least that a Redis user needs for what Bailey does with a RedBeat source, as an ACL says it. `DBSIZE`, `SCRIPT LOAD` and
/// `CONFIG GET` are used where they are allowed, and needed only where nothing else tells the same; so is `INFO` for an import.
public enum RedisRights: String, Sendable, Hashable, CaseIterable {
    /// `import`, `doctor`, `shadow --from-history`, and all that works on an inventory.
    case read
    /// `shadow` while legacy runs.
    case watchRuns = "watch-runs"
    /// `status`, previews of `cutover` and `rollback`, `watch` as long as there is nothing to do.
    case look
    /// `cutover`, `rollback`, `retire`, `watch`; the DAGs' gates in Airflow.
    case move

    /// The commands of Bailey that need them.
    public var commands: String {
        switch self {
        case .read: "import, doctor, shadow --from-history"
        case .watchRuns: "shadow"
        case .look: "status, watch that has nothing to do"
        case .move: "cutover, rollback, retire, watch; the gates of DAGs in Airflow"
        }
    }

    /// The commands of Redis, each with those of the step before.
    public var redisCommands: [String] {
        switch self {
        case .read: ["ping", "zrange", "smembers", "scan", "hmget", "get"]
        case .watchRuns: RedisRights.read.redisCommands + ["psubscribe"]
        case .look:
            [
                "ping", "scan", "hmget", "eval", "hget", "hgetall", "hkeys", "exists", "get", "pttl", "time",
                "zscore", "zrangebyscore", "info",
            ]
        case .move:
            RedisRights.look.redisCommands + [
                "evalsha", "hset", "hdel", "hlen", "del", "zadd", "zrem", "persist", "pexpire",
            ]
        }
    }

    /// The keys, as patterns of an ACL.
    ///
    /// - Parameters:
    ///   - prefix: `redbeat_key_prefix`.
    ///   - results: how the keys of results begin.
    public func keys(prefix: String, results: CeleryResultKeys = CeleryResultKeys()) -> [String] {
        switch self {
        case .read, .watchRuns: [RedisRights.pattern(prefix)] + results.patterns
        // The results show whether legacy ran what is Airflow's.
        case .look, .move: [RedisRights.pattern(prefix)] + results.patterns + ["bailey:*"]
        }
    }

    /// The whole line for `redis-cli`, but for the password.
    ///
    /// - Parameters:
    ///   - prefix: `redbeat_key_prefix`.
    ///   - results: how the keys of results begin.
    ///   - database: the logical database, which is chosen with a command of its own unless it is 0.
    public func line(
        user: String = "bailey",
        password: String = "PASSWORD",
        prefix: String,
        results: CeleryResultKeys = CeleryResultKeys(),
        database: Int
    ) -> String {
        let channels = self == .watchRuns ? results.patterns.map { " &" + $0 }.joined() : ""
        let commands = redisCommands + (database == 0 ? [] : ["select"])
        return "ACL SETUSER \(user) reset on >\(password) "
            + keys(prefix: prefix, results: results).map { "~" + $0 }.joined(separator: " ") + channels + " "
            + commands.map { "+" + $0 }.joined(separator: " ")
    }

    private static func pattern(_ prefix: String) -> String {
        var pattern = ""
        for character in prefix {
            if "*?[]\\".contains(character) { pattern.append("\\") }
            pattern.append(character)
        }
        return pattern + "*"
    }
}
