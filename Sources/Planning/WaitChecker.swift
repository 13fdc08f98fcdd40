import LosslessJSON
import Migration
import Schedules
import Settings

/// Waits for other pipelines, which must be able to end.
struct WaitChecker {
    let mappings: [Mapping]
    let zones: ZoneDatabase

    /// Fills in what waits must know of the pipelines that they wait for, and finds those that can never end.
    ///
    /// - Parameter pipelines: all pipelines of the plan.
    func resolve(_ pipelines: inout [PlannedPipeline]) -> [Finding] {
        guard pipelines.contains(where: { $0.dag.tasks.contains { $0.body.wait != nil } }) else { return [] }
        var findings: [Finding] = []
        let dags = Dictionary(pipelines.map { ($0.dag.id, $0.dag) }, uniquingKeysWith: { first, _ in first })
        let known = Set(dags.keys).union(mappings.map(\.pipeline))
        for index in pipelines.indices {
            let dag = pipelines[index].dag
            for number in dag.tasks.indices {
                guard var wait = dag.tasks[number].body.wait else { continue }
                if let why = refusal(wait, of: dag, dags, known) {
                    findings.append(finding(why, dag.id, dag.tasks[number].id))
                } else if let clock = dags[wait.pipeline]?.clock {
                    wait.schedule = clock.schedule?.timetableJSON ?? .null
                    wait.timezone = clock.timezone
                    pipelines[index].dag.tasks[number].body = .wait(wait)
                }
            }
        }
        return findings + circles(dags)
    }

    private func finding(_ why: String, _ pipeline: String, _ task: String) -> Finding {
        let place = mappings.first { $0.pipeline == pipeline }?.tasks.first { $0.definition.id == task }?.location
        return Finding(.impossibleWait, pipeline: pipeline, location: place, text: "Task “\(task)” \(why)")
    }

    /// Why a wait can never end, or cannot be told to; nil if it can.
    private func refusal(
        _ wait: PipelineWait,
        of dag: DAGDefinition,
        _ dags: [String: DAGDefinition],
        _ known: Set<String>
    )
        -> String?
    {
        let other = "“\(wait.pipeline)”"
        guard known.contains(wait.pipeline) else {
            let near = nearest(to: wait.pipeline, of: known)
            return
                "waits for the pipeline \(other), which is not in the plan\(near.map { "; did you mean “\($0)”?" } ?? ".")"
        }
        // One that has findings of its own is not here; those come first.
        guard let awaited = dags[wait.pipeline] else { return nil }
        if let task = wait.task, awaited[task] == nil {
            let near = nearest(to: task, of: awaited.tasks.map(\.id))
            return
                "waits for the task “\(task)” of \(other), which has none of that id\(near.map { "; did you mean “\($0)”?" } ?? ".")"
        }
        if let task = wait.task, awaited[task]?.isMapped == true {
            return
                "waits for the task “\(task)” of \(other), which runs once for each item or job and has no end of its own. Wait for a task after it."
        }
        guard let own = dag.clock.timetable else {
            return "waits for a tick of \(other), and its own pipeline has no schedule that says until when."
        }
        guard let schedule = awaited.clock.schedule else {
            return
                "waits for \(other), which has no schedule: nobody knows when it runs. Start this pipeline by an asset of it instead."
        }
        if case .interval = schedule {
            return
                "waits for \(other), whose interval counts from when it began: no tick of it is known. Give it a crontab."
        }
        let zone = (try? zones.zone(awaited.clock.timezone)) ?? .utc
        let ticks = own.ticks(after: Instant(seconds: 1_795_392_000)).prefix(50)
        if let tick = ticks.first(where: { schedule.last(until: $0, in: zone) == nil }) {
            return
                "waits at its tick \(tick.iso8601) for \(other), which has no tick before that: it would wait for ever."
        }
        return nil
    }

    /// Pipelines that wait for each other.
    private func circles(_ dags: [String: DAGDefinition]) -> [Finding] {
        let waits = dags.mapValues { dag in
            dag.tasks.compactMap { task in task.body.wait.map { (task.id, $0.pipeline) } }
        }
        return waits.keys.sorted().flatMap { start in
            (waits[start] ?? []).compactMap { task, first -> Finding? in
                var seen: Set<String> = []
                var waiting = [first]
                while let next = waiting.popLast() {
                    if next == start {
                        return finding(
                            "waits for “\(first)”, which waits in the end for “\(start)”: neither would ever begin.",
                            start,
                            task
                        )
                    }
                    guard seen.insert(next).inserted else { continue }
                    waiting += (waits[next] ?? []).map(\.1)
                }
                return nil
            }
        }
    }
}
