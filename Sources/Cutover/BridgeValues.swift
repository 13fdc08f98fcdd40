public import Migration
public import Schedules

/// What is asked of a cutover.
public struct CutoverRequest: Sendable, Hashable {
    /// How many ticks Airflow is to own; nil for no such bound.
    public var ticks: Int?
    /// Where Airflow's window begins; nil for now.
    public var at: Instant?
    /// Where Airflow's window ends; nil for no such bound.
    public var until: Instant?
    /// For how many seconds a moment is waited for at which nothing is due; nil for two of beat's longest loops and a minute.
    public var patience: Double?
    /// The installation of Airflow that is to run the ticks; nil for the one that asks.
    public var installation: String?
    /// For how many claims to wait afterwards, to show them.
    public var claims = 0
    /// The share of jobs that Airflow is to have, in percent, by a stable hash of their ids.
    public var share = 100
    /// Users of the database that may take jobs.
    public var roles: [String] = []
    /// Seconds to wait until legacy's workers have let go of jobs.
    public var drain = 600.0

    /// Makes a request.
    public init(
        ticks: Int? = nil,
        at: Instant? = nil,
        until: Instant? = nil,
        patience: Double? = nil,
        installation: String? = nil
    ) {
        self.installation = installation
        self.patience = patience
        self.ticks = ticks
        self.at = at
        self.until = until
    }

    /// Whether it asks for something that only ticks have.
    public var isOfTicks: Bool { ticks != nil || at != nil }
}

/// What is asked of a rollback.
public struct RollbackRequest: Sendable, Hashable {
    /// Whether an entry that was deleted is written anew.
    public var recreates = false
    /// Runs that a person calls dead: what they took is given back too.
    public var deadRuns: [String] = []
    /// Seconds to wait for what somebody else has locked.
    public var patience = 30.0
    /// Give back only if the switch still has this fence; nil for whatever it has. Somebody may have moved it meanwhile.
    public var fence: String?
    /// Why, for the journal, where no person asked.
    public var why: String?

    /// Makes a request.
    public init() {}
}

/// What a cutover would do, and what the policy asks the switch.
public struct CutoverPreview: Sendable {
    /// What it would do, and what refuses.
    public var report: CrossingReport
    /// What the switch knows of the DAG's gate.
    public var gate: PolicyEvidence.Gate
    /// How much the switch's store may forget.
    public var durability: PolicyEvidence.Durability?

    /// Makes a preview.
    public init(
        report: CrossingReport,
        gate: PolicyEvidence.Gate = .none,
        durability: PolicyEvidence.Durability? = nil
    ) {
        self.report = report
        self.gate = gate
        self.durability = durability
    }
}

/// A crossing whose standing is wanted.
public struct Look: Sendable {
    /// The crossing, of the bridge that is asked.
    public var crossing: any Crossing
    /// When the pipeline's DAG is due, by the plan; nil if that is not known.
    public var timetable: AirflowTimetable?
    /// How many claims to show.
    public var claims: Int

    /// Makes one.
    public init(_ crossing: any Crossing, timetable: AirflowTimetable? = nil, claims: Int = 20) {
        self.crossing = crossing
        self.timetable = timetable
        self.claims = claims
    }
}

/// Where a crossing stands.
public struct CrossingStanding: Sendable {
    /// When that was seen, by the clock of the switch's own store.
    public var now: Instant
    /// Who decides from now on; nil where its members disagree.
    public var state: SwitchState?
    /// Whether legacy owns all of it.
    public var isLegacys: Bool
    /// The same switch has the same text here; another as soon as anybody has moved it.
    public var fence: String
    /// What the deciding switch says of ticks; nil of jobs, and where there is none.
    public var record: SwitchRecord?
    /// Legacy's last run by its own clock.
    public var lastRun: Instant?
    /// When the DAG is due by what the switch keeps; nil where only the plan knows.
    public var ownTimetable: AirflowTimetable?
    /// What the switch knows of the DAG's gate.
    public var gate: PolicyEvidence.Gate = .none
    /// Whether there is something for `heal`.
    public var isHealable = false
    /// Whether something has opened what Airflow owns.
    public var isReopened = false
    /// Whether its DAG has no gate any more, or is about to have none.
    public var isRetiring = false
    /// The share that is Airflow's, in percent.
    public var share = 100
    /// Why it is not known who owns it; nil if it is.
    public var unknown: String?
    /// What is wrong with it, each an alarm of `watch` and a line of `status`.
    public var troubles: [BridgeNotice] = []
    /// What is only worth a line of `status`.
    public var remarks: [String] = []
    /// Runs that have jobs which they have taken and not ended; none of ticks.
    public var openRuns: [OpenRun] = []
    /// What the switches' store has forgotten of what the journal knows; nil if nothing.
    public var forgotten: JournaledOwnership.Forgotten?
    /// When that was, by the journal.
    public var journaledAt: Instant?

    /// Makes one of a crossing that nothing else is known of.
    public init(now: Instant, state: SwitchState?, isLegacys: Bool, fence: String) {
        self.now = now
        self.state = state
        self.isLegacys = isLegacys
        self.fence = fence
    }
}

/// A DAG run that has jobs which it has taken and not ended.
public struct OpenRun: Sendable, Hashable {
    /// `<dag id>/<run id>`.
    public var run: String
    /// The job type, and how many of its jobs.
    public var type: String
    public var jobs: Int
    /// When it took the first of them, as the server writes it, UTC; and how many seconds ago.
    public var since: String
    public var seconds: Double
    /// Whether that is so long ago that a legacy worker would have been called dead.
    public var isOverdue: Bool
}

/// The jobs of a crossing since they were moved.
public struct LiveJobs: Sendable {
    /// Those that ended, newest first.
    public var jobs: [LiveJob]
    /// The one that has waited longest.
    public var oldest: (job: String, since: Instant)?
    /// Since when all of them are Airflow's.
    public var since: Instant?

    /// Makes it.
    public init(jobs: [LiveJob], oldest: (job: String, since: Instant)?, since: Instant?) {
        self.jobs = jobs
        self.oldest = oldest
        self.since = since
    }
}

/// Something a bridge has seen or done that people should know of.
public struct BridgeNotice: Sendable, Hashable {
    /// How soon somebody should look.
    public enum Urgency: Sendable, Hashable { case info, warning, urgent }

    /// The sort of event; a stable word.
    public var event: String
    /// The same event has the same text here every time.
    public var identity: String
    /// How soon somebody should look.
    public var urgency: Urgency
    /// What was seen and what to do, in whole sentences.
    public var text: String

    /// Makes a notice.
    public init(_ event: String, _ identity: String, _ urgency: Urgency, _ text: String) {
        self.event = event
        self.identity = identity
        self.urgency = urgency
        self.text = text
    }
}

/// What a script for an administrator is for.
public enum ScriptPurpose: Sendable, Hashable {
    /// What the switch needs; with users that may take jobs.
    case install(roles: [String])
    /// Gives back what is held.
    case free
    /// Takes the switch away.
    case remove
}

/// Something that nobody runs, because it was closed and its switch is lost.
public struct LostWork: Sendable, Hashable {
    /// The source.
    public var source: String
    /// Its name there, as people read it.
    public var key: String
    /// The pipeline that had taken it over; nil where neither journal nor plan says.
    public var pipeline: String?
    /// What is wrong and what to do.
    public var text: String

    /// Makes it.
    public init(source: String, key: String, pipeline: String?, text: String) {
        self.source = source
        self.key = key
        self.pipeline = pipeline
        self.text = text
    }
}

/// What is lost of one pipeline.
public protocol LostCrossing: Sendable {
    /// The source.
    var source: String { get }
    /// What nobody runs.
    var members: [String] { get }
    /// What giving it to legacy would do, one sentence each.
    var notes: [String] { get }

    /// Gives it to legacy: all or nothing.
    ///
    /// - Throws: as `Crossing.cutOver`.
    func restore(_ report: CrossingReport) async throws -> CrossingReport
}
