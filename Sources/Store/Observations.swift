import GRDB
public import Migration
public import Schedules

/// What was seen of legacy's runs and of its clock, and when nobody looked.
extension StateStore {
    static let observationTables = """
        CREATE TABLE legacy_run (
            entry TEXT NOT NULL,
            run TEXT NOT NULL,
            sent_us INTEGER,
            started_us INTEGER,
            ended_us INTEGER NOT NULL,
            origin TEXT,
            standing TEXT NOT NULL,
            fired_us INTEGER,
            tick_us INTEGER,
            PRIMARY KEY (entry, run)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX legacy_run_ended ON legacy_run (entry, ended_us);
        CREATE TABLE clock_sighting (
            entry TEXT NOT NULL,
            seen_us INTEGER NOT NULL,
            last_us INTEGER NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (entry, seen_us)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE fire (
            entry TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            tick_us INTEGER NOT NULL,
            exact INTEGER NOT NULL,
            run TEXT,
            PRIMARY KEY (entry, at_us)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE gap (
            id INTEGER PRIMARY KEY,
            source TEXT NOT NULL,
            from_us INTEGER NOT NULL,
            until_us INTEGER NOT NULL,
            reason TEXT NOT NULL
        ) STRICT;
        CREATE INDEX gap_source ON gap (source, from_us);
        CREATE TABLE watched (
            source TEXT PRIMARY KEY,
            began_us INTEGER NOT NULL,
            -- The last moment at which it is known that nothing was missed.
            until_us INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE unread (
            source TEXT NOT NULL,
            record TEXT NOT NULL,
            reason TEXT NOT NULL,
            seen_us INTEGER NOT NULL,
            PRIMARY KEY (source, record)
        ) STRICT, WITHOUT ROWID;

        """

    /// When runs ended by legacy's word, how often they have ended again since they were seen first, and of which of these ends a comparison is.
    static let repeatedRunColumns = """
        ALTER TABLE legacy_run ADD COLUMN stamped_us INTEGER;
        ALTER TABLE legacy_run ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE compared ADD COLUMN ended_us INTEGER;

        """

    /// Notes runs that were seen to end. What was known of one before is completed, not replaced.
    ///
    /// - Throws: `StoreError`.
    public func note(_ runs: [ObservedRun]) throws(StoreError) {
        guard !runs.isEmpty else { return }
        try write("noting runs") { database in
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO legacy_run (entry, run, sent_us, started_us, ended_us, origin, standing, stamped_us, measured)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET sent_us = coalesce(sent_us, excluded.sent_us),
                    started_us = coalesce(started_us, excluded.started_us), origin = coalesce(origin, excluded.origin),
                    measured = coalesce(measured, excluded.measured),
                    again = again + coalesce(excluded.stamped_us > stamped_us, 0),
                    stamped_us = coalesce(max(stamped_us, excluded.stamped_us), stamped_us, excluded.stamped_us)
                    """
            )
            for run in runs {
                try statement.execute(arguments: [
                    run.entry.description, run.run, run.sent?.microseconds, run.started?.microseconds,
                    run.ended.microseconds, run.origin, run.standing.rawValue, run.stamp?.microseconds,
                    run.measured,
                ])
            }
        }
    }

    /// Notes what the scheduler's clock showed, where that is news.
    ///
    /// - Throws: `StoreError`.
    public func note(_ sightings: [ClockSighting]) throws(StoreError) {
        guard !sightings.isEmpty else { return }
        try write("noting the scheduler's clock") { database in
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO clock_sighting (entry, seen_us, last_us, count) SELECT ?1, ?2, ?3, ?4
                    WHERE NOT EXISTS (SELECT 1 FROM (
                        SELECT last_us, count FROM clock_sighting WHERE entry = ?1 ORDER BY seen_us DESC LIMIT 1)
                        WHERE last_us = ?3 AND count = ?4)
                    ON CONFLICT DO NOTHING
                    """
            )
            for sighting in sightings {
                try statement.execute(arguments: [
                    sighting.entry.description, sighting.seen.microseconds, sighting.last.microseconds, sighting.count,
                ])
            }
        }
    }

    /// Notes a time in which something may have been missed.
    ///
    /// - Throws: `StoreError`.
    public func note(_ gap: ObservationGap) throws(StoreError) {
        try write("noting a gap") { database in
            try database.execute(
                sql: "INSERT INTO gap (source, from_us, until_us, reason) VALUES (?, ?, ?, ?)",
                arguments: [gap.source, gap.from.microseconds, gap.until.microseconds, gap.reason]
            )
        }
    }

    /// Notes a record that could not be read, once.
    ///
    /// - Throws: `StoreError`.
    public func noteUnread(source: String, record: String, reason: String, at instant: Instant) throws(StoreError) {
        try write("noting what could not be read") { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO unread (source, record, reason, seen_us) VALUES (?, ?, ?, ?)",
                arguments: [source, record, reason, instant.microseconds]
            )
        }
    }

    /// Until when it is known that nothing of a source was missed; nil if nobody ever watched it.
    ///
    /// - Throws: `StoreError`.
    public func watched(source: String) throws(StoreError) -> (began: Instant, until: Instant)? {
        try read("reading when a source was watched") { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT began_us, until_us FROM watched WHERE source = ?"),
                arguments: [source]
            )
            .map { (Instant(microseconds: $0["began_us"]), Instant(microseconds: $0["until_us"])) }
        }
    }

    /// Notes that until an instant nothing of a source was missed, but in the gaps that were noted.
    ///
    /// - Throws: `StoreError`.
    public func noteWatched(source: String, until instant: Instant) throws(StoreError) {
        try write("noting that a source is watched") { database in
            try database.execute(
                sql: """
                    INSERT INTO watched (source, began_us, until_us) VALUES (?1, ?2, ?2)
                    ON CONFLICT DO UPDATE SET until_us = max(until_us, excluded.until_us)
                    """,
                arguments: [source, instant.microseconds]
            )
        }
    }

    /// Whether a run of an entry was compared under a form of the mapping.
    ///
    /// - Parameter stamp: when it ended by legacy's word: one that has ended again since it was compared was not. Nil where legacy does not say.
    /// - Throws: `StoreError`.
    public func isCompared(_ entry: EntryID, run: String, pipeline: String, form: String, stamp: Instant? = nil)
        throws(StoreError) -> Bool
    {
        try read("looking whether a run was compared") { database in
            try Bool.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT EXISTS (SELECT 1 FROM compared WHERE pipeline = ? AND entry = ? AND run = ? AND replaced = 0 AND form = ?
                        AND NOT coalesce(ended_us < ?, 0))
                        """
                ),
                arguments: [pipeline, entry.description, run, form, stamp?.microseconds]
            ) ?? false
        }
    }
}

extension StateStore {
    /// When the earliest run of some entries ended that was seen and never compared under any form; nil if there is none.
    ///
    /// - Throws: `StoreError`.
    public func earliestUncompared(_ entries: [EntryID]) throws(StoreError) -> Instant? {
        try read("looking for runs that were not compared") { database in
            var earliest: Int64?
            for entry in entries {
                let found = try Int64.fetchOne(
                    database.cachedStatement(
                        sql: """
                            SELECT min(ended_us) FROM legacy_run r WHERE entry = ?1 AND NOT EXISTS (
                                SELECT 1 FROM compared c WHERE c.entry = r.entry AND c.run = r.run)
                            """
                    ),
                    arguments: [entry.description]
                )
                if let found { earliest = min(earliest ?? found, found) }
            }
            return earliest.map { Instant(microseconds: $0) }
        }
    }

    /// Whether runs of an entry were seen that nobody has judged.
    ///
    /// - Throws: `StoreError`.
    public func hasOpenRuns(_ entry: EntryID) throws(StoreError) -> Bool {
        try read("looking for runs that nobody has judged") { database in
            try Bool.fetchOne(
                database.cachedStatement(
                    sql: "SELECT EXISTS (SELECT 1 FROM legacy_run WHERE entry = ? AND standing = 'open')"
                ),
                arguments: [entry.description]
            ) ?? false
        }
    }
}

extension StateStore {
    /// The newest times at which an entry is known to have been fired, newest first, each with its run where that was seen.
    ///
    /// - Throws: `StoreError`.
    public func fires(_ entry: EntryID, limit: Int) throws(StoreError) -> [Fire] {
        try read("reading when \(entry) was fired") { try StateStore.fires($0, entry, limit) }
    }

    /// The same of many entries, in one reading.
    ///
    /// - Throws: `StoreError`.
    public func fires(_ entries: [EntryID], limit: Int) throws(StoreError) -> [EntryID: [Fire]] {
        try read("reading when entries were fired") { database in
            try entries.reduce(into: [:]) { $0[$1] = try StateStore.fires(database, $1, limit) }
        }
    }

    private static func fires(_ database: Database, _ entry: EntryID, _ limit: Int) throws -> [Fire] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: "SELECT at_us, tick_us, exact, run FROM fire WHERE entry = ? ORDER BY at_us DESC LIMIT ?"
            ),
            arguments: [entry.description, limit]
        ).map { row in
            Fire(
                at: Instant(microseconds: row["at_us"]),
                tick: Instant(microseconds: row["tick_us"]),
                isExact: row["exact"],
                run: row["run"]
            )
        }
    }
}

extension StateStore {
    /// How many seconds the newest runs of an entry took that were seen to begin and to end, of at most so many: by one clock where one told both.
    ///
    /// - Throws: `StoreError`.
    public func legacyDurations(_ entry: EntryID, limit: Int = 500) throws(StoreError) -> [Double] {
        try read("reading how long runs of \(entry) took") { database in
            try Double.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT coalesce(measured, (ended_us - started_us) / 1e6) AS seconds FROM legacy_run
                        WHERE entry = ? AND (measured >= 0 OR measured IS NULL AND ended_us > started_us)
                        AND standing IN ('tick', 'by-schedule', 'job') ORDER BY ended_us DESC LIMIT ?
                        """
                ),
                arguments: [entry.description, limit]
            )
        }
    }
}
