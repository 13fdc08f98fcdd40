package import LosslessJSON
package import Migration
package import Shadow
import Store

/// Rules that would cover what legacy shows to be noise, task by task.
package struct RuleProposals: Sendable {
    /// One task's.
    package struct Task: Sendable {
        /// The pipeline.
        package var pipeline: String
        /// The task.
        package var task: String
        /// The entry whose runs were looked at.
        package var entry: EntryID
        /// What was learnt, and how many compared runs differ at that place now.
        package var noise: [(noise: NoiseLearning.Noise, covers: Int)]
    }

    /// The tasks of which something was learnt.
    package var tasks: [Task]
    /// How many runs of legacy were looked at.
    package var runs: Int
    /// How many pairs of them had equal inputs: without any, nothing can be learnt.
    package var pairs = 0

    /// The document that `bailey rules propose --json` prints; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "rules", "version": 1, "runs": .number(JSONNumber(runs)),
            "proposals": .array(
                tasks.flatMap { task in
                    task.noise.map { noise, covers -> JSON in
                        [
                            "pipeline": .string(task.pipeline), "task": .string(task.task),
                            "entry": .string(task.entry.description), "path": .string(noise.place),
                            "rule": .string(noise.rule.section), "pairs": .number(JSONNumber(noise.pairs)),
                            "differing": .number(JSONNumber(noise.differing)), "covers": .number(JSONNumber(covers)),
                            "examples": .array(noise.examples), "yaml": .string(noise.yaml),
                        ]
                    }
                }
            ),
        ]
    }

    /// The proposals for a terminal, as YAML that a mapping takes.
    package var textLines: [String] {
        var lines = [
            "# Learnt from \(runs) runs of legacy against legacy. Nothing of it is applied: that a value changes does not say why."
        ]
        if tasks.isEmpty {
            lines.append(
                pairs == 0
                    ? "# No two of them ended well with equal inputs, so that nothing can be told yet: shadow more runs."
                    : "# The \(pairs) pairs of runs with equal inputs gave equal results, but for what rules cover already."
            )
        }
        for task in tasks {
            lines += ["# \(task.pipeline), task \(task.task) (\(task.entry)):", "compare:"]
            for section in ["ignore", "tolerance", "unordered", "pattern"] {
                let own = task.noise.filter { $0.noise.rule.section == section }
                guard !own.isEmpty else { continue }
                lines.append("  \(section):")
                for (noise, covers) in own {
                    let percent = Int((noise.rate * 100).rounded())
                    lines.append(
                        "    # legacy differs from itself in \(noise.differing) of \(noise.pairs) pairs (\(percent) %); \(covers) compared runs differ here"
                    )
                    lines.append("    - \(noise.yaml)")
                }
            }
        }
        return lines
    }
}

extension NoiseLearning.Rule {
    fileprivate var section: String {
        switch self {
        case .ignore: "ignore"
        case .tolerance: "tolerance"
        case .unordered: "unordered"
        case .pattern: "pattern"
        }
    }
}

extension NoiseLearning.Noise {
    /// Whether the rule would cover a cause; what is out of order shows at its elements.
    fileprivate func covers(_ cause: ComparisonSummary.Cause) -> Bool {
        guard cause.hidden == nil else { return false }
        return cause.place == place || (rule == .unordered && cause.place.hasPrefix(place + "["))
    }

    /// The rule as a line of YAML; what is quoted is JSON, which YAML is a superset of.
    fileprivate var yaml: String {
        let path = JSON.string(place).text()
        switch rule {
        case .ignore:
            let name = JSON.string("changes at \(place)").text()
            return
                "{name: \(name), path: \(path), because: \"legacy's own results differ here in \(differing) of \(pairs) pairs of runs\"}"
        case .tolerance(let relative): return "{path: \(path), relative: \(relative)}"
        case .unordered: return path
        case .pattern(let pattern): return "{path: \(path), pattern: \(JSON.string(pattern).text())}"
        }
    }
}

extension Workspace {
    /// Learns from what legacy returned, and proposes rules.
    ///
    /// - Throws: `StoreError`, or what keeps the plan from being made.
    package func ruleProposals(pipeline: String?) throws -> RuleProposals {
        let plan = try plan(try inventory())
        let store = try store()
        if let pipeline, !plan.pipelines.contains(where: { $0.dag.id == pipeline }) {
            throw OperationFailure(.usage, "there is no pipeline “\(pipeline)”")
        }
        var proposals = RuleProposals(tasks: [], runs: 0)
        for planned in plan.pipelines where pipeline == nil || planned.dag.id == pipeline {
            let comparisons = try store.comparisons(pipeline: planned.dag.id, counting: true, limitPerPipeline: 1000)
            let causes = try store.summary(pipeline: planned.dag.id, form: planned.dag.form, causes: 1000).causes
            for task in planned.dag.tasks {
                guard let entry = task.entry else { continue }
                var learning = NoiseLearning()
                for outcome in comparisons.compactMap(\.legacy) where outcome.key.entry == entry {
                    learning.learn(outcome)
                    proposals.runs += 1
                }
                proposals.pairs += learning.pairs
                let known = Set(task.compare.names)
                let found = learning.noise.map { noise in
                    (noise: noise, covers: causes.filter { noise.covers($0) }.map(\.runs).max() ?? 0)
                }.filter { noise, _ in
                    // What a rule covers already is not proposed again.
                    !task.compare.ignore.contains { $0.path == noise.place }
                        && !known.contains("\(noise.rule.section) \(noise.place)")
                }
                if !found.isEmpty {
                    proposals.tasks.append(
                        RuleProposals.Task(pipeline: planned.dag.id, task: task.id, entry: entry, noise: found)
                    )
                }
            }
        }
        return proposals
    }
}
