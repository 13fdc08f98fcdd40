public import Schedules

/// What `close` is asked to do.
public struct CloseOrder: Sendable, Hashable {
    /// One entry, as it was planned and read.
    public struct Entry: Sendable, Hashable {
        /// The definition that must be there.
        public var definition: [UInt8]
        /// The same with `enabled` false.
        public var closedDefinition: [UInt8]
        /// The meta that must be there.
        public var meta: [UInt8]?
        /// When that meta says legacy last ran.
        public var lastRun: Instant?

        /// Makes an entry.
        public init(definition: [UInt8], closedDefinition: [UInt8], meta: [UInt8]?, lastRun: Instant?) {
            self.definition = definition
            self.closedDefinition = closedDefinition
            self.meta = meta
            self.lastRun = lastRun
        }
    }

    /// The pipeline.
    public var pipeline: String
    /// The operation's token.
    public var by: String
    /// How it is known that no beat can fire any more.
    public var fence: Fence
    /// After this instant the close is refused: something would be due.
    public var notAfter: Instant?
    /// How many ticks Airflow is to own; nil for no such bound.
    public var ticks: Int?
    /// Where Airflow's window is to end; nil for no such bound.
    public var until: Instant?
    /// Whether the first entry is the pipeline's clock (false: a schedule of its own).
    public var hasEntryClock: Bool
    /// Microseconds after legacy's last run in which a tick of the DAG is the one legacy has just run.
    public var slack: Int64?
    /// Whether a fire of beat's, of the latest tick that was due, shows that it drives these entries: then it need not be seen to hold its lock.
    public var isProven: Bool
    /// The installation of Airflow whose gates may claim; nil for the first that does.
    public var installation: String?
    /// The entries.
    public var entries: [Entry]

    /// Makes an order.
    public init(
        pipeline: String,
        by: String,
        fence: Fence,
        notAfter: Instant? = nil,
        ticks: Int? = nil,
        until: Instant? = nil,
        hasEntryClock: Bool,
        slack: Int64? = nil,
        isProven: Bool = true,
        installation: String? = nil,
        entries: [Entry]
    ) {
        self.pipeline = pipeline
        self.by = by
        self.fence = fence
        self.notAfter = notAfter
        self.ticks = ticks
        self.until = until
        self.hasEntryClock = hasEntryClock
        self.slack = slack
        self.isProven = isProven
        self.installation = installation
        self.entries = entries
    }

    var arguments: [[UInt8]] {
        let words = [
            pipeline, fence.watchesLock ? "lock" : "wait", String(fence.longestTick), String(fence.grace),
            notAfter.map { String($0.microseconds) } ?? "", ticks.map { String($0) } ?? "",
            until.map { String($0.microseconds) } ?? "", hasEntryClock ? "entry" : "own", by,
            slack.map { String($0) } ?? "", isProven ? "fired" : "", installation ?? "",
        ]
        return words.map { Array($0.utf8) }
            + entries.flatMap { [$0.definition, $0.closedDefinition, $0.meta.packed, $0.lastRun.argument] }
    }
}

/// How it is known that no beat can fire any more what it had loaded.
public struct Fence: Sendable, Hashable {
    /// Whether the source's beats keep a lock, whose extension shows that a new tick has begun.
    public var watchesLock: Bool
    /// The longest time between a beat's load and its last fire, in microseconds: waited for where there is no lock, or nobody holds it.
    public var longestTick: Int64
    /// For how much longer than its lock a beat may be stalled, in microseconds.
    public var grace: Int64

    /// Makes a fence.
    public init(watchesLock: Bool, longestTick: Int64, grace: Int64) {
        self.watchesLock = watchesLock
        self.longestTick = longestTick
        self.grace = grace
    }

    /// The fence of a source.
    ///
    /// - Parameters:
    ///   - maxInterval: `beat_max_loop_interval`, in seconds.
    ///   - watchesLock: false where `redbeat_lock_key` is none.
    public init(maxInterval: Int, watchesLock: Bool) {
        // A tick of a thousand entries takes two seconds; five cover it beside the sleep.
        self.init(watchesLock: watchesLock, longestTick: Int64(maxInterval + 5) * 1_000_000, grace: 5_000_000)
    }
}

/// One entry of `settle`.
public struct SettleEntry: Sendable, Hashable {
    /// The meta as read.
    public var meta: [UInt8]?
    /// When it says legacy last ran; while the entry is being healed, only if a fire wrote it.
    public var lastRun: Instant?
    /// The meta that stops the clock.
    public var parked: [UInt8]
    /// The score that goes with it, in seconds.
    public var score: Int64

    /// Makes an entry.
    public init(meta: [UInt8]?, lastRun: Instant?, parked: [UInt8], score: Int64) {
        self.meta = meta
        self.lastRun = lastRun
        self.parked = parked
        self.score = score
    }

    var arguments: [[UInt8]] { [meta.packed, lastRun.argument, parked, Array(String(score).utf8)] }
}

/// One entry of `repark`.
public struct ReparkEntry: Sendable, Hashable {
    /// The definition as read.
    public var definition: [UInt8]?
    /// The same with `enabled` false.
    public var closedDefinition: [UInt8]
    /// The meta as read.
    public var meta: [UInt8]?
    /// What legacy is to have back, if the application has written another definition.
    public var opened: [UInt8]

    /// Makes an entry.
    public init(definition: [UInt8]?, closedDefinition: [UInt8], meta: [UInt8]?, opened: [UInt8]) {
        self.definition = definition
        self.closedDefinition = closedDefinition
        self.meta = meta
        self.opened = opened
    }

    var arguments: [[UInt8]] { [definition.packed, closedDefinition, meta.packed, opened] }
}

/// What `give_back` is asked to do.
public struct GiveBackOrder: Sendable, Hashable {
    /// What becomes of an entry that no longer exists.
    public enum Gone: String, Sendable, Hashable {
        case refuse, skip, recreate
    }

    /// One entry.
    public struct Entry: Sendable, Hashable {
        /// The meta to give back.
        public enum Meta: Sendable, Hashable {
            case write([UInt8])
            case remove
            case leave
        }

        /// The newest claim as read.
        public var lastClaim: Instant?
        /// The last instant that legacy decided before the present window, as read.
        public var lastLegacy: Instant?
        /// The meta as read.
        public var meta: [UInt8]?
        /// The meta to give back.
        public var new: Meta
        /// The definition as read.
        public var definition: [UInt8]?
        /// What legacy is to have in its place, if the application wrote it.
        public var opened: [UInt8]

        /// Makes an entry.
        public init(
            lastClaim: Instant?,
            lastLegacy: Instant?,
            meta: [UInt8]?,
            new: Meta,
            definition: [UInt8]?,
            opened: [UInt8]
        ) {
            self.lastClaim = lastClaim
            self.lastLegacy = lastLegacy
            self.meta = meta
            self.new = new
            self.definition = definition
            self.opened = opened
        }
    }

    /// The fence as read; nil for any.
    public var fence: Int64?
    /// What becomes of an entry that no longer exists.
    public var gone: Gone
    /// Whether a definition that somebody changed stays (false: that is refused).
    public var keepsRedefined: Bool
    /// The entries.
    public var entries: [Entry]

    /// Makes an order.
    public init(fence: Int64?, gone: Gone, keepsRedefined: Bool, entries: [Entry]) {
        self.fence = fence
        self.gone = gone
        self.keepsRedefined = keepsRedefined
        self.entries = entries
    }

    var arguments: [[UInt8]] {
        let words = [fence.map { String($0) } ?? "", gone.rawValue, keepsRedefined ? "keep" : "restore"]
        return words.map { Array($0.utf8) }
            + entries.flatMap { entry -> [[UInt8]] in
                let new: [UInt8]
                switch entry.new {
                case .write(let bytes): new = [UInt8(ascii: "=")] + bytes
                case .remove: new = [UInt8(ascii: "-")]
                case .leave: new = [UInt8(ascii: "*")]
                }
                return [
                    entry.lastClaim.argument, entry.lastLegacy.argument, entry.meta.packed, new,
                    entry.definition.packed, entry.opened,
                ]
            }
    }
}

/// One entry of `restore`: its clock stands, and no switch holds it any more.
public struct RestoreEntry: Sendable, Hashable {
    /// The definition as read.
    public var definition: [UInt8]?
    /// The meta as read.
    public var meta: [UInt8]?
    /// The definition that legacy is to have.
    public var newDefinition: [UInt8]
    /// The meta that legacy is to have.
    public var newMeta: [UInt8]
    /// Whether beat is to look at it at once.
    public var isScheduled: Bool

    /// Makes an entry.
    public init(
        definition: [UInt8]?,
        meta: [UInt8]?,
        newDefinition: [UInt8],
        newMeta: [UInt8],
        isScheduled: Bool
    ) {
        self.definition = definition
        self.meta = meta
        self.newDefinition = newDefinition
        self.newMeta = newMeta
        self.isScheduled = isScheduled
    }

    var arguments: [[UInt8]] {
        [definition.packed, meta.packed, newDefinition, newMeta, Array((isScheduled ? "1" : "0").utf8)]
    }
}
