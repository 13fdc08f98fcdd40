import GRDB
public import Migration
public import Schedules

/// What is kept for good, as facts for an analysis: by the hour in which it happened.
public enum HistoryStream: String, Sendable, Hashable, CaseIterable {
    /// Legacy's runs as they were seen to end.
    case legacy
    /// Comparisons, with the runs in shadow that were compared.
    case compared
    /// The times at which legacy's scheduler fired entries.
    case fired
    /// The journal.
    case journal
}

/// An hour of a stream, in UTC.
public struct HistoryHour: Sendable, Hashable {
    /// When it begins.
    public var begins: Instant
    /// How many records it has.
    public var records: Int
    /// What is another one if any of them is another one.
    public var digest: String
}

extension StateStore {
    static let historyTables = """
        CREATE TABLE identity (name TEXT NOT NULL) STRICT;
        INSERT INTO identity (name) VALUES (lower(hex(randomblob(16))));
        CREATE INDEX legacy_run_time ON legacy_run (ended_us);
        CREATE INDEX fire_time ON fire (at_us);
        CREATE INDEX compared_time ON compared (compared_us);
        CREATE INDEX journal_time ON journal (at);
        """

    /// What tells this state from every other; a copy has the same.
    ///
    /// - Throws: `StoreError`.
    public func identity() throws(StoreError) -> String {
        try read("reading its name") { try String.fetchOne($0, sql: "SELECT name FROM identity") ?? "" }
    }

    /// The hours of a stream, earliest first: one pass over it, which keeps no record.
    ///
    /// - Throws: `StoreError`.
    public func hours(of stream: HistoryStream) throws(StoreError) -> [HistoryHour] {
        try read("looking through history") { database in
            let rows = try Row.fetchCursor(database, sql: stream.digestSQL)
            var hours: [HistoryHour] = []
            // Of the records of an hour in their order.
            var text = ""
            func end(_ hour: inout HistoryHour) { hour.digest = StableDigest(hour.digest + text).description }
            while let row = try rows.next() {
                let begins = stream.hour(row)
                if hours.last?.begins != begins {
                    if !hours.isEmpty { end(&hours[hours.count - 1]) }
                    text = ""
                    hours.append(HistoryHour(begins: begins, records: 0, digest: HistoryStream.form))
                }
                hours[hours.count - 1].records += 1
                for (_, value) in row.dropFirst() { text += "\(value)|" }
                text += "\n"
                if text.utf8.count > 65_536 {
                    end(&hours[hours.count - 1])
                    text = ""
                }
            }
            if !hours.isEmpty { end(&hours[hours.count - 1]) }
            return hours
        }
    }

    /// Some records of an hour, in a fixed order.
    ///
    /// - Parameters:
    ///   - offset: how many of them are passed over.
    ///   - limit: the most of them.
    /// - Throws: `StoreError`.
    public func history(_ stream: HistoryStream, hour: Instant, offset: Int, limit: Int) throws(StoreError)
        -> [HistoryRecord]
    {
        let end = hour.adding(seconds: 3600)
        // As texts, an instant with a fraction comes before the same without one: what is compared ends with the hour.
        let (from, until) =
            stream == .journal
            ? (String(hour.iso8601.prefix(13)).databaseValue, String(end.iso8601.prefix(13)).databaseValue)
            : (hour.microseconds.databaseValue, end.microseconds.databaseValue)
        return try read("reading history") { database in
            let rows = try Row.fetchAll(
                database.cachedStatement(sql: stream.recordSQL),
                arguments: [from, until, limit, offset]
            )
            return try rows.map { try HistoryRecord($0, stream, database) }
        }
    }

    /// When nobody watched which source.
    ///
    /// - Throws: `StoreError`.
    public func gaps() throws(StoreError) -> [ObservationGap] {
        try read("reading when nobody watched") { database in
            try Row.fetchAll(database, sql: "SELECT source, from_us, until_us, reason FROM gap ORDER BY id").map {
                row in
                ObservationGap(
                    source: row["source"],
                    from: Instant(microseconds: row["from_us"]),
                    until: Instant(microseconds: row["until_us"]),
                    reason: row["reason"]
                )
            }
        }
    }
}

extension HistoryStream {
    /// Changes when the same record is written differently, so that all is written anew.
    fileprivate static let form = "1"

    /// Each record's time, then what of it can change, in the order of time.
    fileprivate var digestSQL: String {
        switch self {
        case .legacy:
            """
            SELECT ended_us AS at, entry, run, sent_us, started_us, ended_us, origin, standing, tick_us,
                (SELECT max(id) FROM compared c WHERE c.entry = r.entry AND c.run = r.run)
            FROM legacy_run r ORDER BY ended_us, entry, run
            """
        case .compared: "SELECT compared_us AS at, id, replaced FROM compared ORDER BY compared_us, id"
        case .fired: "SELECT at_us AS at, entry, at_us, tick_us, exact, run FROM fire ORDER BY at_us, entry"
        case .journal: "SELECT at, id FROM journal ORDER BY at, id"
        }
    }

    fileprivate var recordSQL: String {
        switch self {
        case .legacy:
            """
            SELECT r.*, (SELECT document FROM compared c WHERE c.entry = r.entry AND c.run = r.run ORDER BY id DESC LIMIT 1)
                AS document
            FROM legacy_run r WHERE ended_us >= ? AND ended_us < ? ORDER BY ended_us, entry, run LIMIT ? OFFSET ?
            """
        case .compared:
            "SELECT * FROM compared WHERE compared_us >= ? AND compared_us < ? ORDER BY compared_us, id LIMIT ? OFFSET ?"
        case .fired: "SELECT * FROM fire WHERE at_us >= ? AND at_us < ? ORDER BY at_us, entry LIMIT ? OFFSET ?"
        case .journal: "SELECT * FROM journal WHERE at >= ? AND at < ? ORDER BY at, id LIMIT ? OFFSET ?"
        }
    }

    /// The hour that a record lies in.
    fileprivate func hour(_ row: Row) -> Instant {
        let at: Instant
        if self == .journal {
            // Its hour may be read although the rest cannot.
            let text: String = row["at"]
            at = Instant(iso8601: text.prefix(13) + ":00:00Z") ?? .earliest
        } else {
            at = Instant(microseconds: row["at"])
        }
        let seconds = at.seconds
        return Instant(seconds: seconds - (seconds % 3600 + 3600) % 3600)
    }
}
