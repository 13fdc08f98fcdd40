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
            replicas: info.number("connected_slaves") ?? 0
        )
    }

    /// Whether what was just told on this connection cannot be forgotten any more: it is on the disk, and with a replica if there is one.
    ///
    /// Of a Redis before 7.2 with `appendfsync everysec` nobody can say so; then a second has to pass.
    func isDurableNow() async throws -> Bool {
        let durability = try await durability()
        if durability.replicas > 0 {
            // A replica that lags may be the one that takes over.
            let told = try await send(RedisCommand("WAIT", "1", "1000")).int ?? 0
            guard told > 0 else { return false }
        }
        guard durability.appends else { return durability.replicas > 0 }
        if durability.sync == "always" { return true }
        let flushed = (try? await send(RedisCommand("WAITAOF", "1", "0", "1500")))?.array?.first?.int
        return flushed.map { $0 >= 1 } ?? false
    }
}
