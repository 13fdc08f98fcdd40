public import Migration
public import Schedules

/// A place that legacy entries are read from. A new legacy system is one type that conforms to this, or one queue profile.
public protocol LegacySource: Sendable {
    /// The name in `bailey.yaml`.
    var name: String { get }
    /// Reads everything, changing nothing: each key or row group becomes an entry or an unread record.
    ///
    /// - Throws: `RedisError`, `PostgresError` or `ScheduleError`.
    func read(zones: ZoneDatabase) async throws -> SourceReading
}

/// What was read of one source.
public struct SourceReading: Sendable {
    /// What the source says of itself.
    public var summary: SourceSummary
    /// The entries, by identity.
    public var entries: [LegacyEntry]
    /// What did not become an entry, with the reason.
    public var unread: [UnreadRecord]

    /// Makes a reading.
    public init(summary: SourceSummary, entries: [LegacyEntry], unread: [UnreadRecord]) {
        self.summary = summary
        self.entries = entries
        self.unread = unread
    }
}

/// Bytes as text, those that are not UTF-8 as `\xNN`.
func readable(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    return bytes.map { byte in
        (32..<127).contains(byte)
            ? String(UnicodeScalar(byte)) : "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
}
