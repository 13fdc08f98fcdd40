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
