public import Schedules

/// Who decides about the ticks that no window holds yet.
public enum SwitchState: String, Sendable, Hashable, CaseIterable {
    /// Legacy owns every tick from now on; also what a missing switch means.
    case legacy
    /// Legacy has lost its clock; the first tick of Airflow's window is not known yet.
    case closing
    /// Airflow owns the ticks of the last window.
    case airflow
}

/// A half-open interval of ticks that Airflow owns; all other ticks are legacy's.
public struct Window: Sendable, Hashable {
    /// The first instant that is inside.
    public var from: Instant
    /// The first instant after it; nil while it has no end.
    public var until: Instant?

    /// Makes a window.
    public init(from: Instant, until: Instant? = nil) {
        self.from = from
        self.until = until
    }

    /// Whether a tick lies in it.
    public func contains(_ tick: Instant) -> Bool { tick >= from && until.map { tick < $0 } ?? true }
}

/// A DAG run's recorded right to one tick.
public struct Claim: Sendable, Hashable {
    /// What became of the tick.
    public enum How: String, Sendable, Hashable, CaseIterable {
        /// The run runs its tasks for it.
        case live
        /// Another run, which began late, stands for it.
        case coalesced
        /// It was dropped, as the pipeline's policy for missed ticks says.
        case dropped
    }

    /// The tick.
    public var tick: Instant
    /// The run: `<dag_id>/<run_id>`.
    public var run: String
    /// When it was claimed, by the clock of the switch's own store.
    public var at: Instant
    /// What became of the tick.
    public var how: How

    /// Makes a claim.
    public init(tick: Instant, run: String, at: Instant, how: How) {
        self.tick = tick
        self.run = run
        self.at = at
        self.how = how
    }
}

/// What the switch of one entry says.
public struct SwitchRecord: Sendable, Hashable {
    /// Who decides from now on.
    public var state: SwitchState
    /// Grows at each close, each re-close and each giving back.
    public var fence: Int64
    /// The pipeline that closed it last.
    public var pipeline: String
    /// The operation that closed it, while it is not legacy's.
    public var by: String?
    /// Whether the entry drives its pipeline (false: it was absorbed).
    public var drives: Bool
    /// Whether the pipeline's clock is this group's first entry (false: a schedule of its own).
    public var hasEntryClock: Bool
    /// Airflow's windows, oldest first.
    public var windows: [Window] = []
    /// The newest claims, newest first, as many as were asked for.
    public var claims: [Claim] = []
    /// How many claims are kept.
    public var claimCount = 0
    /// The newest claimed tick.
    public var lastClaim: Instant?
    /// The last instant that legacy decided before the present window.
    public var lastLegacy: Instant?
    /// When the run of the newest live claim began, by Airflow's clock.
    public var lastLive: Instant?
    /// When the present fence began.
    public var closedAt: Instant?
    /// When the present window was fixed.
    public var settledAt: Instant?
    /// When legacy last had its clock back.
    public var givenBackAt: Instant?
    /// When the application last wrote a definition of its own while Airflow owned the entry.
    public var redefinedAt: Instant?
    /// How many more ticks Airflow owns; nil if not bounded so.
    public var ticksLeft: Int?
    /// Where the window ends; nil if not bounded so.
    public var until: Instant?
    /// Whether an entry that Airflow owns is being closed again, because something had restarted legacy's clock.
    public var isHealing = false
    /// The installation of Airflow whose gates may claim; nil until one has claimed.
    public var installation: String?
    /// Whether its DAG may have lost its gate, so that nothing gives it back any more.
    public var isRetiring = false

    /// Makes a record.
    public init(
        state: SwitchState,
        fence: Int64,
        pipeline: String,
        by: String? = nil,
        drives: Bool,
        hasEntryClock: Bool
    ) {
        self.state = state
        self.fence = fence
        self.pipeline = pipeline
        self.by = by
        self.drives = drives
        self.hasEntryClock = hasEntryClock
    }

    /// The window that a tick lies in; nil if the tick is legacy's.
    public func window(of tick: Instant) -> Window? { windows.first { $0.contains(tick) } }

    /// Whether the bound of the present window was reached, so that the entry waits to be given back.
    public var isOver: Bool { state == .airflow && ticksLeft == 0 }
}
