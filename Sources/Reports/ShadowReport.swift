public import LosslessJSON
public import Migration
public import Schedules

/// What shadowing showed, pipeline by pipeline.
public struct ShadowReport: Sendable {
    /// What is known of one pipeline.
    public struct Row: Sendable {
        /// The pipeline; nil if the plan does not have it any more.
        public var dag: DAGDefinition?
        /// The pipeline's id.
        public var id: String
        /// The schedule in words.
        public var schedule: String
        /// The figures over everything that was compared.
        public var summary: ComparisonSummary
        /// The comparisons that are shown, oldest first.
        public var comparisons: [Comparison]
        /// How many there are of which those are the newest.
        public var total: Int
        /// How much of each entry's runs was seen and compared.
        public var coverage: [Coverage]
        /// What the policy says; nil where it was not asked.
        public var policy: PolicyEvaluation?
        /// Who ran the last ticks, where that was asked.
        public var ticks: [PipelineStatus.Tick]
        /// Seconds that legacy takes for the same work one after another, and the DAG by its longest path.
        public var times: (sequential: Double?, projected: Double?)

        /// Makes a row.
        public init(
            _ planned: PlannedPipeline?,
            id: String,
            summary: ComparisonSummary,
            comparisons: [Comparison],
            total: Int,
            coverage: [Coverage] = [],
            policy: PolicyEvaluation? = nil,
            ticks: [PipelineStatus.Tick] = []
        ) {
            dag = planned?.dag
            self.id = id
            schedule = planned?.scheduleWords ?? "not in the plan any more"
            self.summary = summary
            self.comparisons = comparisons
            self.total = total
            self.coverage = coverage
            self.policy = policy
            self.ticks = ticks
            times = (planned?.projection.sequential, planned?.projection.projected)
        }

        /// How many have a verdict.
        public func count(_ verdict: Comparison.Verdict) -> Int { summary.verdicts[verdict, default: 0] }

        /// The row's own verdict: the worst there is; too little to tell if nothing was compared.
        public var verdict: Comparison.Verdict { summary.verdict }

        /// What was compared of what there was, `18 of 20`; of what was compared alone where nobody knows how much there was.
        public var covered: String {
            guard !coverage.isEmpty else { return "\(summary.compared) of ?" }
            let compared = coverage.reduce(0) { $0 + $1.compared }
            let comparable = coverage.reduce(0) { $0 + $1.comparable }
            return comparable == 0 && summary.compared > 0 ? "\(summary.compared) of ?" : "\(compared) of \(comparable)"
        }
    }

    /// When it was made.
    public var madeAt: Instant
    /// A row per pipeline that was compared or planned, by id.
    public var rows: [Row]

    /// A report of rows.
    public init(rows: [Row], madeAt: Instant) {
        self.rows = rows
        self.madeAt = madeAt
    }

    /// A report of comparisons that are all there are, over the pipelines of a plan.
    public init(comparisons: [Comparison], pipelines: [PlannedPipeline], madeAt: Instant) {
        let groups = Dictionary(grouping: comparisons, by: \.pipeline)
        let ids = Set(groups.keys).union(pipelines.map(\.dag.id)).sorted()
        self.init(
            rows: ids.map { id in
                let own = groups[id] ?? []
                return Row(
                    pipelines.first { $0.dag.id == id },
                    id: id,
                    summary: ComparisonSummary(own),
                    comparisons: own,
                    total: own.count
                )
            },
            madeAt: madeAt
        )
    }

    /// Whether nothing that was compared differs.
    public var holds: Bool { rows.allSatisfy { $0.verdict != .mismatch && $0.verdict != .broken } }

    /// The document that `bailey report --json` prints; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "report", "version": 1, "made_at": .string(madeAt.iso8601), "holds": .bool(holds),
            "pipelines": .array(rows.map(\.json)),
        ]
    }
}

extension ShadowReport.Row {
    /// What kept sandboxed bodies from having effects, of the runs that are shown, the most frequent first; empty where none ran in one.
    var isolations: [String] {
        let all = Dictionary(grouping: comparisons.compactMap { $0.shadow?.isolation }) { $0 }.map {
            ($0.key, $0.value.count)
        }
        let sorted = all.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        let shown = sorted.prefix(3).map { "\($0.1) of \(comparisons.count) runs shown: \($0.0)" }
        return shown + (sorted.count > 3 ? ["and in \(sorted.count - 3) other ways; see --json"] : [])
    }

    fileprivate var json: JSON {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        return [
            "id": .string(id), "verdict": .string(verdict.rawValue), "schedule": .string(schedule),
            "match": number(count(.match)), "mismatch": number(count(.mismatch)),
            "not_enough_data": number(count(.insufficient)), "observer_broken": number(count(.broken)),
            "ignored_differences": number(summary.ignored), "older_form": number(summary.older),
            "not_scheduled": number(summary.notScheduled),
            "not_scheduled_differing": number(summary.notScheduledDiffering),
            "coverage": .array(coverage.map(\.json)), "policy": policy?.json ?? .null,
            "legacy_seconds": summary.legacy?.json ?? .null, "shadow_seconds": summary.shadow?.json ?? .null,
            "pace": summary.pace.map { ["median": .string($0.median.rawValue), "p95": .string($0.p95.rawValue)] }
                ?? .null,
            "causes": .array(summary.causes.map(\.json)), "all_causes": number(summary.causeCount),
            "all_hidden_causes": number(summary.hiddenCauseCount),
            "unmet_rules": .array(summary.unmetRules.map { .string($0) }),
            "shown": number(comparisons.count), "of": number(total),
            "comparisons": .array(comparisons.map(\.json)),
        ]
    }
}

extension ComparisonSummary.Durations {
    fileprivate var json: JSON {
        [
            "runs": .number(JSONNumber(count)), "median": .number(JSONNumber(median.value)),
            "median_within": median.within, "p95": .number(JSONNumber(p95.value)), "p95_within": p95.within,
        ]
    }
}

extension ComparisonSummary.Durations.Quantile {
    /// The interval's bounds; null where there are too few runs for one.
    fileprivate var within: JSON {
        .array([low, high].map { $0.map { .number(JSONNumber($0)) } ?? .null })
    }
}

extension ComparisonSummary.Cause {
    fileprivate var json: JSON {
        [
            "kind": .string(kind), "place": .string(place), "hidden_by": hidden.map { .string($0) } ?? .null,
            "runs": .number(JSONNumber(runs)), "example": example.map { .string($0.key.description) } ?? .null,
            "legacy": difference?.legacy ?? .null, "shadow": difference?.shadow ?? .null,
        ]
    }

    /// What it is, in a few words.
    var words: String {
        if let difference, hidden == nil { return difference.text }
        return place
    }
}
