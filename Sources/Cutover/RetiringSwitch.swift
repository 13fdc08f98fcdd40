public import LosslessJSON
public import Migration
public import Schedules

/// What is done to a pipeline's switch while the file of its DAG is exchanged for one without a gate.
public protocol RetiringSwitch: Sendable {
    /// Marks what the pipeline has taken over, so that nothing gives it back while its DAG has no gate; or takes the mark away.
    ///
    /// - Throws: `Refusal`, then nothing was changed; or an error of the legacy system or of the journal.
    func mark(_ marks: Bool) async throws

    /// What is under way beside the runs that Airflow knows of; nil if nothing is.
    func underWay() async throws -> String?

    /// Since when runs may have asked no gate; nil if that does not matter.
    func lastClaim() async throws -> Instant?

    /// Records such runs, so that legacy goes on after them.
    func claim(_ runs: [(tick: Instant, run: String)]) async throws
}

/// What takes a crossing's bridge away, by what moved over it.
public enum RetiringWork: Sendable {
    case ticks(any RetiringTicks)
    case jobs(any RetiringJobs)
}

/// The same of ticks: what the entries are is taken away with the switch.
public protocol RetiringTicks: RetiringSwitch {
    /// What has to be known first; nothing is changed to find out.
    func look() async throws -> RetirementLook

    /// Everything that is kept of entries and switches, byte for byte.
    func archive() async throws -> JSON

    /// Which of the entries the application's code makes anew when it starts.
    func inCode() async throws -> [String]

    /// Removes the entries, their switches and their claims, for good.
    func finish() async throws
}

/// What has to be known of ticks before their bridge is taken away.
public struct RetirementLook: Sendable {
    /// Where the crossing stands, with its claims.
    public var standing: CrossingStanding
    /// Its entries, and who decides about each.
    public var entries: [(key: String, state: SwitchState)]
    /// What is wrong with entries that a retirement needs whole, one sentence each.
    public var disorder: [String]
    /// Which of the entries the application's code makes anew when it starts.
    public var inCode: Known<[String]>

    /// Makes it.
    public init(
        standing: CrossingStanding,
        entries: [(key: String, state: SwitchState)],
        disorder: [String],
        inCode: Known<[String]>
    ) {
        self.standing = standing
        self.entries = entries
        self.disorder = disorder
        self.inCode = inCode
    }
}

/// The same of jobs: those that are held wait for the DAG as they are, and a queue's switch goes with the last type that needs it.
public protocol RetiringJobs: RetiringSwitch {
    /// What has to be known first; nothing is changed to find out.
    ///
    /// - Parameter limit: how many of the newest jobs of each type that ended are wanted; nil if neither they nor other sessions are.
    /// - Throws: an error of the legacy system, or `Refusal` if the switch is another version's or may not be looked at.
    func look(limit: Int?) async throws -> RetiringJobsLook

    /// Brings a switch that an earlier Bailey installed up to date: it may know nothing of retirement.
    func bringUpToDate() async throws

    /// Everything that is kept of switches and claims.
    func archive() async throws -> JSON

    /// Lets the held jobs wait for the DAG, as they were; how many.
    ///
    /// - Throws: `Refusal`, then nothing was changed.
    func handOver() async throws -> Int
}

/// What has to be known of jobs before their bridge is taken away.
public struct RetiringJobsLook: Sendable {
    /// Its job types: what is wrong with each, and which jobs ended.
    public var types: [QueueRetirementEvidence.JobType]
    /// Sessions of others that were seen to claim jobs.
    public var claimants: Known<[String]>
    /// Whether Airflow has any of the types, or had it when a retirement was begun.
    public var isTaken: Bool
    /// Whether the retirement of any, or of every type was begun. The switch decides; the journal may be lost.
    public var isBegun: Bool
    public var isWhollyBegun: Bool
    /// Whether jobs of any wait for the DAG already.
    public var isHandedOver: Bool

    /// Makes it.
    public init(
        types: [QueueRetirementEvidence.JobType],
        claimants: Known<[String]>,
        isTaken: Bool,
        isBegun: Bool,
        isWhollyBegun: Bool,
        isHandedOver: Bool
    ) {
        self.types = types
        self.claimants = claimants
        self.isTaken = isTaken
        self.isBegun = isBegun
        self.isWhollyBegun = isWhollyBegun
        self.isHandedOver = isHandedOver
    }
}

/// What is asked about a switch that several crossings share.
public enum SwitchRemovalRequest: Sendable, Hashable {
    /// What would become of it once this crossing needs it no more. Only looks.
    case look
    /// Its removal, unless something needs it.
    ///
    /// - executes: whether it is removed; else it is only looked whether it could be.
    /// - isRetired: whether this crossing is Airflow's for good, so that it does not matter if others need the switch.
    case remove(executes: Bool, isRetired: Bool)
}

/// What becomes, or became, of a switch that several crossings share.
public struct SwitchRemoval: Sendable {
    /// The source.
    public var source: String
    /// What it is installed on.
    public var table: String
    /// What the crossing is made of.
    public var members: [String]
    /// Who needs it still, with the reason.
    public var usedBy: [String] = []
    /// Why it stays.
    public var refusal: Refusal?
    /// Whether it is installed.
    public var isInstalled = false
    /// Whether it was removed now.
    public var isRemoved = false

    /// One that nothing is known of yet.
    public init(source: String, table: String, members: [String]) {
        self.source = source
        self.table = table
        self.members = members
    }
}
