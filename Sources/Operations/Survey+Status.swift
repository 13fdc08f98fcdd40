import Cutover
import Foundation
import Legacy
import LosslessJSON
package import Migration
import Schedules
import Settings
import Store

/// Where pipelines stand.
extension Survey {
    /// What the bridges say of one pipeline.
    private struct Standings {
        /// Of its ticks; nil if it has none.
        var ticks: Result<CrossingStanding, any Error>?
        /// The source that they lie in, and what keeps their switch, for people.
        var source: String?
        var store = "the switches’ store"
        var jobs: [Result<CrossingStanding, any Error>] = []
    }

    /// Where pipelines stand, in the order of their ids.
    ///
    /// - Parameters:
    ///   - deployments: what Airflow says of each.
    ///   - launches: what it says of those without a legacy side.
    package func statuses(
        _ ids: [String],
        deployments: [String: PolicyEvidence.Deployment],
        launches: [String: LaunchState] = [:]
    ) async -> [PipelineStatus] {
        let standings = await standings(of: ids)
        let drivers = ids.compactMap { plannedPipeline($0)?.dag.clock.driver }
        let fires = Workspace.stored(store) { try $0.fires(drivers, limit: 8) }.value ?? [:]
        return ids.map { id in
            let said = deployments[id] ?? .unknown("nobody asked Airflow")
            if let pipeline = plannedPipeline(id), Workspace.isOwn(pipeline.dag), taken[id] == nil {
                return ownStatus(
                    pipeline,
                    launches[id] ?? LaunchState(unknown: "nobody asked Airflow"),
                    deployment: said
                )
            }
            return status(id, standings[id] ?? Standings(), fires, deployment: said)
        }
    }

    /// What the bridges say of pipelines: each bridge is asked once.
    private func standings(of ids: [String]) async -> [String: Standings] {
        var found: [String: Standings] = [:]
        var looks: [String: [Look]] = [:]
        for id in ids {
            var standings = Standings()
            do {
                if let crossing = try ticks(id) {
                    let timetable = plannedPipeline(id)?.dag.clock.timetable
                    looks[crossing.source, default: []].append(Look(crossing, timetable: timetable))
                    (standings.source, standings.store) = (crossing.source, crossing.store)
                }
            } catch {
                standings.ticks = .failure(error)
            }
            for crossing in jobs(id) {
                let timetable = plannedPipeline(id)?.dag.clock.timetable
                looks[crossing.source, default: []].append(Look(crossing, timetable: timetable))
            }
            found[id] = standings
        }
        for bridge in bridges {
            guard let some = looks[bridge.source] else { continue }
            var read: [Result<CrossingStanding, any Error>]
            do { read = try await bridge.standings(of: some) } catch {
                read = some.map { _ in .failure(error) }
            }
            for (look, standing) in zip(some, read) {
                switch bridge.cargo {
                case .ticks: found[look.crossing.pipeline]?.ticks = standing
                case .jobs:
                    var standing = standing
                    if case .success(var known) = standing {
                        known.troubles += await workspace.leftJobs(look.crossing, known)
                        standing = .success(known)
                    }
                    found[look.crossing.pipeline]?.jobs.append(standing)
                }
            }
        }
        return found
    }

    /// Where a pipeline stands.
    ///
    /// - Parameter fires: the latest times at which legacy fired the entries that drive pipelines.
    private func status(
        _ id: String,
        _ standings: Standings,
        _ fires: [EntryID: [Fire]],
        deployment: PolicyEvidence.Deployment
    ) -> PipelineStatus {
        var result = PipelineStatus(pipeline: id, stage: .planned)
        let pipeline = plannedPipeline(id)
        var gate = PolicyEvidence.Gate.none
        var durability: PolicyEvidence.Durability?
        var ticks: CrossingStanding?
        var obstacle: Refusal?
        do {
            if let standing = try standings.ticks?.get() {
                ticks = standing
                gate = standing.gate
                if standing.isLegacys, let source = standings.source { durability = durabilities[source] }
                result.unknowns += disorder(id, standing, standings.store)
                result.owner = standing.state ?? .closing
            }
        } catch let refusal as Refusal {
            // What cannot be taken over was not: there is no switch of it.
            obstacle = refusal
            result.owner = .legacy
        } catch {
            result.unknowns.append("who owns its ticks: \(error)")
            gate = .unknown("\(error)")
            result.stage = .unknown
        }
        var jobs: [CrossingStanding] = []
        for one in standings.jobs {
            do {
                let standing = try one.get()
                result.unknowns += standing.troubles.map(\.text) + standing.remarks
                if let why = standing.unknown {
                    result.unknowns.append("who takes its jobs: \(why)")
                    result.stage = .unknown
                } else {
                    jobs.append(standing)
                    result.unknowns += forgotten(standing, "the queue's database", "legacy takes the jobs")
                }
            } catch {
                result.unknowns.append("who takes its jobs: \(error)")
                result.stage = .unknown
            }
        }
        if ticks == nil, !jobs.isEmpty {
            let states = Set(jobs.map(\.state))
            result.owner =
                states.contains(.closing) ? .closing : states.contains(.airflow) ? .airflow : .legacy
        }
        let compared = show(ticks: ticks, of: pipeline, fires, in: &result)
        if let index, let pipeline {
            let evidence = workspace.evidence(
                pipeline,
                index: index,
                gate: gate,
                deployment: deployment,
                durability: durability
            )
            result.policy = pipeline.policy.evaluate(evidence)
        }
        for double in doubles where double.pipeline == id {
            result.unknowns.append(
                "what its name has also taken over, with another mapping: \(double.members.joined(separator: ", ")) in \(double.source); bailey rollback \(id) --execute gives back all"
            )
        }
        let lost = lost(id)
        if let lost { result.unknowns.append(lost) }
        place(&result, ticks, compared: compared, gate: gate)
        if lost != nil {
            result.stage = .unknown
            result.waitsFor = "bailey rollback \(id) --execute, which starts legacy's clock again"
        }
        if let obstacle, result.stage != .retired { result.waitsFor = obstacle.description }
        if result.stage == .airflow, ticks == nil {
            result.waitsFor = waiting(
                jobs,
                id,
                staysGated: pipeline.map { workspace.neverUngated($0.dag) != nil } ?? false
            )
        }
        return result
    }

    /// What job types that are Airflow's wait for.
    private func waiting(_ jobs: [CrossingStanding], _ id: String, staysGated: Bool) -> String {
        if jobs.contains(where: \.isRetiring) {
            return "bailey retire \(id) --execute, which finishes what was begun (--undo puts the gate back)"
        }
        let share = jobs.map(\.share).min() ?? 100
        if share == 100, staysGated { return "nothing: its jobs need the gate, which may stay" }
        return share < 100
            ? "a person: Airflow takes \(share) % of its jobs; bailey cutover \(id) --share 100% --execute gives it all"
            : "clean jobs, then bailey retire \(id)"
    }

    /// Writes the latest ticks and who ran them into a status. Whether any run of the pipeline was compared.
    private func show(
        ticks: CrossingStanding?,
        of pipeline: PlannedPipeline?,
        _ fires: [EntryID: [Fire]],
        in result: inout PipelineStatus
    ) -> Bool {
        let record = ticks?.record
        var seen: Set<Instant> = []
        let id = result.pipeline
        let comparisons =
            index?.comparisons(id) ?? Workspace.stored(store) { try $0.comparisons(pipeline: id, limitPerPipeline: 50) }
        for comparison in comparisons.value ?? [] where comparison.legacy != nil {
            if let tick = comparison.key.tick { seen.insert(tick) }
        }
        let compared = !(comparisons.value ?? []).isEmpty
        guard let clock = pipeline?.dag.clock, let schedule = clock.schedule else {
            result.ticks = PipelineStatus.runners(of: [], record: record, seen: [])
            return compared
        }
        let now = workspace.surroundings.now()
        let zone = (try? workspace.zones.zone(clock.timezone)) ?? .utc
        let ran = ticks?.lastRun
        let anchor = [record?.lastClaim, ran].compactMap { $0 }.max()
        var due = PipelineStatus.recent(schedule, in: zone, until: now, anchor: anchor)
        if let driver = clock.driver {
            let fires = fires[driver] ?? []
            for fire in fires where fire.run != nil { seen.insert(fire.tick) }
            // The ticks of an interval drift: what was fired is known, and no grid tells it.
            if case .interval(let interval) = schedule, let newest = fires.first {
                let later = due.filter { $0.microseconds > newest.at.microseconds + interval.microseconds / 2 }
                due = later + fires.map(\.tick)
            }
        }
        // What legacy's own meta says counts for the tick before it.
        if let ran, let tick = due.filter({ $0 <= ran }).max() { seen.insert(tick) }
        result.nextTick = clock.timetable?.next(after: now, anchor: anchor)
        var drift: Int64 = 0
        if case .interval(let interval) = schedule { drift = interval.microseconds / 2 }
        result.ticks = PipelineStatus.runners(of: due, record: record, seen: seen, drift: drift)
        if result.stage == .unknown { result.ticks = due.map { PipelineStatus.Tick(tick: $0, runner: .unknown) } }
        return compared
    }

    /// What is wrong with the switches of a pipeline, one sentence each.
    private func disorder(_ pipeline: String, _ standing: CrossingStanding, _ place: String) -> [String] {
        var found = standing.troubles.map(\.text) + standing.remarks
        found += forgotten(standing, place, "legacy owns the ticks, and its clock runs")
        let since = standing.record?.settledAt ?? standing.now
        if standing.state == .airflow,
            let run = Workspace.stored(store, { try $0.journal(pipeline: pipeline, operation: "watch", limit: 50) })
                .value?
                .last(where: { $0.step == .legacyRan && $0.at > since })
        {
            found.append(run.detail["text"]?.string ?? "legacy ran while Airflow owned the ticks")
        }
        return found
    }

    /// What the switches' store has forgotten of what the journal knows, as one sentence; none if nothing.
    private func forgotten(_ standing: CrossingStanding, _ store: String, _ legacys: String) -> [String] {
        let at = standing.journaledAt?.iso8601 ?? "?"
        return switch standing.forgotten {
        case .rollback?:
            [
                "\(store) has forgotten a rollback (\(at)): its switch is older than the journal. bailey watch, or the next command, gives it back again"
            ]
        case .cutover?:
            ["\(store) has forgotten a cutover (\(at)): \(legacys). Cut it over again if that is still wanted"]
        case nil: []
        }
    }

    /// The stage and what it waits for.
    private func place(
        _ status: inout PipelineStatus,
        _ ticks: CrossingStanding?,
        compared: Bool,
        gate: PolicyEvidence.Gate
    ) {
        let id = status.pipeline
        if status.stage == .unknown {
            status.waitsFor = "a legacy system that cannot be read; see bailey doctor"
            return
        }
        switch status.owner {
        case .closing:
            status.stage = .closing
            status.waitsFor = "the fence; bailey watch, the DAG's gate or bailey cutover settles it"
        case .airflow:
            status.stage = .airflow
            status.waitsFor = waiting(ticks, id)
        case .legacy, nil: placeLegacys(&status, ticks?.record, compared: compared, gate: gate)
        }
    }

    /// What ticks that are Airflow's wait for.
    private func waiting(_ ticks: CrossingStanding?, _ id: String) -> String {
        let record = ticks?.record
        if ticks?.isRetiring == true {
            return "bailey retire \(id) --execute, which finishes what was begun (--undo puts the gate back)"
        }
        if ticks?.isReopened == true {
            return "healing: something restarted legacy's clock; bailey watch or the gate parks it again"
        }
        if record?.isOver == true { return "bailey watch, which gives back the window that has ended" }
        if let left = record?.ticksLeft {
            return "\(left) more \(left == 1 ? "tick" : "ticks"), then ownership returns by itself"
        }
        if let until = record?.until { return "\(until.iso8601), when ownership returns by itself" }
        return "clean ticks, then bailey retire \(id)"
    }

    /// The stage of what legacy owns, or once owned: it may be retired.
    private func placeLegacys(
        _ status: inout PipelineStatus,
        _ record: SwitchRecord?,
        compared: Bool,
        gate: PolicyEvidence.Gate
    ) {
        let id = status.pipeline
        let isOfJobs = !jobs(id).isEmpty
        if record == nil, let index, case .finished(let at)? = index.retirement(id),
            at > index.inventory.readAt || isOfJobs
        {
            // What stands in the schedule's history says nothing of who ran a tick since: no gate is asked any more.
            status.stage = .retired
            status.owner = .airflow
            status.ticks = []
            status.waitsFor =
                isOfJobs
                ? "nothing: its DAG takes the jobs by itself"
                : "nothing; bailey import, once its mapping is deleted, and it is not listed any more"
            return
        }
        let file = workspace.absolute(workspace.settings.airflow.dagsFolder) + "/\(id).py"
        var asked = false
        if case .asked(.some) = gate { asked = true }
        if record?.givenBackAt != nil {
            status.stage = .rolledBack
        } else if status.policy?.holds == true {
            status.stage = .ready
        } else if compared || asked {
            status.stage = .shadowing
        } else if FileManager.default.fileExists(atPath: file) {
            status.stage = .generated
        }
        if let line = status.policy?.waitsFor {
            let when = line.when.map { " (\($0.iso8601))" } ?? ""
            status.waitsFor = "\(line.rule.rawValue): \(line.evidence)\(when)"
        } else if status.policy != nil {
            status.waitsFor = "a person: bailey cutover \(id) --execute"
        } else {
            status.waitsFor = "bailey import, without which nothing can be planned"
        }
    }
}
