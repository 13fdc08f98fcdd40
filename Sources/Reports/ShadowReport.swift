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

    /// The document that `bailey report --json` prints, with the comparisons that its rows have; see docs/json.md.
    public var json: JSON {
        var head = head
        head["pipelines"] = .array(
            rows.map { row in
                var object = row.figures
                object["comparisons"] = .array(row.comparisons.map(\.json))
                object["shown"] = .number(JSONNumber(row.comparisons.count))
                return .object(object)
            }
        )
        return .object(head)
    }

    private var head: JSONObject {
        ["bailey": "report", "version": 1, "made_at": .string(madeAt.iso8601), "holds": .bool(holds)]
    }

    /// Writes that document with other comparisons, which are given one after another: however many they are, only one is in memory.
    ///
    /// - Parameter comparisons: gives those of a row.
    /// - Throws: what writing and giving throws.
    public func writeJSON(
        to write: @escaping (String) throws -> Void,
        comparisons: (Row, @escaping (Comparison) throws -> Void) throws -> Void
    ) throws {
        func open(_ object: JSONObject) -> String { String(JSON.object(object).text().dropLast()) }
        try write(open(head) + ",\"pipelines\":[")
        for (place, row) in rows.enumerated() {
            try write((place == 0 ? "\n" : ",\n") + open(row.figures) + ",\"comparisons\":[")
            var shown = 0
            try comparisons(row) { comparison in
                try write((shown == 0 ? "\n" : ",\n") + comparison.json.text())
                shown += 1
            }
            try write("],\"shown\":\(shown)}")
        }
        try write("]}\n")
    }
}

extension ShadowReport.Row {
    /// What kept sandboxed bodies from having effects, over everything that was compared, the most frequent first; empty where none ran in one.
    var isolations: [String] {
        let shown = summary.isolations.map { "\($0.runs) of \(summary.compared) runs compared: \($0.words)" }
        guard summary.isolationCount > shown.count else { return shown }
        let others = summary.isolated - summary.isolations.reduce(0) { $0 + $1.runs }
        return shown + ["\(others) more in \(summary.isolationCount - shown.count) other ways; see --json --all"]
    }

    /// What calls over HTTP nobody could compare; nil where there were none.
    var uncompared: String? {
        guard summary.uncomparedCalls > 0 else { return nil }
        return
            "\(summary.uncomparedCalls) calls over HTTP of \(summary.runsWithUncomparedCalls) runs: the mapping names no record of legacy's (“http_legacy”)"
    }

    /// Everything but the comparisons themselves.
    fileprivate var figures: JSONObject {
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
            "isolations": .array(
                summary.isolations.map { ["isolation": .string($0.words), "runs": number($0.runs)] }
            ),
            "all_isolations": number(summary.isolationCount), "isolated": number(summary.isolated),
            "uncompared_calls": number(summary.uncomparedCalls),
            "runs_with_uncompared_calls": number(summary.runsWithUncomparedCalls),
            "unmet_rules": .array(summary.unmetRules.map { .string($0) }), "of": number(total),
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
