import GRDB
import LosslessJSON
public import Migration
public import Schedules

/// A record of what is kept for good.
public enum HistoryRecord: Sendable {
    /// A run of legacy's, and how it ended where it was compared.
    case legacy(ObservedRun, entry: String, outcome: Outcome?)
    /// A comparison.
    case compared(ComparedRun)
    /// A fire of an entry.
    case fired(Fire, entry: String)
    /// A line of the journal.
    case journal(JournalLine)
    /// One that this version cannot read, in words.
    case unreadable(String)

    /// A comparison as a record.
    public struct ComparedRun: Sendable {
        /// Its number.
        public var number: Int64
        /// The pipeline.
        public var pipeline: String
        /// The entry.
        public var entry: String
        /// Which run of it.
        public var run: String
        /// The form of the mapping that it was made under.
        public var form: String
        /// What it showed.
        public var verdict: String
        /// When it was made.
        public var comparedAt: Instant
        /// When legacy ran it.
        public var ran: Instant?
        /// What legacy's run took, in seconds, and shadow's.
        public var seconds: (legacy: Double?, shadow: Double?)
        /// How shadow's ended.
        public var state: String?
        /// Whether a later one took its place.
        public var isReplaced: Bool
        /// What kept the body in shadow from having effects.
        public var isolation: String?
        /// How many of its calls nobody could compare.
        public var uncomparedCalls: Int?
        /// Both outcomes and the reason; nil where what is kept cannot be read any more.
        public var comparison: Comparison?
        /// How the two differ: what sort, where, and the rule that hides it.
        public var causes: [(kind: String, place: String, hidden: String)]
    }

    init(_ row: Row, _ stream: HistoryStream, _ database: Database) throws {
        func instant(_ column: String) -> Instant? { (row[column] as Int64?).map { Instant(microseconds: $0) } }
        switch stream {
        case .legacy:
            let entry: String = row["entry"]
            var run = ObservedRun(
                entry: EntryID(entry) ?? EntryID(source: "?", name: entry),
                run: row["run"],
                sent: instant("sent_us"),
                started: instant("started_us"),
                ended: instant("ended_us") ?? .earliest,
                origin: row["origin"],
                standing: ObservedRun.Standing(rawValue: row["standing"]) ?? .open
            )
            (run.fired, run.tick) = (instant("fired_us"), instant("tick_us"))
            self = .legacy(run, entry: entry, outcome: HistoryRecord.comparison(row["document"])?.legacy)
        case .compared:
            let number: Int64 = row["id"]
            let causes = try Row.fetchAll(
                database.cachedStatement(
                    sql: "SELECT kind, place, hidden FROM cause WHERE comparison = ? ORDER BY kind, place, hidden"
                ),
                arguments: [number]
            )
            self = .compared(
                ComparedRun(
                    number: number,
                    pipeline: row["pipeline"],
                    entry: row["entry"],
                    run: row["run"],
                    form: row["form"],
                    verdict: row["verdict"],
                    comparedAt: instant("compared_us") ?? .earliest,
                    ran: instant("ran_us"),
                    seconds: (
                        (row["legacy_us"] as Int64?).map { Double($0) / 1e6 },
                        (row["shadow_us"] as Int64?).map { Double($0) / 1e6 }
                    ),
                    state: row["state"],
                    isReplaced: row["replaced"],
                    isolation: row["isolation"],
                    uncomparedCalls: row["uncompared_calls"],
                    comparison: HistoryRecord.comparison(row["document"]),
                    causes: causes.map { ($0["kind"], $0["place"], $0["hidden"]) }
                )
            )
        case .fired:
            let fire = Fire(
                at: instant("at_us") ?? .earliest,
                tick: instant("tick_us") ?? .earliest,
                isExact: row["exact"],
                run: row["run"]
            )
            self = .fired(fire, entry: row["entry"])
        case .journal:
            let number: Int64 = row["id"]
            self =
                StateStore.line(row).map { .journal($0) }
                ?? .unreadable("line \(number) of the journal has a time or a phase that this version does not know")
        }
    }

    private static func comparison(_ document: String?) -> Comparison? {
        document.flatMap { try? Comparison(json: JSON(parsing: $0)) }
    }
}
