import Alerts
import Cutover
import Foundation
import Migration
import Planning
import Schedules
import Store

/// What is known of pipelines while Bailey's own state or the plan cannot be read: the mappings and the switches are read all the same.
extension Survey {
    /// What a pipeline's policy is: by the plan, else by its mapping, else that of `bailey.yaml`.
    func policy(of id: String) -> CutoverPolicy {
        plannedPipeline(id)?.policy ?? mappedPolicies[id] ?? workspace.policy
    }

    /// When a pipeline's DAG is due by the plan; nil where that does not tell.
    func timetable(of id: String) -> AirflowTimetable? { plannedPipeline(id)?.dag.clock.timetable }
}

extension Workspace {
    /// The policies that mappings give their pipelines, read without an inventory; a mapping that cannot be read gives none.
    func mappedPolicies() -> [String: CutoverPolicy] {
        var policies: [String: CutoverPolicy] = [:]
        for (file, text) in (try? mappingFiles()) ?? [] {
            for mapping in (try? Mapping.all(yaml: text, file: file, reading: { mappedFile(file, $0) })) ?? [] {
                guard let node = mapping.policy, let policy = try? CutoverPolicy(node, over: policy, zones: zones)
                else {
                    continue
                }
                policies[mapping.pipeline] = policy
            }
        }
        return policies
    }
}

extension Watchman {
    /// That Bailey's own state, or the plan, cannot be read; the same event for as long as it lasts.
    func blinded(_ survey: Survey) -> [Alert] {
        guard let fault = survey.fault else {
            guard let since = blindSince else { return [] }
            blindSince = nil
            let text = "Bailey's own state and the plan can be read again."
            return [alert("state-readable", "\(since.iso8601)", .info, nil, text)]
        }
        let since = blindSince ?? workspace.surroundings.now()
        blindSince = since
        let text =
            "What Bailey knows of its pipelines cannot be read since \(since.iso8601): \(fault). Meanwhile switches are still settled and healed,"
            + " windows ended, and failed runs rolled back by the policies of bailey.yaml and the mappings; comparisons count for nothing, and"
            + " what was told before may be told again."
        return [alert("state-unreadable", "\(since.iso8601)", .urgent, nil, text)]
    }
}
