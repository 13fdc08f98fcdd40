public import LosslessJSON
public import Migration
public import Schedules

/// What shadowing showed, pipeline by pipeline.
public struct ShadowReport: Sendable {
    /// One pipeline's comparisons.
    public struct Row: Sendable {
        /// The pipeline; nil if the plan does not have it any more.
        public var dag: DAGDefinition?
        /// The pipeline's id.
        public var id: String
        /// The schedule in words.
        public var schedule: String
        /// The comparisons, oldest first.
        public var comparisons: [Comparison]

        /// How many have a verdict.
        public func count(_ verdict: Comparison.Verdict) -> Int { comparisons.filter { $0.verdict == verdict }.count }

        /// The row's own verdict: the worst there is; too little to tell if nothing was compared.
        public var verdict: Comparison.Verdict {
            for verdict in [Comparison.Verdict.broken, .mismatch] where count(verdict) > 0 { return verdict }
            return count(.match) > 0 ? .match : .insufficient
        }
    }

    /// When it was made.
    public var madeAt: Instant
    /// A row per pipeline that was compared or planned, by id.
    public var rows: [Row]

    /// A report of comparisons over the pipelines of a plan.
    public init(comparisons: [Comparison], pipelines: [PlannedPipeline], madeAt: Instant) {
        self.madeAt = madeAt
        let groups = Dictionary(grouping: comparisons, by: \.pipeline)
        let ids = Set(groups.keys).union(pipelines.map(\.dag.id)).sorted()
        rows = ids.map { id in
            let planned = pipelines.first { $0.dag.id == id }
            return Row(
                dag: planned?.dag,
                id: id,
                schedule: planned?.scheduleWords ?? "not in the plan any more",
                comparisons: groups[id] ?? []
            )
        }
    }

    /// Whether nothing that was compared differs.
    public var holds: Bool { rows.allSatisfy { $0.verdict != .mismatch && $0.verdict != .broken } }

    /// The comparisons that differ.
    public var mismatches: [Comparison] {
        rows.flatMap(\.comparisons).filter { $0.verdict == .mismatch || $0.verdict == .broken }
    }

    /// The document that `bailey report --json` prints; see docs/json.md.
    public var json: JSON {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        return [
            "bailey": "report", "version": 1, "made_at": .string(madeAt.iso8601), "holds": .bool(holds),
            "pipelines": .array(
                rows.map { row in
                    [
                        "id": .string(row.id), "verdict": .string(row.verdict.rawValue),
                        "schedule": .string(row.schedule),
                        "match": number(row.count(.match)), "mismatch": number(row.count(.mismatch)),
                        "not_enough_data": number(row.count(.insufficient)),
                        "observer_broken": number(row.count(.broken)),
                        "ignored_differences": number(row.comparisons.reduce(0) { $0 + $1.ignored.count }),
                        "comparisons": .array(row.comparisons.map(\.json)),
                    ]
                }
            ),
        ]
    }

    /// The report for a terminal.
    public func textLines() -> [String] {
        var table = TextTable([
            "PIPELINE", "VERDICT", "COMPARED", "MATCH", "MISMATCH", "TOO LITTLE", "IGNORED", "LEGACY p50", "SHADOW p50",
        ])
        for row in rows {
            table.add([
                row.id, row.verdict.rawValue, "\(row.comparisons.count)", "\(row.count(.match))",
                "\(row.count(.mismatch))", "\(row.count(.insufficient))",
                "\(row.comparisons.reduce(0) { $0 + $1.ignored.count })",
                median(row.comparisons.compactMap { $0.legacy?.duration }),
                median(row.comparisons.compactMap { $0.shadow?.duration }),
            ])
        }
        var lines = table.lines()
        for row in rows where row.verdict == .mismatch || row.verdict == .broken {
            lines += ["", "\(row.id):"]
            for group in grouped(row) {
                lines.append("  \(group.count) × \(group.kind): \(group.text)")
                if let example = group.example {
                    lines.append("    run \(example.key)")
                    lines.append("    legacy: \(short(group.legacy))")
                    lines.append("    shadow: \(short(group.shadow))")
                }
            }
        }
        return lines
    }

    /// Differences of the same kind and place, counted.
    struct Group {
        var kind: String
        var text: String
        var count: Int
        var example: Comparison?
        var legacy: JSON?
        var shadow: JSON?
    }

    func grouped(_ row: Row) -> [Group] {
        var groups: [String: Group] = [:]
        var order: [String] = []
        for comparison in row.comparisons where comparison.verdict == .mismatch || comparison.verdict == .broken {
            for difference in comparison.differences {
                let key = "\(difference.kind.rawValue) \(difference.path) \(difference.text)"
                if groups[key] == nil {
                    order.append(key)
                    groups[key] = Group(
                        kind: difference.kind.rawValue,
                        text: difference.text,
                        count: 0,
                        example: comparison,
                        legacy: difference.legacy,
                        shadow: difference.shadow
                    )
                }
                groups[key]?.count += 1
            }
        }
        return order.compactMap { groups[$0] }.sorted { $0.count > $1.count }
    }

    private func short(_ value: JSON?) -> String {
        let text = value?.text() ?? "(nothing)"
        return text.count > 150 ? text.prefix(149) + "…" : text
    }

    private func median(_ values: [Double]) -> String {
        guard !values.isEmpty else { return "–" }
        return seconds(values.sorted()[values.count / 2])
    }
}
