public import LosslessJSON
public import Schedules

/// One thing that fires or can be queued, as it was read from its source.
public struct LegacyEntry: Sendable, Hashable {
    /// What sort of thing an entry is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A RedBeat entry in Redis.
        case redbeat
        /// An entry of a Celery application's `beat_schedule`, which stands in its code.
        case beat
        /// A job type of a PostgreSQL queue: it has no clock of its own.
        case jobType = "job-type"
        /// A recurring row that a PostgreSQL system keeps, and that sends a Celery task.
        case recurring
        /// A line of a crontab: a shell runs its command.
        case commandLine = "command-line"
        /// SQL that a scheduler in a PostgreSQL server runs.
        case statement
        /// A container that a cluster starts.
        case container
        /// A function that a scheduler within an application calls, and that nothing but its own pickle tells.
        case pickled
        /// A recurring row by which a job of a queue is put in line.
        case recurringJob = "recurring-job"
        /// A sequence of agents that an application calls, one after another, on request: it has no clock.
        case workflow
    }

    /// The identity, unique in an inventory.
    public var id: EntryID
    /// What sort of thing it is.
    public var kind: Kind
    /// The name of the task or function it runs: a Celery task name, a job type.
    public var task: String
    /// Positional arguments; an array, or null where the source says null.
    public var args: JSON
    /// Keyword arguments; an object, or null.
    public var kwargs: JSON
    /// The source's own options (queue, expires, priority, …); an object.
    public var options: JSON
    /// Whether legacy would fire it now. Follows the source's own truth rule (RedBeat takes any truthy value).
    public var enabled: Bool
    /// When it is due; nil for a job type.
    public var schedule: Schedule?
    /// The schedule in the source's own notation (for RedBeat the JSON of `definition.schedule`); null for a job type.
    public var scheduleSource: JSON
    /// The IANA zone its schedule is read in; nil when the source does not tell.
    public var timezone: String?
    /// What legacy recorded of its runs; nil when it records nothing.
    public var history: RunHistory?
    /// How long runs of its task took, as workers told; nil where they did not, or where another entry has the same task. No part of an inventory.
    public var told: KnownDurations?
    /// The instant legacy last fired it; nil when never or unknown.
    public var lastRun: Instant?
    /// How often legacy says it fired; nil when unknown.
    public var runCount: Int?
    /// Whether the entry comes from the application's code, so that a restart of beat writes it anew; nil when unknown.
    public var isStatic: Bool?
    /// The names it had before, oldest first: what mappings call it so still means it.
    public var formerly: [EntryID] = []
    /// What the reader saw that a person must know, as finding codes with their detail.
    public var notes: [EntryNote]
    /// The stored bytes, from which a rollback can restore the entry.
    public var raw: [RawRecord]

    /// The command or the SQL that it runs, where it holds that itself.
    public var command: String? {
        switch kind {
        case .commandLine, .statement: options["command"]?.string
        case .redbeat, .beat, .recurring, .jobType, .workflow, .container, .pickled, .recurringJob: nil
        }
    }

    /// Whether something in the command looks like a secret, and so was not kept: what is kept has `…` in its place.
    public var hidesSecret: Bool { options["hidden"]?.bool == true }

    /// Makes an entry. A schedule without a stored form gets its usual one (`Schedule.storedJSON`): it is what an inventory keeps.
    public init(
        id: EntryID,
        kind: Kind,
        task: String,
        args: JSON = .null,
        kwargs: JSON = .object([:]),
        options: JSON = .object([:]),
        enabled: Bool = true,
        schedule: Schedule? = nil,
        scheduleSource: JSON = .null,
        timezone: String? = nil,
        history: RunHistory? = nil,
        lastRun: Instant? = nil,
        runCount: Int? = nil,
        isStatic: Bool? = nil,
        notes: [EntryNote] = [],
        raw: [RawRecord] = []
    ) {
        self.id = id
        self.kind = kind
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.options = options
        self.enabled = enabled
        self.schedule = schedule
        self.scheduleSource = scheduleSource.isNull ? schedule?.storedJSON ?? .null : scheduleSource
        self.timezone = timezone
        self.history = history
        self.lastRun = lastRun
        self.runCount = runCount
        self.isStatic = isStatic
        self.notes = notes
        self.raw = raw
    }
}

/// Something the reader of a source noticed about an entry; the plan turns it into a finding.
public struct EntryNote: Sendable, Hashable {
    /// The finding it becomes.
    public var code: FindingCode
    /// What exactly was seen, one sentence.
    public var detail: String
    /// A stable word for what was seen, where something is decided by it.
    public var cause: String?

    /// Makes a note.
    public init(_ code: FindingCode, _ detail: String, cause: String? = nil) {
        self.code = code
        self.detail = detail
        self.cause = cause
    }
}

/// One stored value of a legacy system, byte for byte.
public struct RawRecord: Sendable, Hashable {
    /// Where it stands: a Redis key, or `schema.table`.
    public var key: [UInt8]
    /// Which part of the key: a hash field, a zset's score, a column; nil for the whole value.
    public var field: String?
    /// The bytes as stored.
    public var bytes: [UInt8]

    /// Makes a record.
    public init(key: [UInt8], field: String?, bytes: [UInt8]) {
        self.key = key
        self.field = field
        self.bytes = bytes
    }
}
