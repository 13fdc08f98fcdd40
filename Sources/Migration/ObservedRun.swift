public import Schedules

/// An ended run of legacy as it was seen, whatever came of comparing it.
public struct ObservedRun: Sendable, Hashable {
    /// Whose run it is of.
    public enum Standing: String, Sendable, Hashable, CaseIterable {
        /// Nobody has judged it yet.
        case open
        /// The run of a tick: the scheduler's own clock moved right before it.
        case tick
        /// The run of a tick by the schedule and the clock's count, at a time when nobody watched the clock itself.
        case bySchedule = "by-schedule"
        /// A job of a queue, which has no tick.
        case job
        /// A call that no tick made: by hand, by another task, as part of a group.
        case notScheduled = "not-scheduled"
        /// Two runs may be that of one tick, and nothing tells which.
        case ambiguous

        /// Whether it counts where ticks or jobs are counted.
        public var counts: Bool { self == .tick || self == .bySchedule || self == .job }
    }

    /// The entry whose call it made.
    public var entry: EntryID
    /// Legacy's own id of the run.
    public var run: String
    /// When its message was seen to be sent or received; nil if it was not seen.
    public var sent: Instant?
    /// When it was seen to start; nil if it was not seen.
    public var started: Instant?
    /// Seconds that it took by one clock: the worker's own, or this machine's; nil where neither tells both ends.
    public var measured: Double?
    /// When it ended; when it was seen, where legacy does not say.
    public var ended: Instant
    /// When it ended by legacy's own word; a later one is that of a run which ended again under the same id. Nil where legacy does not say.
    public var stamp: Instant?
    /// Why it cannot be the run of a tick; nil if nothing speaks against it.
    public var origin: String?
    /// Whose run it is of.
    public var standing: Standing
    /// When the scheduler fired it; nil if it is of no tick.
    public var fired: Instant?
    /// The tick it is of: for an entry with a crontab when it was due, for an interval when it was fired.
    public var tick: Instant?

    /// Makes a run that nobody has judged.
    public init(
        entry: EntryID,
        run: String,
        sent: Instant? = nil,
        started: Instant? = nil,
        ended: Instant,
        stamp: Instant? = nil,
        origin: String? = nil,
        standing: Standing = .open
    ) {
        self.entry = entry
        self.run = run
        self.sent = sent
        self.started = started
        self.ended = ended
        self.stamp = stamp
        self.origin = origin
        self.standing = standing
    }
}

/// What the scheduler's record of an entry said at one moment: when it last fired it, and how often it has.
public struct ClockSighting: Sendable, Hashable {
    /// The entry.
    public var entry: EntryID
    /// When it was fired last.
    public var last: Instant
    /// How often it has been fired.
    public var count: Int
    /// When that was read.
    public var seen: Instant

    /// Makes a sighting.
    public init(entry: EntryID, last: Instant, count: Int, seen: Instant) {
        self.entry = entry
        self.last = last
        self.count = count
        self.seen = seen
    }
}

/// A moment at which the scheduler fired an entry.
public struct Fire: Sendable, Hashable {
    /// When, by the scheduler's clock; estimated where it is not exact.
    public var at: Instant
    /// The tick it was for.
    public var tick: Instant
    /// Whether the scheduler's own record showed it.
    public var isExact: Bool
    /// The run that it made; nil if none was seen.
    public var run: String?

    /// Makes a fire.
    public init(at: Instant, tick: Instant, isExact: Bool, run: String? = nil) {
        self.at = at
        self.tick = tick
        self.isExact = isExact
        self.run = run
    }
}

/// A time in which nobody watched a source, or in which what it said was lost.
public struct ObservationGap: Sendable, Hashable {
    /// The source.
    public var source: String
    /// When it began, at the earliest.
    public var from: Instant
    /// When it was over.
    public var until: Instant
    /// Why, in words.
    public var reason: String

    /// Makes a gap.
    public init(source: String, from: Instant, until: Instant, reason: String) {
        self.source = source
        self.from = from
        self.until = until
        self.reason = reason
    }
}
