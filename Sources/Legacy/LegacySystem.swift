public import Migration
public import Schedules

/// A legacy system: one source of `bailey.yaml`. Nothing here changes it. A new system is one type that conforms to this, and one line in
/// `Operations/SystemKind.swift`; how its entries are moved is in a folder of `Cutover`.
///
/// Making one asks nobody and does not fail: what is wrong with its settings is thrown by whatever needs them.
public protocol LegacySystem: Sendable {
    /// The name in `bailey.yaml`.
    var name: String { get }

    /// Reads everything: each key or row group becomes an entry or an unread record.
    ///
    /// - Throws: `RedisError`, `PostgresError`, `ScheduleError` or `UnusableSource`.
    func read(zones: ZoneDatabase) async throws -> SourceReading

    /// Reads everything, and asks live workers too what nothing stored tells: a message to each of them.
    ///
    /// - Throws: as `read`.
    func readAsking(_ question: WorkerQuestion, zones: ZoneDatabase) async throws -> SourceReading

    /// The same system, read from the code of its application too; nil for one that is of no application.
    func reading(_ code: ApplicationCode) -> (any LegacySystem)?

    /// Whether it can be reached and read, for `doctor`.
    ///
    /// - Throws: as `read`.
    func probe(zones: ZoneDatabase) async throws -> SourceSummary

    /// What it recorded of the runs of its entries, beyond what `read` gave; for the import.
    ///
    /// - Throws: as `read`.
    func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) async throws
        -> RecordedHistories

    /// How its Celery application is configured, as its live workers say; nil if there is none, or none answers. Each worker gets a few messages.
    ///
    /// - Parameter name: a name for reply queues that nobody else uses.
    /// - Throws: as `read`.
    func celery(name: String, now: @Sendable () -> Instant) async throws -> CeleryConfiguration?

    /// The runs of some of its entries: those it has kept, and those that end from now on.
    ///
    /// - Parameter now: the clock, for what is seen to happen.
    /// - Throws: `UnusableSource`, or an error of its URL.
    func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns

    /// Why the runs of entries cannot be observed, one sentence each, by entry; those of which they can are not there. One look at all
    /// entries, so that what it costs grows with their number.
    func observerDefects(in inventory: Inventory) -> [EntryID: [String]]

    /// What DAG files must know of it. Where its settings cannot be used, as much as can be known without them.
    var dagSource: DAGSource { get }

    /// That what `dagSource` needs beyond `bailey.yaml` can be read: an ungated file holds it.
    ///
    /// - Throws: `UnusableSource` or `SettingsError`.
    func checkSettings() throws

    /// The Airflow connection that leads to it.
    ///
    /// - Throws: `UnusableSource` if an Airflow connection cannot hold its URL.
    func connection(_ role: ConnectionRole) throws -> SourceConnection

    /// Texts that must never be shown: passwords, as written and as decoded.
    var secrets: [String] { get }

    /// The least rights that looking at it needs; those that moving its work needs are the bridge's. Asks nobody.
    ///
    /// - Throws: `UnusableSource`, or an error of its URL or profile.
    func rights() throws -> [NeededRights]

    /// What stands before the names of its entries in its own keys, which people may write too.
    var keyPrefix: String { get }

    /// Why its work is not taken over though its sort has a bridge, in words; nil if it is.
    var unverified: String? { get }

    /// What a person does in legacy to take entries out of its hands, as the end of a sentence; nil where a switch does that.
    func byHand(_ entries: [LegacyEntry]) -> String?

    /// How long its scheduler sleeps at most, in seconds, as its live workers say; nil if that is no question, or none answers. Each worker gets
    /// a message.
    ///
    /// - Parameter name: a name for a reply queue that nobody else uses.
    /// - Throws: as `read`.
    func longestSleep(name: String, now: Instant) async throws -> Double?

    /// What of this sort one look at a server shows. It only looks, and what of it cannot be read is found all the same.
    ///
    /// - Throws: what keeps it from looking at the server.
    static func discover(at server: ServerLook) async throws -> [DiscoveredSystem]
}

extension LegacySystem {
    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] { [] }

    public func readAsking(_ question: WorkerQuestion, zones: ZoneDatabase) async throws -> SourceReading {
        try await read(zones: zones)
    }

    public func reading(_ code: ApplicationCode) -> (any LegacySystem)? { nil }

    public func probe(zones: ZoneDatabase) async throws -> SourceSummary { try await read(zones: zones).summary }

    public func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        async throws -> RecordedHistories
    {
        RecordedHistories()
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] { [:] }

    public func checkSettings() throws {}

    public func celery(name: String, now: @Sendable () -> Instant) async throws -> CeleryConfiguration? { nil }

    public var keyPrefix: String { "" }

    public var unverified: String? { nil }

    public func byHand(_ entries: [LegacyEntry]) -> String? { nil }

    /// One reason why no run of any of its entries can be observed.
    func unobserved(_ inventory: Inventory, _ reason: String) -> [EntryID: [String]] {
        let own = inventory.entries.filter { $0.id.source == name }
        return Dictionary(own.map { ($0.id, [reason]) }, uniquingKeysWith: { first, _ in first })
    }

    public func longestSleep(name: String, now: Instant) async throws -> Double? { nil }
}

/// What a connection to a source is for.
public enum ConnectionRole: String, Sendable, Hashable, CaseIterable {
    /// The source itself, which holds its switch.
    case source
    /// Where Celery's messages go, if that is another place.
    case broker
    /// Where Celery's results are, if that is another place.
    case results
    /// Where beat reads its schedule from, if that is another place: it holds the switch.
    case schedule
}

/// How live workers are asked.
public struct WorkerQuestion: Sendable {
    /// A name for the reply queue that nobody else uses.
    public var name: String
    /// This machine's time.
    public var now: Instant

    /// Makes a question.
    public init(name: String, now: Instant) { (self.name, self.now) = (name, now) }
}

/// What a system recorded of the runs of its entries.
public struct RecordedHistories: Sendable {
    /// By entry.
    public var entries: [EntryID: RunHistory]
    /// What a person must know of the source as a whole.
    public var notes: [EntryNote]

    /// Makes histories.
    public init(entries: [EntryID: RunHistory] = [:], notes: [EntryNote] = []) {
        self.entries = entries
        self.notes = notes
    }
}

/// Why a source cannot be used as `bailey.yaml` has it, in one line for people.
public struct UnusableSource: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was found, and what to write instead.
    public let description: String

    /// Makes an error.
    public init(_ description: String) { self.description = description }
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
package func readable(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    return bytes.map { byte in
        (32..<127).contains(byte)
            ? String(UnicodeScalar(byte)) : "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
}
