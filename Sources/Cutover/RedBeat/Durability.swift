public import Migration
import Redis

/// How much of what it was told a Redis forgets when it is killed, or when a replica takes its place.
public struct Durability: Sendable, Hashable {
    /// Whether it appends each write to a file.
    public var appends: Bool
    /// `appendfsync`; nil where this user may not read it.
    public var sync: String?
    /// Whether it writes snapshots at times; nil where this user may not read `save`.
    public var savesAtTimes: Bool?
    /// How many replicas follow it.
    public var replicas: Int
    /// Those of them that have been silent for longer than `patience`, or are not in step yet, in words.
    public var laggards: [String] = []

    /// Seconds after which a replica is behind; one that keeps up answers each second.
    static let patience = 5

    /// What a policy is told: enough, or what is missing.
    public var evidence: PolicyEvidence.Durability {
        let followed = replicas == 0 ? "" : ", \(replicas) \(replicas == 1 ? "replica" : "replicas")"
        guard appends else {
            let found =
                switch savesAtTimes {
                case true?: "Redis writes snapshots only (save)"
                case false?: "Redis keeps nothing on disk"
                case nil: "Redis appends to no file (appendonly no)"
                }
            return .missing(
                "\(found)\(followed): killed, it forgets a cutover or a rollback of minutes before; set appendonly yes"
            )
        }
        // What takes over from it after a failover would have forgotten as much.
        if let first = laggards.first {
            return .missing(
                "\(laggards.count == 1 ? "a replica" : "\(laggards.count) replicas") of Redis cannot be relied on (\(first)): a failover to it would forget a cutover or a rollback; see its link, or stop it"
            )
        }
        guard let sync else { return .enough("Redis appends each write to its file\(followed)") }
        guard sync != "no" else {
            return .missing("appendfsync is no, so that nobody can say what a crash forgets; set everysec or always")
        }
        return .enough("Redis appends each write to its file (appendfsync \(sync))\(followed)")
    }
}

extension RedBeatSwitch {
    /// How much Redis may forget.
    ///
    /// - Throws: `RedisError`.
    public func durability() async throws -> Durability {
        let info = RedisReadiness(info: try await send(RedisCommand("INFO")).text ?? "")
        func setting(_ name: String) async -> String? {
            // A managed Redis, or a user without the right, does not tell its settings.
            guard let reply = (try? await send(RedisCommand("CONFIG", "GET", name)))?.array, reply.count == 2 else {
                return nil
            }
            return reply[1].text
        }
        let appends = info.number("aof_enabled") == 1
        return Durability(
            appends: appends,
            sync: appends ? await setting("appendfsync") : nil,
            savesAtTimes: await setting("save").map { !$0.isEmpty },
            replicas: info.number("connected_slaves") ?? 0,
            laggards: info.replicas.compactMap { replica in
                let name = "\(replica["ip"] ?? "?"):\(replica["port"] ?? "?")"
                let state = replica["state"] ?? "online"
                guard state == "online" else { return "\(name) is in state \(state)" }
                guard let lag = replica["lag"].flatMap({ Int($0) }), lag > Durability.patience else { return nil }
                return "\(name) has not answered for \(lag) s"
            }
        )
    }

    /// Whether what was just told on this connection cannot be forgotten any more: it is on the disk, and with a replica if there is one.
    ///
    /// Of a Redis before 7.2 with `appendfsync everysec` nobody can say so; then a second has to pass.
    func isDurableNow() async throws -> Bool {
        let durability = try await durability()
        if durability.replicas > 0 {
            // The one that lags most may be the one that takes over: an operator's hand asks no Sentinel which is ahead.
            let told = try await send(RedisCommand("WAIT", "\(durability.replicas)", "1000")).int ?? 0
            guard told >= durability.replicas else { return false }
        }
        guard durability.appends else { return durability.replicas > 0 }
        if durability.sync == "always" { return true }
        let flushed = (try? await send(RedisCommand("WAITAOF", "1", "0", "1500")))?.array?.first?.int
        return flushed.map { $0 >= 1 } ?? false
    }
}
