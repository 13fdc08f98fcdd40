import LosslessJSON
import Migration
import Schedules
import Settings

/// Waits for other pipelines, which must be able to end.
struct WaitChecker {
    let mappings: [Mapping]
    let zones: ZoneDatabase
    /// From where ticks are looked at: what is found does not follow from when somebody looks.
    static let start = Instant(seconds: 1_795_392_000)

    /// Fills in what waits must know of the pipelines that they wait for, and finds those that can never end.
    ///
    /// - Parameter pipelines: all pipelines of the plan.
    func resolve(_ pipelines: inout [PlannedPipeline]) -> [Finding] {
        guard pipelines.contains(where: { $0.dag.tasks.contains { $0.body.wait != nil } }) else { return [] }
        var findings: [Finding] = []
        let dags = Dictionary(pipelines.map { ($0.dag.id, $0.dag) }, uniquingKeysWith: { first, _ in first })
        let known = Set(dags.keys).union(mappings.map(\.pipeline))
        let circles = WaitCircles(dags: dags, zones: zones)
        let lengths = Dictionary(pipelines.map { ($0.dag.id, $0.projection) }, uniquingKeysWith: { first, _ in first })
        for index in pipelines.indices {
            let dag = pipelines[index].dag
            for number in dag.tasks.indices {
                guard var wait = dag.tasks[number].body.wait else { continue }
                let task = dag.tasks[number]
                if let why = refusal(wait, of: dag, dags, known) ?? circles.refusal(of: wait, task.id, in: dag) {
                    findings.append(finding(why, dag.id, task.id))
                    continue
                }
                if let why = lateness(wait, task, of: dag, dags, lengths) {
                    findings.append(finding(why, dag.id, task.id, .warning))
                }
                if let clock = dags[wait.pipeline]?.clock {
                    wait.schedule = clock.schedule?.timetableJSON ?? .null
                    wait.timezone = clock.timezone
                    pipelines[index].dag.tasks[number].body = .wait(wait)
                }
            }
        }
        return findings
    }

    private func finding(_ why: String, _ pipeline: String, _ task: String, _ severity: Severity = .error) -> Finding {
        let place = mappings.first { $0.pipeline == pipeline }?.tasks.first { $0.definition.id == task }?.location
        return Finding(
            .impossibleWait,
            pipeline: pipeline,
            location: place,
            severity: severity,
            text: "Task “\(task)” \(why)"
        )
    }

    /// That a wait would end before what it waits for, as both pipelines are projected; nil if it would not, or nobody knows.
    private func lateness(
        _ wait: PipelineWait,
        _ task: TaskDefinition,
        of dag: DAGDefinition,
        _ dags: [String: DAGDefinition],
        _ lengths: [String: RunProjection]
    ) -> String? {
        guard let clock = dags[wait.pipeline]?.clock, let schedule = clock.schedule,
            let ends = lengths[wait.pipeline]?.ends,
            let needed = wait.task.map({ ends[$0] }) ?? ends.values.max(),
            let ticks = dag.clock.timetable?.ticks(after: WaitChecker.start).prefix(50)
        else { return nil }
        var begin = 0.0
        for before in task.after {
            guard let end = lengths[dag.id]?.ends[before] else { return nil }
            begin = max(begin, end)
        }
        let zone = (try? zones.zone(clock.timezone)) ?? .utc
        for tick in ticks {
            guard let other = schedule.last(until: tick, in: zone) else { continue }
            let late = needed - tick.seconds(since: other) - begin - wait.within
            guard late > 0 else { continue }
            let what = wait.task.map { "the task “\($0)” of “\(wait.pipeline)”" } ?? "“\(wait.pipeline)”"
            return
                "waits at its tick \(tick.iso8601) for \(what), which is due at \(other.iso8601) and takes \(words(needed)) as projected: the wait ends \(words(late)) before it does. Make “within” longer."
        }
        return nil
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
        let ticks = own.ticks(after: WaitChecker.start).prefix(50)
        if let tick = ticks.first(where: { schedule.last(until: $0, in: zone) == nil }) {
            return
                "waits at its tick \(tick.iso8601) for \(other), which has no tick before that: it would wait for ever."
        }
        return nil
    }
}

/// A length of time, rounded up.
private func words(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded(.up))
    return whole < 120 ? "\(whole) s" : "\((whole + 59) / 60) min"
}
