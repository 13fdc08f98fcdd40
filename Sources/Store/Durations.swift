import GRDB
public import Migration

/// How long legacy's runs took, by what workers told: their events, and logs that people gave. A run counts once for each, however often it is told.
extension StateStore {
    static let durationTables = """
        CREATE TABLE duration (
            source TEXT NOT NULL,
            run TEXT NOT NULL,
            witness TEXT NOT NULL,
            task TEXT NOT NULL,
            seconds REAL,
            PRIMARY KEY (source, run, witness)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX duration_task ON duration (source, task);
        ALTER TABLE legacy_run ADD COLUMN measured REAL;
        CREATE TABLE events_on (
            source TEXT NOT NULL,
            worker TEXT NOT NULL,
            PRIMARY KEY (source, worker)
        ) STRICT, WITHOUT ROWID;
        """

    /// A run of a task that somebody told of.
    public struct ToldRun: Sendable, Hashable {
        /// The id of its message.
        public var run: String
        /// Its task.
        public var task: String
        /// How long it took; nil where that is not told, for it was tried again. It stays so, whatever is told later.
        public var seconds: Double?

        /// Makes a run.
        public init(run: String, task: String, seconds: Double?) {
            (self.run, self.task, self.seconds) = (run, task, seconds)
        }
    }

    /// Keeps runs, and says how many of them were not known.
    ///
    /// - Throws: `StoreError`.
    public func keep(_ runs: [ToldRun], source: String, witness: KnownDurations.Witness) throws(StoreError) -> Int {
        try change("keeping how long runs took") { database in
            let insert = try database.cachedStatement(
                sql: """
                    INSERT INTO duration (source, run, witness, task, seconds) VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (source, run, witness) DO NOTHING
                    """
            )
            var new = 0
            for run in runs {
                try insert.execute(arguments: [source, run.run, witness.rawValue, run.task, run.seconds])
                new += database.changesCount
                guard run.seconds == nil else { continue }
                try database.execute(
                    sql: "UPDATE duration SET seconds = NULL WHERE source = ? AND run = ? AND witness = ?",
                    arguments: [source, run.run, witness.rawValue]
                )
            }
            return new
        }
    }

    /// What is known of each task of a source; events before logs.
    ///
    /// - Throws: `StoreError`.
    public func durations(source: String) throws(StoreError) -> [String: KnownDurations] {
        let rows = try read("reading how long runs took") { database in
            try Row.fetchAll(
                database,
                sql: "SELECT task, witness, seconds FROM duration WHERE source = ? AND seconds IS NOT NULL",
                arguments: [source]
            ).map { row -> (task: String, witness: String, seconds: Double) in
                (row["task"], row["witness"], row["seconds"])
            }
        }
        var found: [String: KnownDurations] = [:]
        for witness in KnownDurations.Witness.allCases {
            let seconds = Dictionary(grouping: rows.filter { $0.witness == witness.rawValue }, by: \.task)
            for (task, told) in seconds where found[task] == nil {
                found[task] = KnownDurations(told.map(\.seconds), witness: witness)
            }
        }
        return found
    }

    /// The workers whose events may still be on because Bailey switched them on and did not come to switch them off.
    ///
    /// - Throws: `StoreError`.
    public func eventsOn(source: String) throws(StoreError) -> [String] {
        try read("reading whose events are on") { database in
            try String.fetchAll(
                database,
                sql: "SELECT worker FROM events_on WHERE source = ? ORDER BY worker",
                arguments: [source]
            )
        }
    }

    /// Notes the workers whose events Bailey switches on; of none, that all are off again.
    ///
    /// - Throws: `StoreError`.
    public func noteEventsOn(_ workers: [String], source: String) throws(StoreError) {
        try write("noting whose events are on") { database in
            try database.execute(sql: "DELETE FROM events_on WHERE source = ?", arguments: [source])
            for worker in Set(workers) {
                try database.execute(
                    sql: "INSERT INTO events_on (source, worker) VALUES (?, ?)",
                    arguments: [source, worker]
                )
            }
        }
    }
}
