import Migration
public import Schedules
import Synchronization

/// What would become, or became, of a crossing.
public enum CrossingReport: Sendable {
    case ticks(PipelineReport)
    case jobs(QueueReport)

    /// The pipeline.
    public var pipeline: String {
        switch self {
        case .ticks(let report): report.preview.pipeline
        case .jobs(let report): report.pipeline
        }
    }

    /// What was done, in one word; nil when nothing was tried.
    public var outcome: String? {
        get {
            switch self {
            case .ticks(let report): report.outcome
            case .jobs(let report): report.outcome
            }
        }
        set {
            switch self {
            case .ticks(var report):
                report.outcome = newValue
                self = .ticks(report)
            case .jobs(var report):
                report.outcome = newValue
                self = .jobs(report)
            }
        }
    }

    /// Whether a cutover was begun, or done, before.
    public var isBegun: Bool {
        switch self {
        case .ticks(let report): !report.preview.entries.allSatisfy { $0.state == .legacy }
        case .jobs(let report): !report.standings.allSatisfy { $0.state == .legacy }
        }
    }

    /// Whether nothing that was looked at refuses.
    public var holds: Bool {
        switch self {
        case .ticks(let report): report.preview.holds
        case .jobs(let report): report.refusals.isEmpty
        }
    }
}

/// What would become, or became, of a pipeline's ticks.
public struct PipelineReport: Sendable {
    /// What was looked at.
    public var preview: OwnershipPreview
    /// What was done: `done`, `completed`, `already`, `given-back`, `given-back-by-others`, `restored`, `nothing`, `refused`; nil when nothing was tried.
    public var outcome: String?
    /// Where Airflow's window begins.
    public var from: Instant?
    /// When legacy got its clock back.
    public var givenBackAt: Instant?
    /// How many entries the application had deleted when they were given back.
    public var gone = 0
    /// Why it was not done.
    public var refusal: Refusal?
    /// What else a person should know.
    public var notes: [String] = []
    /// Seconds from the command's decision to each step's end.
    public var seconds: [(step: String, seconds: Double)] = []

    /// Makes a report of something that was looked at.
    public init(preview: OwnershipPreview) { self.preview = preview }

    /// A pipeline that has taken nothing over.
    public init(nothingOf pipeline: String, source: String) {
        preview = OwnershipPreview(pipeline: pipeline, source: source)
        outcome = "nothing"
        notes = ["legacy owns everything: there is no switch of \(pipeline)"]
    }

    /// Adds what became of entries of the same pipeline whose switch was lost.
    public mutating func take(_ other: PipelineReport) {
        notes += other.notes
        refusal = refusal ?? other.refusal
        if let outcome = other.outcome, self.outcome == nil || self.outcome == "nothing" { self.outcome = outcome }
    }
}

/// What would become, or became, of a pipeline's job types in one queue.
public struct QueueReport: Sendable {
    /// The pipeline.
    public var pipeline: String
    /// The source.
    public var queue: String
    /// The job types.
    public var types: [String]
    /// What a cutover would do.
    public var plan: QueuePlan?
    /// Where the types stand.
    public var standings: [QueueStanding] = []
    /// Jobs that runs have taken and not finished.
    public var claims: [QueueClaims] = []
    /// What refuses.
    public var refusals: [Refusal] = []
    /// What was done: `done`, `refused`, `given-back`; nil when nothing was tried.
    public var outcome: String?
    /// Types of which transactions under way may still hold a job, or whose held jobs somebody has locked.
    public var unswept: [QueueRest] = []

    /// What `bailey` would do, or did, holds.
    public func holds(executed: Bool) -> Bool {
        refusals.isEmpty && (!executed || outcome == "done") && unswept.allSatisfy { $0.held == 0 }
    }

    /// Makes a report of which nothing is known yet.
    public init(pipeline: String, queue: String, types: [String]) {
        self.pipeline = pipeline
        self.queue = queue
        self.types = types
    }
}

/// Tells people each step of an operation as it happens, and keeps how long each took.
final class Stopwatch: Sendable {
    private let name: String
    private let tell: @Sendable (String) -> Void
    private let start = ContinuousClock.now
    private let laps = Mutex<[(step: String, seconds: Double)]>([])

    init(name: String, tell: @escaping @Sendable (String) -> Void) {
        self.name = name
        self.tell = tell
    }

    var seconds: [(step: String, seconds: Double)] { laps.withLock { $0 } }

    func note(_ progress: CutoverProgress) {
        if let line = progress.line { tell("\(name): \(line)") }
        let step: String
        switch progress {
        case .closed: step = "close"
        case .settled: step = "settle"
        case .claimed: step = "claim"
        case .bounded: step = "bound"
        case .gaveBack: step = "give-back"
        case .checked, .recovering, .waitingForMoment, .fencing, .reopened: return
        }
        let elapsed = start.duration(to: .now)
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        laps.withLock { $0.append((step, (seconds * 1000).rounded() / 1000)) }
    }
}

extension Crossing {
    /// A report of it that nothing was looked at for.
    public var blankReport: CrossingReport {
        switch cargo {
        case .ticks: .ticks(PipelineReport(preview: OwnershipPreview(pipeline: pipeline, source: source)))
        case .jobs: .jobs(QueueReport(pipeline: pipeline, queue: source, types: members))
        }
    }
}

extension CrossingReport {
    /// The first thing that refuses, or refused; nil if nothing does.
    public var firstRefusal: Refusal? {
        switch self {
        case .ticks(let report): report.refusal ?? report.preview.checks.lazy.compactMap(\.refusal).first
        case .jobs(let report): report.refusals.first
        }
    }

    /// Why it was not done; nil if nothing refused.
    public var refusal: Refusal? {
        switch self {
        case .ticks(let report): report.refusal
        case .jobs(let report): report.outcome == "refused" ? report.refusals.first : nil
        }
    }
}
