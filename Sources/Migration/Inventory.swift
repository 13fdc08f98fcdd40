public import Schedules

/// All legacy entries of all sources, as read at one moment, and everything that could not be read.
public struct Inventory: Sendable, Hashable {
    /// When the reading began.
    public var readAt: Instant
    /// One summary per source, in the order of `bailey.yaml`.
    public var sources: [SourceSummary]
    /// The entries, sorted by identity.
    public private(set) var entries: [LegacyEntry]
    /// What was found and is not an entry, each with the reason: N in = N accounted for.
    public var unread: [UnreadRecord]

    /// Makes an inventory.
    public init(
        readAt: Instant,
        sources: [SourceSummary] = [],
        entries: [LegacyEntry] = [],
        unread: [UnreadRecord] = []
    ) {
        self.readAt = readAt
        self.sources = sources
        self.entries = entries.sorted { $0.id < $1.id }
        self.unread = unread
    }

    /// Whether nothing shows that a source holds more than was read.
    public var isWhole: Bool { !sources.contains { $0.notes.contains { $0.code == .incompleteReading } } }

    /// Adds what one source gave.
    public mutating func add(_ found: [LegacyEntry]) {
        entries += found
        entries.sort { $0.id < $1.id }
    }

    /// Sets what legacy recorded of the runs of some entries; the others keep what they have.
    public mutating func setHistories(_ histories: [EntryID: RunHistory]) {
        for (id, history) in histories {
            if let index = index(of: id) { entries[index].history = history }
        }
    }

    /// Sets how long runs of some entries' tasks took, as workers told.
    public mutating func tell(_ durations: [EntryID: KnownDurations]) {
        for (id, known) in durations {
            if let index = index(of: id) { entries[index].told = known }
        }
    }

    /// Sets the names that entries had before; of the others they are taken away.
    mutating func setFormerNames(_ names: [EntryID: [EntryID]]) {
        for index in entries.indices { entries[index].formerly = names[entries[index].id] ?? [] }
    }

    /// The entry of that identity.
    public subscript(_ id: EntryID) -> LegacyEntry? { index(of: id).map { entries[$0] } }

    func index(of id: EntryID) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].id == id ? low : nil
    }
}

/// What one source said of itself.
public struct SourceSummary: Sendable, Hashable {
    /// The name in `bailey.yaml`.
    public var name: String
    /// The `kind` of `bailey.yaml`: `redbeat`, `celery`, `django_celery_beat`, `queue`.
    public var kind: String
    /// The system's product and version, such as `Redis 7.0.15`.
    public var system: String
    /// The address without credentials.
    public var address: String
    /// How many keys or row groups were looked at; entries and unread records of the source add up to it.
    public var found: Int
    /// Things a person should know of this source as a whole (status words seen, zone disagreement, no lock).
    public var notes: [EntryNote]
    /// How its Celery application is configured, as its live workers said; nil where none answered.
    public var celery: CeleryConfiguration?

    /// Makes a summary.
    public init(name: String, kind: String, system: String, address: String, found: Int, notes: [EntryNote] = []) {
        self.name = name
        self.kind = kind
        self.system = system
        self.address = address
        self.found = found
        self.notes = notes
    }
}

/// A key or group of rows that was found in a source and did not become an entry.
public struct UnreadRecord: Sendable, Hashable {
    /// The source's name.
    public var source: String
    /// The key or row group, with bytes that are not UTF-8 written `\xNN`.
    public var key: String
    /// Why it is not an entry: a stable kebab-case word, such as `malformed-json`.
    public var reason: String
    /// What exactly was found, and what it does to the legacy system where that matters.
    public var detail: String
    /// What the legacy system makes of it.
    public var fate: LegacyFate

    /// Makes a record.
    public init(source: String, key: String, reason: String, detail: String, fate: LegacyFate = .unknown) {
        self.source = source
        self.key = key
        self.reason = reason
        self.detail = detail
        self.fate = fate
    }

    /// Whether the scheduler stops on it.
    public var stopsLegacy: Bool { fate == .stops }
}
