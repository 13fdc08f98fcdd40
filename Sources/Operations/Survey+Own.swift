import Airflow
import Foundation
import Migration
import Schedules
import Settings
import Store

/// Where pipelines without a legacy side stand: nothing is legacy's of them.
extension Survey {
    /// Where such a pipeline stands, by what its Airflow says of its launch.
    func ownStatus(_ pipeline: PlannedPipeline, _ state: LaunchState, deployment: PolicyEvidence.Deployment)
        -> PipelineStatus
    {
        let id = pipeline.dag.id
        let now = workspace.surroundings.now()
        var status = PipelineStatus(pipeline: id, stage: .planned)
        status.hasLegacySide = false
        status.nextTick = pipeline.dag.clock.timetable?.next(after: now, anchor: nil)
        let evidence = LaunchEvidence(
            pipeline: id,
            now: now,
            findings: index?.findings(of: pipeline.dag, ofSources: false) ?? [],
            deployment: deployment,
            trials: state.trials,
            nextTick: status.nextTick
        )
        let policy = pipeline.policy.evaluate(evidence)
        status.policy = policy
        let file = workspace.absolute(workspace.settings.airflow.dagsFolder) + "/\(id).py"
        if FileManager.default.fileExists(atPath: file) { status.stage = .generated }
        if case .unknown(let why) = state.runs { status.unknowns.append("its runs in Airflow: \(why)") }
        let runs = state.runs.value ?? []
        if runs.contains(where: { $0.trial != nil }) { status.stage = .trial }
        switch state.record {
        case .unknown(let why):
            status.stage = .unknown
            status.unknowns.append("whether it is launched: \(why)")
            status.waitsFor = "an Airflow that says whether it is launched; see bailey doctor"
            return status
        case .known(let record):
            status.ticks = ownTicks(pipeline, record, runs, now)
            if let record, let open = record.open {
                status.stage = .live
                status.owner = .airflow
                if open.from > now {
                    status.waitsFor = "\(open.from.iso8601), from when on its ticks are Airflow's"
                } else if case .faulty(let what) = deployment {
                    status.waitsFor = "its DAG: \(what)"
                } else {
                    status.waitsFor = "nothing; bailey launch \(id) --stop ends it"
                }
                return status
            }
            if record == nil, let lost = lostLaunch(id) { status.unknowns.append(lost) }
        }
        if pipeline.dag.clock.schedule == nil, pipeline.dag.clock.assets.isEmpty {
            status.waitsFor = "a person who starts a run, and chooses whether it is live"
        } else if state.isGated == false {
            status.stage = .live
            status.owner = .airflow
            status.waitsFor = "nothing: its DAG has no gate, and runs at each tick"
        } else if let line = policy.waitsFor {
            let when = line.when.map { " (\($0.iso8601))" } ?? ""
            status.waitsFor = "\(line.rule.rawValue): \(line.evidence)\(when)"
        } else {
            status.waitsFor = "a person: bailey launch \(id) --execute"
        }
        return status
    }

    /// What to say where the journal knows of a launch and no variable is there any more.
    private func lostLaunch(_ id: String) -> String? {
        guard let line = index?.lastLine(id, "launch", .launch), line.phase == .after else { return nil }
        if let stopped = index?.lastLine(id, "launch", .stop), stopped.id > line.id { return nil }
        return
            "the variable \(LaunchRecord.key(id)) is gone from Airflow, although the journal knows of a launch (\(line.at.iso8601)): its runs are trials. Launch it again if that is still wanted"
    }

    /// The latest ticks and what their runs were.
    private func ownTicks(
        _ pipeline: PlannedPipeline,
        _ record: LaunchRecord?,
        _ runs: [LaunchState.Run],
        _ now: Instant
    ) -> [PipelineStatus.Tick] {
        let clock = pipeline.dag.clock
        let zone = (try? workspace.zones.zone(clock.timezone)) ?? .utc
        let byTick = Dictionary(
            runs.compactMap { run in run.run.logicalDate.map { ($0, run) } },
            uniquingKeysWith: { first, _ in first }
        )
        let due =
            clock.schedule.map { PipelineStatus.recent($0, in: zone, until: now, anchor: byTick.keys.max()) } ?? []
        return Set(due).union(byTick.keys).sorted(by: >).prefix(5).map { tick in
            guard let run = byTick[tick] else {
                let isAirflows = record?.contains(tick) == true
                return PipelineStatus.Tick(tick: tick, runner: isAirflows ? .unclaimed : .nobody)
            }
            if run.mode == "shadow" { return PipelineStatus.Tick(tick: tick, runner: .trial(run: run.run.id)) }
            let how = run.how ?? run.run.state?.rawValue ?? "unknown"
            return PipelineStatus.Tick(tick: tick, runner: .airflow(run: run.run.id, how: how))
        }
    }
}
