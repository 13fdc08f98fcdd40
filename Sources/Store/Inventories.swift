import GRDB
import LosslessJSON
public import Migration
public import Schedules

/// Inventories, and what entries were before they changed.
///
/// The ten latest inventories are kept, and the one that was planned last. When a new one differs from that, what it has otherwise or no more is
/// kept for ever: an entry as it was planned can always be had back, byte for byte.
extension StateStore {
    static let pastEntryTables = """
        ALTER TABLE inventory ADD COLUMN planned INTEGER NOT NULL DEFAULT 0;
        -- Name and digest of what no run changes; those of before have neither.
        ALTER TABLE inventory_entry ADD COLUMN entry TEXT;
        ALTER TABLE inventory_entry ADD COLUMN content TEXT;
        CREATE TABLE past_entry (
            id INTEGER PRIMARY KEY,
            entry TEXT NOT NULL,
            -- When it was read so, and when it was first seen otherwise.
            read_at TEXT NOT NULL,
            replaced_at TEXT NOT NULL,
            change TEXT NOT NULL,
            document TEXT NOT NULL,
            UNIQUE (entry, read_at)
        ) STRICT;
        """

    /// How many entries are made text, or of text, at once.
    private static let entriesAtOnce = 2000

    /// Keeps an inventory, and what the planned one holds otherwise.
    ///
    /// - Throws: `StoreError`.
    public func save(_ inventory: Inventory, changes: InventoryChanges? = nil) throws(StoreError) {
        let head = Inventory(readAt: inventory.readAt, sources: inventory.sources, unread: inventory.unread).json.text()
        try write("saving the inventory") { database in
            try database.execute(
                sql: "INSERT INTO inventory (read_at, document) VALUES (?, ?)",
                arguments: [inventory.readAt.iso8601, head]
            )
            let id = database.lastInsertedRowID
            let statement = try database.makeStatement(
                sql: "INSERT INTO inventory_entry (inventory, entry, content, document) VALUES (?, ?, ?, ?)"
            )
            for start in stride(from: 0, to: inventory.entries.count, by: StateStore.entriesAtOnce) {
                let rows = sideBySide(Array(inventory.entries.dropFirst(start).prefix(StateStore.entriesAtOnce))) {
                    ($0.id.description, $0.contentDigest.description, $0.json.text())
                }
                for (name, content, text) in rows { try statement.execute(arguments: [id, name, content, text]) }
            }
            for change in changes?.changes ?? [] {
                guard let before = change.before, let since = changes?.since.iso8601 else { continue }
                try database.execute(
                    sql: """
                        INSERT OR IGNORE INTO past_entry (entry, read_at, replaced_at, change, document) VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        before.id.description, since, inventory.readAt.iso8601, change.kind.rawValue,
                        before.json.text(),
                    ]
                )
            }
            try database.execute(
                sql: """
                    DELETE FROM inventory WHERE id NOT IN (SELECT id FROM inventory ORDER BY id DESC LIMIT 10)
                    AND id NOT IN (SELECT id FROM inventory WHERE planned ORDER BY id DESC LIMIT 1)
                    """
            )
        }
    }

    /// The latest inventory; nil if there is none yet.
    ///
    /// - Throws: `StoreError`.
    public func latestInventory() throws(StoreError) -> Inventory? {
        try read("reading the inventory") { database in
            guard
                let row = try Row.fetchOne(database, sql: "SELECT id, document FROM inventory ORDER BY id DESC LIMIT 1")
            else { return nil }
            let id: Int64 = row["id"]
            let head: String = row["document"]
            var inventory = try Inventory(json: JSON(parsing: head))
            var entries: [LegacyEntry] = []
            let documents = try String.fetchCursor(
                database,
                sql: "SELECT document FROM inventory_entry WHERE inventory = ? ORDER BY id",
                arguments: [id]
            )
            var texts: [String] = []
            func read() throws {
                entries += try sideBySide(texts) { text in
                    Result { try LegacyEntry(json: JSON(parsing: text)) }
                }.map { try $0.get() }
                texts.removeAll(keepingCapacity: true)
            }
            while let document = try documents.next() {
                texts.append(document)
                if texts.count == StateStore.entriesAtOnce { try read() }
            }
            try read()
            inventory.add(entries)
            return inventory
        }
    }

    /// Notes that the inventory that was read at an instant was planned: later ones are compared with it.
    ///
    /// - Throws: `StoreError`.
    public func notePlanned(_ readAt: Instant) throws(StoreError) {
        let isNoted = try read("looking for the inventory") { database in
            try Bool.fetchOne(
                database,
                sql: "SELECT planned FROM inventory WHERE read_at = ? ORDER BY id DESC LIMIT 1",
                arguments: [readAt.iso8601]
            )
        }
        // One from a file is none of ours.
        guard isNoted == false else { return }
        try write("noting what was planned") { database in
            try database.execute(
                sql: """
                    UPDATE inventory SET planned = 1
                    WHERE id = (SELECT id FROM inventory WHERE read_at = ? ORDER BY id DESC LIMIT 1)
                    """,
                arguments: [readAt.iso8601]
            )
        }
    }

    /// What is different in an inventory from the one that was planned last, or from the latest if none ever was; nil if there is none.
    ///
    /// - Throws: `StoreError`.
    public func changes(in new: Inventory) throws(StoreError) -> InventoryChanges? {
        try read("comparing the inventory") { database in
            guard
                let head = try Row.fetchOne(
                    database,
                    sql: "SELECT id, read_at FROM inventory ORDER BY planned DESC, id DESC LIMIT 1"
                ), let since = Instant(iso8601: head["read_at"])
            else { return nil }
            var comparison = InventoryComparison(new, since: since)
            let one = try database.makeStatement(sql: "SELECT document FROM inventory_entry WHERE id = ?")
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT id, entry, content FROM inventory_entry WHERE inventory = ? ORDER BY id",
                arguments: [head["id"] as Int64]
            )
            while let row = try rows.next() {
                if let name: String = row["entry"], let id = EntryID(name), let content: String = row["content"],
                    comparison.passes(id, content: content)
                {
                    continue
                }
                guard let document = try String.fetchOne(one, arguments: [row["id"] as Int64]) else { continue }
                comparison.take(try LegacyEntry(json: JSON(parsing: document)))
            }
            return comparison.changed()
        }
    }

    /// The names that entries of the latest inventory had before, oldest first.
    ///
    /// - Throws: `StoreError`.
    public func formerNames() throws(StoreError) -> [EntryID: [EntryID]] {
        try read("looking for earlier names") { database in
            let documents = try String.fetchCursor(
                database,
                sql: """
                    SELECT document FROM inventory_entry WHERE inventory = (SELECT max(id) FROM inventory)
                    AND instr(document, '"formerly":["')
                    """
            )
            var names: [EntryID: [EntryID]] = [:]
            while let document = try documents.next() {
                let entry = try LegacyEntry(json: JSON(parsing: document))
                if !entry.formerly.isEmpty { names[entry.id] = entry.formerly }
            }
            return names
        }
    }

    /// What an entry was before it changed, earliest first.
    ///
    /// - Throws: `StoreError`.
    public func pastEntries(of entry: EntryID) throws(StoreError) -> [PastEntry] {
        try read("reading what \(entry) was") { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM past_entry WHERE entry = ? ORDER BY id",
                arguments: [entry.description]
            ).map { row in
                let document: String = row["document"]
                return PastEntry(
                    readAt: Instant(iso8601: row["read_at"]),
                    replacedAt: Instant(iso8601: row["replaced_at"]),
                    change: InventoryChanges.Change.Kind(rawValue: row["change"]),
                    entry: try LegacyEntry(json: JSON(parsing: document))
                )
            }
        }
    }
}

/// An entry as it was planned, and no longer is.
public struct PastEntry: Sendable, Hashable {
    /// When it was read so.
    public var readAt: Instant?
    /// When it was first seen otherwise.
    public var replacedAt: Instant?
    /// What became of it.
    public var change: InventoryChanges.Change.Kind?
    /// As it was, its stored bytes with it.
    public var entry: LegacyEntry
}
