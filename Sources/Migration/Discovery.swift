public import Schedules

/// What one look at some servers found: legacy systems, and lines of crontabs.
public struct Discovery: Sendable, Hashable {
    /// When the look began.
    public var at: Instant
    /// The servers, in the order in which they were named.
    public var servers: [ServerSeen]
    /// The systems, by server and place.
    public var systems: [DiscoveredSystem]
    /// The lines of crontabs, in the files' order.
    public var lines: [JudgedLine]
    /// Crontabs of which no line runs anything.
    public var idle: [String] = []
    /// Crontabs that are files of this machine, and so can be sources.
    public var crontabs: [String] = []
    /// What a person must know, of lines and of the look as a whole.
    public var findings: [Finding]

    /// Makes one.
    public init(
        at: Instant,
        servers: [ServerSeen] = [],
        systems: [DiscoveredSystem] = [],
        lines: [JudgedLine] = [],
        findings: [Finding] = []
    ) {
        self.at = at
        self.servers = servers
        self.systems = systems
        self.lines = lines
        self.findings = findings
    }

    /// Whether every server answered.
    public var isWhole: Bool { servers.allSatisfy { $0.trouble == nil } }

    /// Whether nothing at all was found: perhaps it was looked for in the wrong place.
    public var isEmpty: Bool { systems.isEmpty && lines.isEmpty }

    /// Whether no finding is of severity `error`.
    public var holds: Bool { !findings.contains { $0.severity == .error } }
}

/// A server that was looked at.
public struct ServerSeen: Sendable, Hashable {
    /// The address without credentials.
    public var address: String
    /// Product and version; nil if it did not answer.
    public var product: String?
    /// Why it could not be looked at; nil if it could.
    public var trouble: String?
    /// What was not seen of it, and why: what is not named in the systems may lie there.
    public var unseen: [String]
    /// What it holds, whatever that is: databases and their keys, or tables and about how many rows.
    public var contents: [String] = []

    /// Makes one.
    public init(address: String, product: String? = nil, trouble: String? = nil, unseen: [String] = []) {
        self.address = address
        self.product = product
        self.trouble = trouble
        self.unseen = unseen
    }
}

/// Something on a server that schedules or queues work, or looks as if it did.
public struct DiscoveredSystem: Sendable, Hashable {
    /// How sure it is that it is what it is said to be.
    public enum Certainty: String, Sendable, Hashable, CaseIterable {
        /// It was read as such.
        case certain
        /// Its form is that of the system alone.
        case likely
        /// It looks like one.
        case possible
    }

    /// What can be done with it.
    public enum Outlook: String, Sendable, Hashable, CaseIterable {
        /// It is read, and a switch moves it and gives it back.
        case moves
        /// It is read, planned, generated and shadowed; no switch moves it.
        case readOnly = "read-only"
        /// Nothing of Bailey's reads it as it is.
        case notRead = "not-read"
    }

    /// What is better left where it is, with the numbers that say so.
    public struct Kept: Sendable, Hashable {
        /// The entry or job type.
        public var name: String
        /// Runs a day.
        public var perDay: Double
        /// The median of a run's seconds; nil if nothing tells it.
        public var seconds: Double?
        /// Why, in one sentence.
        public var reason: String

        /// Makes one.
        public init(name: String, perDay: Double, seconds: Double?, reason: String) {
            self.name = name
            self.perDay = perDay
            self.seconds = seconds
            self.reason = reason
        }
    }

    /// What something does in an application of Celery's: which of several belong together is told by these, whatever systems they are.
    public enum Part: Sendable, Hashable {
        /// Messages pass through it to workers.
        case broker
        /// Its workers tell a schedule that stands in code.
        case told
        /// It holds a schedule whose messages pass through a broker.
        case stored
        /// A beat was seen to drive the schedule that it holds.
        case driven
        /// It keeps results beside its schedule.
        case results
    }

    /// What it is: `RedBeat`, `procrastinate`, `a table that looks like a job queue`.
    public var what: String
    /// What it does for Celery; none if it is no part of it.
    public var parts: Set<Part> = []
    /// The `kind` of `bailey.yaml` that reads it; nil if none does.
    public var kind: String?
    /// The server's address, with the database, without credentials.
    public var address: String
    /// Where on it: a key prefix, a table, a channel.
    public var place: String
    /// How sure that is.
    public var certainty: Certainty
    /// What was seen, one sentence each.
    public var evidence: [String]
    /// How much there is, as far as it was counted; nil if it was not.
    public var amount: Int?
    /// What is counted: `entries`, `rows`, `job types`.
    public var unit: String
    /// Who writes it, as far as that was seen.
    public var writers: [String]
    /// What can be done with it.
    public var outlook: Outlook
    /// Why, and what to do next, in one sentence.
    public var advice: String
    /// What of it is better left where it is.
    public var keeps: [Kept]
    /// The names of its entries, where they were read: two systems that hold the same are seen by them.
    public var entries: [String]
    /// The keys of its source in `bailey.yaml` beside `kind` and `url`; nil if it is not to stand there.
    public var settings: [Setting]?
    /// What is added to the server's URL to lead there: a database, a schema.
    public var query: String?
    /// How `bailey.yaml` is to name the server's URL: a variable, or the URL itself where it holds no password.
    public var reference = ""
    /// Why its source is not to be read as it stands, and so is written as a comment; nil if it can be.
    public var blocked: String?

    /// Where Celery's results are kept, as its workers say it: the setting `result_backend`, with passwords masked. Nil if none said it.
    public var results: String?

    /// A key of a source and its text.
    public struct Setting: Sendable, Hashable {
        /// The keys whose text is a URL, which may name a variable.
        public static let urls: Set<String> = ["broker_url", "results_url"]

        /// The key.
        public var key: String
        /// The text.
        public var value: String

        /// Makes one.
        public init(_ key: String, _ value: String) { (self.key, self.value) = (key, value) }
    }

    /// Makes one.
    public init(
        what: String,
        kind: String?,
        address: String,
        place: String,
        certainty: Certainty,
        evidence: [String],
        amount: Int?,
        unit: String,
        outlook: Outlook,
        advice: String
    ) {
        self.what = what
        self.kind = kind
        self.address = address
        self.place = place
        self.certainty = certainty
        self.evidence = evidence
        self.amount = amount
        self.unit = unit
        self.outlook = outlook
        self.advice = advice
        writers = []
        keeps = []
        entries = []
    }
}

/// A line of a crontab with what is to become of it.
public struct JudgedLine: Sendable, Hashable {
    /// Where it stands.
    public var location: SourceLocation
    /// When, as written; empty for a line that could not be read.
    public var schedule: String
    /// The command; the whole line for one that could not be read.
    public var command: String
    /// The user it runs as, where the file says.
    public var user: String?
    /// The same in words.
    public var words: String?
    /// The IANA zone that the file names (`CRON_TZ`); nil for the machine's own.
    public var timezone: String?
    /// Runs a day on average.
    public var perDay: Double?
    /// The next three times, in the file's zone, or in UTC where it names none.
    public var nextTicks: [Instant]
    /// What is to become of it.
    public var verdict: EntryJudgement.Verdict
    /// Why.
    public var reason: String

    /// Makes one that cannot be read.
    public init(unread command: String, at location: SourceLocation, reason: String) {
        self.location = location
        self.command = command
        self.reason = reason
        schedule = ""
        nextTicks = []
        verdict = .unsupported
    }

    /// Makes one.
    public init(
        schedule: String,
        command: String,
        user: String?,
        at location: SourceLocation,
        verdict: EntryJudgement.Verdict,
        reason: String
    ) {
        self.schedule = schedule
        self.command = command
        self.user = user
        self.location = location
        self.verdict = verdict
        self.reason = reason
        nextTicks = []
    }
}
