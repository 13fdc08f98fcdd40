import Migration
import Settings

/// What a pipeline can be that due jobs of a queue start (`schedule: {jobs: 5s}`).
///
/// Its next run begins when the one before has ended, and goes on at once while jobs are due: whatever kept a run from taking them would have
/// it begin again and again. So nothing may stand between a run and its jobs.
struct JobsStartChecker {
    let inventory: Inventory

    func findings(_ mapping: Mapping) -> [Finding] {
        var findings: [Finding] = []
        func find(_ location: SourceLocation, _ text: String) {
            findings.append(Finding(.invalidMapping, pipeline: mapping.pipeline, location: location, text: text))
        }
        let taking = mapping.tasks.filter { task in
            task.definition.entry.flatMap { inventory[$0] }?.kind == .jobType
        }
        if taking.isEmpty {
            find(
                mapping.location,
                "Due jobs start the pipeline, and none of its tasks stands for a job type: give one “entry”, or the pipeline another schedule."
            )
        }
        for task in taking {
            let definition = task.definition
            if !definition.conditions.isEmpty {
                find(
                    task.location,
                    "Task “\(definition.id)” takes jobs under a condition: those that it leaves would start the pipeline again and again. Leave “when” out, or give the pipeline “every”."
                )
            }
            if !definition.after.isEmpty, ![.allDone, .always].contains(definition.triggerRule) {
                find(
                    task.location,
                    "Task “\(definition.id)” takes jobs only if the tasks before it end well: otherwise the jobs would start the pipeline again and again. Say “trigger_rule: all_done”, or give the pipeline “every”."
                )
            }
            if definition.dependsOnPast {
                find(
                    task.location,
                    "Task “\(definition.id)” takes jobs only if the run before has ended well for it, and due jobs would start the pipeline again and again. Leave “depends_on_past” out, or give the pipeline “every”."
                )
            }
        }
        let hasLimit = mapping.sla != nil || mapping.tasks.contains { $0.definition.sla != nil }
        if hasLimit {
            find(
                mapping.location,
                "“sla” counts from when a run was created, and one that due jobs start is created before there are any. Leave it out, or give the pipeline “every”."
            )
        }
        return findings
    }
}
