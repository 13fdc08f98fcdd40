import Redis
public import Schedules

/// Whether a Redis can keep a switch: what it says of itself, read without changing anything.
struct RedisReadiness {
    /// How far the clocks of Redis and of this machine may be apart, in seconds.
    static let clockTolerance = 10.0

    private let info: [String: String]

    /// Reads the text of `INFO`.
    init(info text: String) {
        var info: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            info[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        self.info = info
    }

    /// A number that it says of itself.
    func number(_ name: String) -> Int? { info[name].flatMap { Int($0) } }

    /// The replicas that follow it, each with what it says of it: `ip`, `port`, `state`, `offset`, `lag`.
    var replicas: [[String: String]] {
        (0..<(number("connected_slaves") ?? 0)).compactMap { info["slave\($0)"] }.map { line in
            line.split(separator: ",").reduce(into: [:]) { fields, part in
                guard let equals = part.firstIndex(of: "=") else { return }
                fields[String(part[..<equals])] = String(part[part.index(after: equals)...])
            }
        }
    }

    /// Whether it is a node of a cluster.
    var isCluster: Bool { info["cluster_enabled"] == "1" }

    /// That it takes writes.
    var writable: Check {
        let name = "Redis takes writes"
        func refuse(_ reason: Refusal.Reason, _ found: String, _ advice: String) -> Check {
            Check(name, found, refusal: Refusal(reason, "the source's Redis \(found)", advice))
        }
        if info["role"] == "slave" || info["role"] == "replica" {
            let master = "\(info["master_host"] ?? "?"):\(info["master_port"] ?? "?")"
            return refuse(.notWritable, "is a replica of \(master)", "Write the master's address into bailey.yaml")
        }
        if info["loading"] == "1" {
            return refuse(.notWritable, "is still reading its data", "Run the command again when it is up")
        }
        if info["rdb_last_bgsave_status"] == "err" || info["aof_last_write_status"] == "err" {
            return refuse(.notWritable, "cannot write to its disk", "See Redis's log, and whether its disk is full")
        }
        let most = Int(info["maxmemory"] ?? "") ?? 0
        let used = Int(info["used_memory"] ?? "") ?? 0
        if most > 0, used >= most {
            return refuse(
                .notWritable,
                "uses \(used) of \(most) bytes of memory",
                "Give it more (maxmemory), or free some"
            )
        }
        if most > 0, info["maxmemory_policy"]?.hasPrefix("allkeys") == true {
            return refuse(
                .evicting,
                "may throw any key away when its memory is full (maxmemory-policy \(info["maxmemory_policy"] ?? ""))",
                "Set maxmemory-policy to noeviction: without its switch an entry whose clock is parked would be nobody's"
            )
        }
        return Check(name, "Redis \(info["redis_version"] ?? "?"), a master")
    }

    /// That its clock and this machine's agree.
    static func clocks(redis: Instant, here: Instant) -> Check {
        let apart = redis.seconds(since: here)
        let shown =
            "Redis's clock is \(abs((apart * 10).rounded() / 10)) s \(apart < 0 ? "behind" : "ahead of") this machine's"
        guard abs(apart) > clockTolerance else { return Check("clocks agree", shown) }
        return Check(
            "clocks agree",
            shown,
            refusal: Refusal(
                .clock,
                shown,
                "Mend the clocks (NTP): ticks are instants, and beat, Redis and Airflow must agree on them"
            )
        )
    }
}

extension RedBeatSwitch {
    /// What must hold of Redis itself: it takes writes, its clock agrees, and on a cluster all keys lie in one slot.
    ///
    /// - Parameter now: reads this machine's clock.
    public func readiness(now: @Sendable () -> Instant) async throws -> [Check] {
        let readiness = RedisReadiness(info: try await send(RedisCommand("INFO")).text ?? "")
        var checks = [readiness.writable]
        let before = now()
        let time = try await send(RedisCommand("TIME")).array ?? []
        let after = now()
        let redis = Instant(seconds: Int64(time.first?.int ?? 0)).adding(microseconds: Int64(time.last?.int ?? 0))
        let middle = Instant(microseconds: (before.microseconds + after.microseconds) / 2)
        checks.append(RedisReadiness.clocks(redis: redis, here: middle))
        if let slots = try await slots() { checks.append(slots) }
        return checks
    }

    /// That all keys lie in one slot, without which no script can be asked about them; nil where the server is no node of a cluster.
    public func slots() async throws -> Check? {
        guard RedisReadiness(info: try await send(RedisCommand("INFO", "cluster")).text ?? "").isCluster else {
            return nil
        }
        var slots: Set<Int> = []
        for key in keys.all { slots.insert(try await send(RedisCommand("CLUSTER", "KEYSLOT", raw: [key])).int ?? -1) }
        return Check(
            "one hash slot",
            "\(keys.all.count) keys in \(slots.count) slots",
            refusal: slots.count == 1
                ? nil
                : Refusal(
                    .slots,
                    "this Redis is a cluster, and the entries, RedBeat's schedule and its lock lie in \(slots.count) different slots",
                    "Give RedBeat a prefix with a tag, such as redbeat_key_prefix = \"{redbeat}:\", so that one script can change them together"
                )
        )
    }
}
