/// Where the entries of one pipeline, their switches and their claims lie in a source's Redis.
public struct RedBeatKeys: Sendable, Hashable {
    /// The entries' keys; the first decides.
    public var entries: [[UInt8]]
    /// The key of RedBeat's lock; its usual name even where the source keeps none.
    public var lock: [UInt8]
    /// RedBeat's zset.
    public var schedule: [UInt8]

    /// What the names of all switches begin with.
    static let switchPrefix = Array("bailey:switch:".utf8)
    private static let claimsPrefix = Array("bailey:claims:".utf8)

    /// Makes keys.
    ///
    /// - Parameters:
    ///   - prefix: `redbeat_key_prefix`.
    ///   - lockKey: `redbeat_lock_key` where it is not the usual one; RedBeat puts the prefix in front of it unless it is there already.
    public init(entries: [[UInt8]], prefix: String, lockKey: String? = nil) {
        self.entries = entries
        schedule = Array("\(prefix):schedule".utf8)
        let name = lockKey ?? "\(prefix):lock"
        lock = Array((name.hasPrefix(prefix) ? name : prefix + name).utf8)
    }

    /// Makes keys that are known as they are.
    init(entries: [[UInt8]], lock: [UInt8], schedule: [UInt8]) {
        (self.entries, self.lock, self.schedule) = (entries, lock, schedule)
    }

    /// The key of an entry's switch, in the entry's own hash slot.
    public static func switchKey(of entry: [UInt8]) -> [UInt8] { switchPrefix + tagged(entry) }

    /// The key of an entry's claims, in the entry's own hash slot.
    public static func claimsKey(of entry: [UInt8]) -> [UInt8] { claimsPrefix + tagged(entry) }

    /// The entry whose switch a key is; nil if it is none.
    public static func entry(ofSwitch key: [UInt8]) -> [UInt8]? {
        guard key.starts(with: switchPrefix) else { return nil }
        let rest = Array(key.dropFirst(switchPrefix.count))
        let inner = Array(rest.dropFirst().dropLast())
        return rest.count > 2 && tagged(inner) == rest ? inner : rest
    }

    /// All keys, in the order in which scripts take them.
    var all: [[UInt8]] {
        entries.flatMap { [$0, RedBeatKeys.switchKey(of: $0), RedBeatKeys.claimsKey(of: $0)] } + [lock, schedule]
    }

    private static func tagged(_ entry: [UInt8]) -> [UInt8] {
        let hasTag =
            entry.firstIndex(of: UInt8(ascii: "{")).map { start in
                let end = entry[start...].firstIndex(of: UInt8(ascii: "}"))
                return end.map { $0 > start + 1 } ?? false
            } ?? false
        return hasTag ? entry : [UInt8(ascii: "{")] + entry + [UInt8(ascii: "}")]
    }
}
