/// A server as one look at it shows it, for all kinds of systems: each kind finds its own in it (`LegacySystem.discover`).
public enum ServerLook: Sendable {
    case redis(RedisLook)
    case postgres(PostgresLook)
}
