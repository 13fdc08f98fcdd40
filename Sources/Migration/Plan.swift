public import Schedules

/// What becomes of every legacy entry, and the pipelines that come of them.
public struct Plan: Sendable, Hashable {
    /// When the inventory it rests on was read.
    public var inventoryReadAt: Instant
    /// The pipelines, by id.
    public var pipelines: [PlannedPipeline]
    /// One judgement per entry of the inventory, in its order.
    public var judgements: [EntryJudgement]
    /// Everything a person must know or decide, worst first.
    public var findings: [Finding]
    /// Entries, and keys that are none, which `ignore` of `bailey.yaml` sets aside.
    public var setAside: [SetAside] = []
    /// The pools that `bailey.yaml` and the mappings declare, by name.
    public var pools: [Pool] = []

    /// Makes a plan.
    public init(
        inventoryReadAt: Instant,
        pipelines: [PlannedPipeline],
        judgements: [EntryJudgement],
        findings: [Finding]
    ) {
        self.inventoryReadAt = inventoryReadAt
        self.pipelines = pipelines
        self.judgements = judgements
        self.findings = findings
    }

    /// Whether nothing of error severity was found.
    public var holds: Bool { !findings.contains { $0.severity == .error } }

    /// Mistakes in mappings (BLY050–BLY057). Which entries a wrong mapping was to take is not known, so that no pipeline can go on.
    public var wrongMappings: [Finding] {
        findings.filter { $0.severity == .error && (50...57).contains($0.code.number) }
    }

    /// The pipelines that a finding of error severity is about, or about an entry of theirs: they cannot go on before it is mended, the
    /// others can.
    public var blocked: [String: [Finding]] {
        findingsByPipeline().compactMapValues { findings in
            let errors = findings.filter { $0.severity == .error }
            return errors.isEmpty ? nil : errors
        }
    }

    /// The findings about each pipeline and about its entries, by the pipeline's id.
    public func findingsByPipeline() -> [String: [Finding]] {
        var pipelinesOfEntries: [EntryID: [String]] = [:]
        for pipeline in pipelines {
            for entry in pipeline.dag.entries { pipelinesOfEntries[entry, default: []].append(pipeline.dag.id) }
        }
        var result: [String: [Finding]] = [:]
        for finding in findings {
            let owners = finding.entry.flatMap { pipelinesOfEntries[$0] } ?? []
            for id in Set(owners + [finding.pipeline].compactMap { $0 }) { result[id, default: []].append(finding) }
        }
        return result
    }
}

/// An entry that a person has set aside.
public struct SetAside: Sendable, Hashable {
    /// The entry, or the key that is none.
    public var entry: EntryID
    /// Why.
    public var reason: String
    /// Where it is said.
    public var location: SourceLocation

    /// Makes a record.
    public init(entry: EntryID, reason: String, location: SourceLocation) {
        (self.entry, self.reason, self.location) = (entry, reason, location)
    }
}

/// A pipeline and what the plan can say of it beforehand.
public struct PlannedPipeline: Sendable, Hashable {
    /// The DAG.
    public var dag: DAGDefinition
    /// The schedule in one true sentence.
    public var scheduleWords: String
    /// The next ticks.
    public var nextTicks: [Instant]
    /// How long a run takes, one task after another, and as a DAG with the pools as declared.
    public var projection: RunProjection
    /// How long jobs wait that it takes from queues.
    public var waits: [JobWait] = []
    /// What must hold before it is cut over.
    public var policy = CutoverPolicy()

    /// When a pipeline without a schedule is due.
    public static func words(_ clock: PipelineClock) -> String {
        if let seconds = clock.jobsEvery {
            let number = Int(exactly: seconds).map(String.init) ?? String(seconds)
            return "when jobs are due, for which it looks every \(number) s"
        }
        return clock.assets.isEmpty
            ? "when a person starts it" : "when all of these were updated: \(clock.assets.joined(separator: ", "))"
    }

    /// Makes a planned pipeline.
    public init(
        dag: DAGDefinition,
        scheduleWords: String,
        nextTicks: [Instant],
        projection: RunProjection? = nil
    ) {
        self.dag = dag
        self.scheduleWords = scheduleWords
        self.nextTicks = nextTicks
        self.projection = projection ?? RunProjection(dag.tasks, lengths: [:], declared: [:])
    }
}

/// What the plan says of one entry.
public struct EntryJudgement: Sendable, Hashable {
    /// What is to become of an entry.
    public enum Verdict: String, Sendable, Hashable, CaseIterable {
        /// It moves to Airflow.
        case migrate
        /// It is better left where it is.
        case keep
        /// Bailey cannot move it.
        case unsupported
    }

    /// The entry.
    public var entry: EntryID
    /// What is to become of it.
    public var verdict: Verdict
    /// Why, where it does not move.
    public var reason: String?
    /// The pipeline it belongs to; nil when it does not move.
    public var pipeline: String?
    /// The schedule in one true sentence; nil for a job type.
    public var scheduleWords: String?
    /// The next five ticks.
    public var nextTicks: [Instant]
    /// Runs per day that the schedule means, on average; nil for a job type.
    public var runsPerDay: Double?

    /// Makes a judgement.
    public init(
        entry: EntryID,
        verdict: Verdict,
        reason: String? = nil,
        pipeline: String? = nil,
        scheduleWords: String? = nil,
        nextTicks: [Instant] = [],
        runsPerDay: Double? = nil
    ) {
        self.entry = entry
        self.verdict = verdict
        self.reason = reason
        self.pipeline = pipeline
        self.scheduleWords = scheduleWords
        self.nextTicks = nextTicks
        self.runsPerDay = runsPerDay
    }
}
