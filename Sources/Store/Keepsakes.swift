import GRDB
public import LosslessJSON
public import Migration
public import Schedules

/// What is kept beside inventories, comparisons and the journal: rehearsals, alerts that were sent, entries that were retired.
extension StateStore {
    static let keepsakeTables = """
        CREATE TABLE rehearsal (
            id INTEGER PRIMARY KEY,
            pipeline TEXT NOT NULL,
            at TEXT NOT NULL,
            document TEXT NOT NULL
        ) STRICT;
        CREATE INDEX rehearsal_pipeline ON rehearsal (pipeline, id);
        CREATE TABLE alert (
            identity TEXT PRIMARY KEY,
            at TEXT NOT NULL
        ) STRICT;
        CREATE TABLE archive (
            id INTEGER PRIMARY KEY,
            pipeline TEXT NOT NULL,
            at TEXT NOT NULL,
            document TEXT NOT NULL
        ) STRICT;
        """

    static let unsentTables = """
        CREATE TABLE unsent_alert (
            identity TEXT PRIMARY KEY,
            document TEXT NOT NULL
        ) STRICT;
        """

    /// Keeps a rehearsal.
    ///
    /// - Throws: `StoreError`.
    public func save(_ rehearsal: Rehearsal) throws(StoreError) {
        let document = rehearsal.json.text()
        try write("saving a rehearsal") { database in
            try database.execute(
                sql: "INSERT INTO rehearsal (pipeline, at, document) VALUES (?, ?, ?)",
                arguments: [rehearsal.pipeline, rehearsal.at.iso8601, document]
            )
        }
    }

    /// The twenty newest rehearsals of a pipeline, oldest first.
    ///
    /// - Throws: `StoreError`.
    public func rehearsals(pipeline: String) throws(StoreError) -> [Rehearsal] {
        let documents = try read("reading rehearsals") { database in
            try String.fetchAll(
                database,
                sql: "SELECT document FROM rehearsal WHERE pipeline = ? ORDER BY id DESC LIMIT 20",
                arguments: [pipeline]
            )
        }
        do {
            return try documents.reversed().map { try Rehearsal(json: JSON(parsing: $0)) }
        } catch {
            throw StoreError(operation: "reading rehearsals", path: path, error)
        }
    }

    /// Notes that people were told of an event, and says whether they had not been before. Those of the last 30 days are remembered.
    ///
    /// - Throws: `StoreError`.
    public func tellsFirst(_ identity: String, at instant: Instant) throws(StoreError) -> Bool {
        try change("noting an alert") { database in
            try database.execute(
                sql: "DELETE FROM alert WHERE at < ?",
                arguments: [instant.adding(seconds: -30 * 86_400).iso8601]
            )
            try database.execute(
                sql: "INSERT OR IGNORE INTO alert (identity, at) VALUES (?, ?)",
                arguments: [identity, instant.iso8601]
            )
            return database.changesCount == 1
        }
    }

    /// Keeps an alert that no way took, to be sent again.
    ///
    /// - Throws: `StoreError`.
    public func keepUnsent(_ document: JSON, identity: String) throws(StoreError) {
        let text = document.text()
        try write("keeping an alert") { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO unsent_alert (identity, document) VALUES (?, ?)",
                arguments: [identity, text]
            )
        }
    }

    /// The alerts that no way has taken yet, by identity.
    ///
    /// - Throws: `StoreError`.
    public func unsentAlerts() throws(StoreError) -> [(identity: String, document: JSON)] {
        let rows = try read("reading unsent alerts") { database in
            try Row.fetchAll(database, sql: "SELECT identity, document FROM unsent_alert ORDER BY rowid")
        }
        do {
            return try rows.map { (identity: $0["identity"], document: try JSON(parsing: $0["document"] as String)) }
        } catch {
            throw StoreError(operation: "reading unsent alerts", path: path, error)
        }
    }

    /// Forgets an alert that was sent after all.
    ///
    /// - Throws: `StoreError`.
    public func forgetUnsent(_ identity: String) throws(StoreError) {
        try write("forgetting an alert") { database in
            try database.execute(sql: "DELETE FROM unsent_alert WHERE identity = ?", arguments: [identity])
        }
    }

    /// Keeps the bytes of entries that are retired.
    ///
    /// - Throws: `StoreError`.
    public func archive(_ document: JSON, pipeline: String, at instant: Instant) throws(StoreError) {
        let text = document.text()
        try write("archiving \(pipeline)") { database in
            try database.execute(
                sql: "INSERT INTO archive (pipeline, at, document) VALUES (?, ?, ?)",
                arguments: [pipeline, instant.iso8601, text]
            )
        }
    }

    /// The newest archive of a pipeline; nil if there is none.
    ///
    /// - Throws: `StoreError`.
    public func archive(pipeline: String) throws(StoreError) -> JSON? {
        let document = try read("reading the archive") { database in
            try String.fetchOne(
                database,
                sql: "SELECT document FROM archive WHERE pipeline = ? ORDER BY id DESC LIMIT 1",
                arguments: [pipeline]
            )
        }
        do { return try document.map { try JSON(parsing: $0) } } catch {
            throw StoreError(operation: "reading the archive", path: path, error)
        }
    }
}
