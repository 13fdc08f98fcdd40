public import Legacy
public import Migration
public import Store

/// The bridge of one source: how what pipelines have there moves to Airflow and back. A sort of legacy system that can be switched has one
/// conformance, in a folder of its own; commands, `status` and `watch` know no other way to a switch.
///
/// Whatever a bridge is asked it answers from the switches, which are in the legacy system. Bailey's own state only helps.
public protocol Bridge: Sendable {
    /// The source's name in `bailey.yaml`.
    var source: String { get }
    /// What moves over it.
    var cargo: Cargo { get }

    /// The same bridge, told of the other bridges of the workspace: several sources may lie in one store.
    func beside(_ bridges: [any Bridge]) -> any Bridge

    /// What a pipeline of the plan has in the source, which moves together; nil if it has nothing there.
    ///
    /// - Throws: `Refusal` where it cannot be taken over.
    func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)?

    /// What a pipeline has taken over, by what the switches say; nil if nothing. Needs neither inventory nor plan.
    ///
    /// - Throws: an error of the legacy system if it cannot be asked, or `Refusal`.
    func taken(by pipeline: String) async throws -> (any Crossing)?

    /// The same of every pipeline that has a switch here, also one that says `legacy`.
    func taken() async throws -> [String: any Crossing]

    /// The same, each group of what moved together apart: a pipeline whose mapping was changed may have moved twice. What rests is among it
    /// only where nothing else of its pipeline is there.
    func allTaken() async throws -> [any Crossing]

    /// What pipelines had taken over by the journal, and no switch says so any more, where a bridge keeps a journal of its own kind: what it is
    /// asked for by `crossing(of:journaled:)` is not among it.
    ///
    /// - Throws: an error of the legacy system if it cannot be asked.
    func forgotten() async throws -> [any Crossing]

    /// What a pipeline had taken over by the journal, where no switch says so any more; nil if this bridge cannot tell.
    func crossing(of pipeline: String, journaled: JournaledOwnership) -> (any Crossing)?

    /// Where crossings of this bridge stand, in their order: one look for all.
    ///
    /// - Throws: an error of the legacy system if nobody can be asked.
    func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>]

    /// How much of what it was told the switches' store may forget; nil where that is no question.
    func durability() async throws -> PolicyEvidence.Durability?

    /// What nobody runs: closed once, and held by no switch any more.
    ///
    /// - Parameters:
    ///   - dags: the planned pipelines, which tell whose it is.
    ///   - journaled: the pipelines that the journal says are Airflow's.
    func lost(_ dags: [DAGDefinition], _ inventory: Inventory?, journaled: [String: JournaledOwnership]) async throws
        -> [LostWork]

    /// The same of one pipeline, to be given back; nil if there is none.
    ///
    /// - Parameters:
    ///   - dag: the pipeline as planned, if a plan is known.
    ///   - taken: what switches say it took over.
    func lost(of pipeline: String, _ dag: DAGDefinition?, _ inventory: Inventory?, taken: (any Crossing)?) async throws
        -> (any LostCrossing)?

    /// Why rows or entries that are held for nobody, and that no pipeline can be named for, are an error; nil if it was seen that there are
    /// none.
    ///
    /// - Parameter guesses: whether what only looks as if it were held counts.
    /// - Throws: an error of the legacy system if it cannot be asked.
    func stranded(guesses: Bool) async throws -> Refusal?

    /// The least rights that moving needs, beyond those of looking at the system. Asks nobody.
    ///
    /// - Throws: an error of the source's URL or profile.
    func rights() throws -> [NeededRights]

    /// Does what has to be done beside the pipelines, such as sweeping up what dead rehearsals left; tells what was seen.
    ///
    /// - Throws: an error of the legacy system if it cannot be asked.
    func tend() async throws -> [BridgeNotice]
}

/// What moves over a bridge.
public enum Cargo: Sendable, Hashable {
    /// Ticks of a clock: who runs those that fall due.
    case ticks
    /// Jobs of a queue: who takes those that wait.
    case jobs
}

/// What one pipeline has in one source: it moves together, all or none.
public protocol Crossing: Sendable {
    /// The pipeline.
    var pipeline: String { get }
    /// The source.
    var source: String { get }
    /// What moves.
    var cargo: Cargo { get }
    /// What it is made of, as people know it: keys, job types.
    var members: [String] { get }
    /// Whether its switch was seen to say that legacy owns all of it, and only remembers.
    var isResting: Bool { get }
    /// What keeps its switch: two sources may be one.
    var location: String { get }
    /// The same for people, as the subject of a sentence.
    var store: String { get }

    // MARK: Looking

    /// What a cutover would do. Tries everything that the cutover tries but writing.
    ///
    /// - Throws: an error of the legacy system if it cannot be asked. Why it cannot be moved stands in the report.
    func preview(_ request: CutoverRequest) async throws -> CutoverPreview

    /// What a rollback would do; as `preview`.
    func preview(_ request: RollbackRequest) async throws -> CrossingReport

    // MARK: Doing

    /// Moves it to Airflow, or completes what was half done. A refusal stands in the report, and nothing is changed then, or everything is
    /// given back.
    ///
    /// - Throws: an error of the legacy system, or of the journal, where it broke off: the next command completes or undoes it.
    func cutOver(_ request: CutoverRequest, _ report: CrossingReport) async throws -> CrossingReport

    /// Gives it back to legacy, from any state; as `cutOver`.
    func rollBack(_ request: RollbackRequest, _ report: CrossingReport) async throws -> CrossingReport

    /// Completes or undoes what somebody left half done, and closes again what something has opened. Safe at any time, and for several at
    /// once. What was done.
    ///
    /// - Throws: `Refusal` (`at-work`) if an operator is at work on it; else as `cutOver`.
    func heal(_ standing: CrossingStanding) async throws -> [BridgeNotice]

    /// SQL, or whatever its administrator runs, that does it without Bailey; nil where there is no such thing.
    func script(_ purpose: ScriptPurpose) async throws -> String?

    /// What `rehearsing` would do, a clause after “would”.
    var rehearsalWords: String { get }

    /// Lends what tries its way to Airflow and back, for as long as a piece of work goes on. Under the pipeline's lock.
    ///
    /// - Returns: what the work gave; nil of a crossing of which nothing can be tried but what `preview` looks at.
    func rehearsing<Value>(_ journal: Journal, _ body: (any CrossingRehearsal) async throws -> Value) async throws
        -> Value?

    /// Lends what takes the bridge away for as long as a piece of work goes on.
    ///
    /// - Parameter journal: nil for looking only.
    /// - Returns: what the work gave; nil of a crossing whose bridge stays.
    func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws -> Value?

    /// Looks at the switch that it shares with others of its source, and removes it if asked to; nil where no switch is shared. Takes the
    /// pipeline's lock itself.
    ///
    /// - Throws: an error of the legacy system or of the journal. Why it stays stands in the answer.
    func removeSwitch(_ request: SwitchRemovalRequest) async throws -> SwitchRemoval?

    // MARK: What happened to it

    /// The jobs that ended since they were moved, and the one that has waited longest; nil of ticks.
    func liveJobs(_ standing: CrossingStanding) async throws -> LiveJobs?

    /// Which of legacy's runs Airflow itself had asked for, by their names.
    ///
    /// - Throws: an error of the legacy system if it cannot be asked.
    func askedFor(_ runs: [String]) async throws -> Set<String>
}

extension Bridge {
    public func beside(_ bridges: [any Bridge]) -> any Bridge { self }
    public func crossing(of pipeline: String, journaled: JournaledOwnership) -> (any Crossing)? { nil }
    public func forgotten() async throws -> [any Crossing] { [] }
    public func allTaken() async throws -> [any Crossing] { Array(try await taken().values) }
    public func durability() async throws -> PolicyEvidence.Durability? { nil }
    public func lost(_ dags: [DAGDefinition], _ inventory: Inventory?, journaled: [String: JournaledOwnership])
        async throws -> [LostWork]
    { [] }
    public func lost(of pipeline: String, _ dag: DAGDefinition?, _ inventory: Inventory?, taken: (any Crossing)?)
        async throws -> (any LostCrossing)?
    { nil }
    public func stranded(guesses: Bool) async throws -> Refusal? { nil }
    public func tend() async throws -> [BridgeNotice] { [] }
}

extension Crossing {
    public var isResting: Bool { false }
    public var location: String { source }
    public var store: String { "the database of \(source)" }
    public func script(_ purpose: ScriptPurpose) async throws -> String? { nil }
    public var rehearsalWords: String {
        "look whether \(members.joined(separator: ", ")) in \(source) can be \(cargo == .jobs ? "held" : "moved")"
    }
    public func rehearsing<Value>(_ journal: Journal, _ body: (any CrossingRehearsal) async throws -> Value)
        async throws -> Value?
    { nil }
    public func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws
        -> Value?
    { nil }
    public func removeSwitch(_ request: SwitchRemovalRequest) async throws -> SwitchRemoval? { nil }
    public func liveJobs(_ standing: CrossingStanding) async throws -> LiveJobs? { nil }
    public func askedFor(_ runs: [String]) async throws -> Set<String> { [] }
}
