public import LosslessJSON
public import Migration
public import Schedules
public import Settings

/// A mapping file: what people say of one pipeline.
public struct Mapping: Sendable, Hashable {
    /// Where it stands.
    public var location: SourceLocation
    /// The pipeline's id, which is the DAG id and never changes: `dag_id`, or else what `pipeline` says.
    public var pipeline: String
    /// What people call it.
    public var name = ""
    public var summary = ""
    public var owner = "bailey"
    public var tags: [String] = []
    /// The entry whose schedule drives it.
    public var clock: EntryID?
    /// A schedule of its own, with its zone.
    public var schedule: Schedule?
    public var timezone = "UTC"
    /// Entries that are given up with the driver.
    public var absorbs: [EntryID] = []
    public var sla: Double?
    /// Who is told of its runs, and of tasks that say nothing themselves.
    public var notify = Notifications()
    public var missedTicks = MissedTickPolicy.coalesce
    public var lateAfter: Double?
    public var maxActiveRuns = 1
    /// Pools that it declares.
    public var pools: [PoolSettings] = []
    /// The assets that start it, once all were updated.
    public var assets: [String] = []
    /// Seconds between two looks at the queue's table, where due jobs start it; nil where something else does.
    public var jobsEvery: Double?
    /// Whether only people start it.
    public var isManual = false
    /// What they may give a run that they start.
    public var parameters: [RunParameter] = []
    public var tasks: [MappedTask] = []
    /// The workflow that it stands for; its stages may not be named yet.
    public var workflow: WorkflowStand?
    /// The file that a person has written for it.
    public var own: OwnDAG?
    /// What it says of the policy, as it was written; nil if nothing.
    public var policy: YAMLNode?

    /// Who or what starts it, where no tick does; nil where it has a schedule, or says nothing.
    var starter: String? {
        if isManual { return "only people" }
        if !assets.isEmpty { return "assets" }
        return jobsEvery == nil ? nil : "due jobs"
    }
}

/// What a mapping says of one task.
public struct MappedTask: Sendable, Hashable {
    /// Where it stands.
    public var location: SourceLocation
    /// The id, with what the entry and the body say; the entry's call is filled in by the plan.
    public var definition: TaskDefinition
    /// Whether the mapping gives the body itself, so that the entry's own call is not used.
    public var hasBody: Bool
    /// For a job type: how many jobs one run takes at most.
    public var jobLimit = 100
    /// Whether the mapping says so.
    var hasLimit = false
    /// How long it takes, where a person says so.
    public var expected: Double?
    /// How a Celery message is sent, where the mapping says it.
    public var sending: MappedSending?
    /// Whether what the entry calls after its own task becomes tasks.
    public var splitsCanvas = false
}

/// Who makes the calls that stand in the options of an entry (`link`, `chain`).
enum CanvasForm: String, CaseIterable {
    /// The message has them, as legacy's has, and the workers make them.
    case message
    /// Tasks of the DAG, one each.
    case tasks
}

/// What a mapping says of the sending of a Celery message.
public struct MappedSending: Sendable, Hashable {
    /// Who makes the message.
    public enum Via: String, Sendable, Hashable, CaseIterable {
        /// The application itself, in its own interpreter.
        case app
        /// An application that is configured as its workers tell.
        case configuration
    }

    public var via: Via?
    public var app: String?
    public var environment: String?
    public var wait: CelerySending.Wait?
    public var unsure: CelerySending.Unsure?
    /// Options that replace the entry's own: an object.
    public var options: JSON
}
