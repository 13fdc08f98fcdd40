import Foundation
import GRDB
import LosslessJSON
import Migration
import Schedules

/// Bailey's own state in a SQLite file: inventories, comparisons and the journal. Safe under several processes at once: write-ahead log, one writer at a
/// time, each change one transaction.
public struct StateStore: Sendable {
    /// The file.
    public let path: String
    private let pool: DatabasePool

    /// Opens the file, making it and its folder if need be, and brings its tables up to date.
    ///
    /// - Throws: `StoreError`.
    public init(path: String) throws(StoreError) {
        self.path = path
        do {
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
            try StateStore.makePrivate(path, in: folder.path)
            var configuration = Configuration()
            // Another process's write is waited for, not failed on.
            configuration.busyMode = .timeout(10)
            // A line of the journal must outlive the machine's power, not only the process.
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            pool = try DatabasePool(path: path, configuration: configuration)
            if let newer = try pool.read(StateStore.migrationOfANewerBailey) {
                throw NewerState(migration: newer)
            }
            try StateStore.migrate(pool)
        } catch {
            throw StoreError(operation: "opening", path: path, error)
        }
    }

    /// Another process may make the same tables between the look at what is missing and the writing; looking again finds them made.
    private static func migrate(_ pool: DatabasePool) throws {
        let migrator = StateStore.migrator
        for _ in migrator.migrations {
            do { return try migrator.migrate(pool) } catch is DatabaseError {}
        }
        try migrator.migrate(pool)
    }

    /// A migration that the file has seen and this version does not know; nil if there is none.
    private static func migrationOfANewerBailey(_ database: Database) throws -> String? {
        guard try database.tableExists("grdb_migrations") else { return nil }
        return try migrator.appliedIdentifiers(database).subtracting(migrator.migrations).min()
    }

    /// Makes the file and its folder so that nobody else reads them: they hold the arguments and results of every job. Files that SQLite makes
    /// beside it get its mode.
    private static func makePrivate(_ path: String, in folder: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        // It is made without being opened: to close a file takes away the locks that SQLite holds on it for another connection of this process.
        mknod(path, S_IFREG | 0o600, 0)
        var found = stat()
        // Earlier versions left that to the user's mask. What cannot be set right or opened, SQLite says better.
        guard stat(path, &found) == 0, found.st_uid == geteuid(), found.st_mode & 0o077 != 0 else { return }
        for name in [path, path + "-wal", path + "-shm"] { chmod(name, 0o600) }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 inventories and comparisons") { database in
            try database.execute(
                sql: """
                    CREATE TABLE inventory (
                        id INTEGER PRIMARY KEY,
                        read_at TEXT NOT NULL,
                        document TEXT NOT NULL
                    ) STRICT;
                    CREATE TABLE comparison (
                        id INTEGER PRIMARY KEY,
                        pipeline TEXT NOT NULL,
                        entry TEXT NOT NULL,
                        tick TEXT NOT NULL,
                        job TEXT NOT NULL,
                        verdict TEXT NOT NULL,
                        compared_at TEXT NOT NULL,
                        document TEXT NOT NULL,
                        UNIQUE (pipeline, entry, tick, job)
                    ) STRICT;
                    CREATE INDEX comparison_pipeline ON comparison (pipeline, compared_at);
                    """
            )
        }
        migrator.registerMigration("2 journal and operators' locks") { database in
            try database.execute(sql: journalTables)
        }
        migrator.registerMigration("3 rehearsals, alerts, archives") { database in
            try database.execute(sql: keepsakeTables)
        }
        // Documents that were stored before have their entries in themselves.
        migrator.registerMigration("4 entries of inventories, a row each") { database in
            try database.execute(
                sql: """
                    CREATE TABLE inventory_entry (
                        id INTEGER PRIMARY KEY,
                        inventory INTEGER NOT NULL REFERENCES inventory (id) ON DELETE CASCADE,
                        document TEXT NOT NULL
                    ) STRICT;
                    CREATE INDEX inventory_entry_inventory ON inventory_entry (inventory, id);
                    """
            )
        }
        migrator.registerMigration("5 alerts to send again") { database in
            try database.execute(sql: unsentTables)
        }
        migrator.registerMigration("6 what was compared and what was seen") { database in
            try database.execute(sql: comparisonTables + observationTables)
        }
        migrator.registerMigration("7 how far pipelines are retired") { try makeRetirements($0) }
        migrator.registerMigration("8 sandboxes and calls as figures") { try addEffectColumns($0) }
        migrator.registerMigration("9 a name of its own, and history by time") { try $0.execute(sql: historyTables) }
        migrator.registerMigration("10 runs that ended again") { try $0.execute(sql: repeatedRunColumns) }
        migrator.registerMigration("11 what entries were") { try $0.execute(sql: pastEntryTables) }
        migrator.registerMigration("12 how long runs took, as workers told") { try $0.execute(sql: durationTables) }
        return migrator
    }

    func write(_ operation: String, _ body: (Database) throws -> Void) throws(StoreError) {
        try change(operation, body)
    }

    func change<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do { return try pool.write(body) } catch { throw StoreError(operation: operation, path: path, error) }
    }

    func read<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do { return try pool.read(body) } catch { throw StoreError(operation: operation, path: path, error) }
    }
}

/// State that a newer Bailey has written.
private struct NewerState: Error, CustomStringConvertible {
    let migration: String

    var description: String {
        "it was written by a newer Bailey (its tables have the change “\(migration)”, which this version does not know), so it is left alone. Use that version"
    }
}

/// Why Bailey's own state could not be read or written.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// One line: what was being done, to which file, what was found, what to do.
    public let description: String

    init(operation: String, path: String, _ error: any Error) {
        let advice = error is NewerState ? "" : ". See whether the disk is full and the file writable"
        description = "Bailey's state in \(path), \(operation): \(error)\(advice)"
    }
}
