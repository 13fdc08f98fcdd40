public import LosslessJSON
public import Schedules

/// What became of the entries of an earlier inventory, field by field. What legacy writes by itself with each run (last run, count, history)
/// is no change.
public struct InventoryChanges: Sendable, Hashable {
    /// What became of one entry.
    public struct Change: Sendable, Hashable {
        /// What became of it.
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            /// It was not there.
            case added
            /// Fields of it are others.
            case changed
            /// It has another name and the same content.
            case renamed
            /// It is gone.
            case removed
            /// What stands in its place cannot be read.
            case unread
            /// It was not seen; its source was not read whole.
            case unseen
        }

        /// What became of it.
        public var kind: Kind
        /// The entry by its present name, or by its last one.
        public var entry: EntryID
        /// As it was; nil of one that is new.
        public var before: LegacyEntry?
        /// What is different in it.
        public var fields: [Field]
    }

    /// One difference.
    public struct Field: Sendable, Hashable {
        /// Where: `schedule`, `kwargs.days`, `args[0]`; `stored` where only the stored bytes differ.
        public var place: String
        /// What it was; null where there was nothing, and of `stored`.
        public var before: JSON
        /// What it is.
        public var after: JSON
    }

    /// When the earlier inventory was read.
    public let since: Instant
    /// What became of whom, by entry.
    public let changes: [Change]
}

/// Compares an earlier inventory with a new one, an entry at a time, so that only what differs is kept.
public struct InventoryComparison {
    private let new: Inventory
    private let since: Instant
    private var isOld: [Bool]
    private var gone: [LegacyEntry] = []
    private var changes: [InventoryChanges.Change] = []

    /// A comparison with the inventory that was read at an instant.
    public init(_ new: Inventory, since: Instant) {
        (self.new, self.since) = (new, since)
        isOld = [Bool](repeating: false, count: new.entries.count)
    }

    /// Takes an entry of the earlier inventory.
    public mutating func take(_ before: LegacyEntry) {
        guard let index = new.index(of: before.id) else { return gone.append(before) }
        isOld[index] = true
        let fields = before.differences(from: new.entries[index])
        if !fields.isEmpty {
            changes.append(
                InventoryChanges.Change(kind: .changed, entry: before.id, before: before, fields: fields)
            )
        }
    }

    /// Passes over an entry of the earlier inventory whose content is known to be what it is now, by its digest.
    ///
    /// - Returns: whether it is.
    public mutating func passes(_ entry: EntryID, content: String) -> Bool {
        guard let index = new.index(of: entry), new.entries[index].contentDigest.description == content else {
            return false
        }
        isOld[index] = true
        return true
    }

    /// What was found, once all of the earlier inventory was taken.
    public consuming func changed() -> InventoryChanges {
        var added: [LegacyEntry.Content: [LegacyEntry]] = [:]
        for index in isOld.indices where !isOld[index] {
            added[new.entries[index].content, default: []].append(new.entries[index])
        }
        let leavers = Dictionary(grouping: gone, by: \.content)
        var renamed: Set<EntryID> = []
        for (content, before) in leavers {
            // Two of one content, on either side: nobody can tell which became which.
            if before.count == 1, let after = added[content], after.count == 1, content.isTelling {
                renamed.insert(after[0].id)
                let fields = before[0].differences(from: after[0])
                changes.append(
                    InventoryChanges.Change(kind: .renamed, entry: after[0].id, before: before[0], fields: fields)
                )
            } else {
                changes += before.map {
                    InventoryChanges.Change(kind: fate(of: $0), entry: $0.id, before: $0, fields: [])
                }
            }
        }
        for entries in added.values {
            changes += entries.filter { !renamed.contains($0.id) }.map {
                InventoryChanges.Change(kind: .added, entry: $0.id, before: nil, fields: [])
            }
        }
        return InventoryChanges(since: since, changes: changes.sorted { $0.entry < $1.entry })
    }

    private func fate(of entry: LegacyEntry) -> InventoryChanges.Change.Kind {
        let key = entry.raw.first.map { String(decoding: $0.key, as: UTF8.self) }
        if new.unread.contains(where: { $0.source == entry.id.source && ($0.key == key || $0.key == entry.id.name) }) {
            return .unread
        }
        let source = new.sources.first { $0.name == entry.id.source }
        let isPartial = source?.notes.contains { $0.code == .incompleteReading } ?? false
        return isPartial ? .unseen : .removed
    }
}

extension Inventory {
    /// Gives the entries that had another name their former ones: those that `changes` found, and those that they had had before.
    ///
    /// A name that an entry has now is nobody's former one.
    public mutating func keepNames(_ earlier: [EntryID: [EntryID]], _ changes: InventoryChanges) {
        var names: [EntryID: [EntryID]] = [:]
        for change in changes.changes where change.kind == .renamed {
            if let before = change.before { names[change.entry] = (earlier[before.id] ?? []) + [before.id] }
        }
        for (entry, former) in earlier where names[entry] == nil { names[entry] = former }
        let present = Set(entries.map(\.id))
        setFormerNames(names.mapValues { $0.filter { !present.contains($0) } })
    }

    /// Which entry has the name now that once was another's; two that claim one name have it neither.
    public var renamed: [EntryID: EntryID] {
        var found: [EntryID: EntryID] = [:]
        var doubtful: Set<EntryID> = []
        for entry in entries {
            for name in entry.formerly where found.updateValue(entry.id, forKey: name) != nil { doubtful.insert(name) }
        }
        return found.filter { !doubtful.contains($0.key) }
    }
}

extension LegacyEntry {
    /// What an entry is, whatever it is called.
    struct Content: Hashable {
        let source: String
        let kind: Kind
        let words: [String]
        /// Whether it tells one entry from another: a job type is nothing but its name.
        let isTelling: Bool
    }

    var content: Content {
        Content(
            source: id.source,
            kind: kind,
            words: [task, args.text(.canonical), kwargs.text(.canonical), options.text(.canonical)]
                + [scheduleSource.text(.canonical), timezone ?? ""],
            isTelling: kind != .jobType
        )
    }

    /// Of everything that no run changes.
    public var contentDigest: StableDigest {
        let flags = "\(timezone ?? "") \(enabled) \(isStatic.map { "\($0)" } ?? "")"
        // What is stored says all the rest, where no run changes it.
        if let bytes = definitionBytes { return StableDigest(flags + "\u{0}" + String(decoding: bytes, as: UTF8.self)) }
        return StableDigest((content.words + [flags]).joined(separator: "\u{0}"))
    }

    /// What is different in a later form of the entry.
    func differences(from later: LegacyEntry) -> [InventoryChanges.Field] {
        let pairs: [(String, JSON, JSON)] = [
            ("kind", .string(kind.rawValue), .string(later.kind.rawValue)),
            ("task", .string(task), .string(later.task)), ("args", args, later.args), ("kwargs", kwargs, later.kwargs),
            ("options", options, later.options), ("schedule", scheduleSource, later.scheduleSource),
            ("timezone", JSON(timezone), JSON(later.timezone)), ("enabled", .bool(enabled), .bool(later.enabled)),
            ("static", isStatic.map { .bool($0) } ?? .null, later.isStatic.map { .bool($0) } ?? .null),
        ]
        let found = pairs.flatMap { place, before, after in
            // A schedule is one thing: a crontab's fields are not changed one by one.
            place == "schedule" && before != after
                ? [InventoryChanges.Field(place: place, before: before, after: after)]
                : before.differences(from: after, at: place)
        }
        if found.isEmpty, definitionBytes != later.definitionBytes, id == later.id {
            return [InventoryChanges.Field(place: "stored", before: .null, after: .null)]
        }
        return found
    }

    /// The stored bytes that no run changes; nil where what is stored holds both.
    private var definitionBytes: [UInt8]? { raw.first { $0.field == "definition" }?.bytes }
}

extension JSON {
    /// The places at which two values differ, each with both of its values.
    fileprivate func differences(from later: JSON, at place: String) -> [InventoryChanges.Field] {
        if self == later { return [] }
        switch (self, later) {
        case (.object(let before), .object(let after)):
            let keys = before.keys + after.keys.filter { before[$0] == nil }
            return keys.flatMap { key in
                (before[key] ?? .null).differences(from: after[key] ?? .null, at: "\(place).\(key)")
            }
        case (.array(let before), .array(let after)) where before.count == after.count:
            return zip(before, after).enumerated().flatMap { number, pair in
                pair.0.differences(from: pair.1, at: "\(place)[\(number)]")
            }
        default: return [InventoryChanges.Field(place: place, before: self, after: later)]
        }
    }
}

extension Inventory {
    /// The document that `bailey import --json` prints, with what changed; see docs/json.md.
    public func document(with changes: InventoryChanges?) -> JSONDocument {
        let head = Inventory(readAt: readAt, sources: sources, unread: unread).json.object?.members ?? []
        return JSONDocument(
            head.map { member in
                let part: JSONDocument.Part =
                    member.key == "entries" ? .list(entries.lazy.map(\.json)) : .value(member.value)
                return (member.key, part)
            } + [("changes", .value(changes?.json ?? .null))]
        )
    }
}

extension InventoryChanges {
    /// `changes` of the document that `bailey import --json` prints; see docs/json.md.
    public var json: JSON {
        [
            "since": .string(since.iso8601),
            "entries": .array(
                changes.map { change in
                    [
                        "entry": .string(change.entry.description), "change": .string(change.kind.rawValue),
                        "fields": .array(
                            change.fields.map {
                                ["place": .string($0.place), "before": $0.before, "after": $0.after]
                            }
                        ),
                        "before": change.before?.json ?? .null,
                    ]
                }
            ),
        ]
    }
}
