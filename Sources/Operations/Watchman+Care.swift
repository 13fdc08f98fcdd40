import Alerts
import Cutover
import LosslessJSON
import Migration
import Postgres
import Schedules
import Store

/// Looks after one bridge and what pipelines have on it: completes what was left half done, heals, ends bounded windows, and rolls back by
/// policy.
extension Watchman {
    /// What is to be done for one bridge.
    func care(_ bridge: any Bridge, _ survey: Survey) async -> [Alert] {
        do {
            var events = try await bridge.tend().map { alert($0, nil) }
            let crossings =
                bridge.cargo == .ticks
                ? survey.watched(on: bridge) : try await Array(bridge.taken().values) + bridge.forgotten()
            if bridge.cargo == .jobs { events += reachable(bridge.source) }
            for crossing in crossings.sorted(by: { $0.pipeline < $1.pipeline }) {
                events += await care(crossing, bridge, survey)
            }
            return events
        } catch is CancellationError {
            return []
        } catch let error as PostgresError where error.code == .unreachable {
            return [unreachable(bridge.source, "\(error)")]
        } catch {
            let text = "\(bridge.source) could not be looked after: \(error)."
            return [alert("trouble", "\(bridge.source) \(error)", .warning, nil, text)]
        }
    }

    /// What is to be done for one pipeline; an operator who is at work on it is left alone.
    private func care(_ crossing: any Crossing, _ bridge: any Bridge, _ survey: Survey) async -> [Alert] {
        let pipeline = crossing.pipeline
        do {
            var standing = try await look(crossing, bridge, survey)
            if let events = try await forgotten(crossing, standing, survey) { return events }
            // Also after a rollback: what a run had taken stayed its own.
            var events = await workspace.leftJobs(crossing, standing).map { alert($0, pipeline) }
            guard !standing.isLegacys || standing.isHealable else { return events }
            if standing.isHealable {
                // A person's cutover that is under way settles itself; this only returns once the fence has passed.
                events += try await crossing.heal(standing).map { alert($0, pipeline) }
                standing = try await look(crossing, bridge, survey)
            }
            events += standing.troubles.map { alert($0, pipeline) }
            let policy = survey.policy(of: pipeline)
            if let record = standing.record {
                let timetable = survey.timetable(of: pipeline) ?? standing.ownTimetable
                if let why = ended(record, standing.now, timetable) {
                    return try await events + giveBack(crossing, standing, "window-ended", why, .info)
                }
                if let alarm = await legacyAlarm(crossing, record, standing.now, survey) {
                    events.append(alarm)
                    if policy.rollback.onLegacyRun, alarm.event == "legacy-ran" {
                        let why = "by policy: legacy ran too"
                        return try await events + giveBack(crossing, standing, "rolled-back", why, .urgent)
                    }
                }
            }
            // While it is retired its DAG claims nothing, which is no delay.
            guard standing.state == .airflow, !standing.isRetiring, !policy.rollback.isEmpty else { return events }
            if let reason = try await rollbackReason(crossing, standing, policy, survey) {
                let why = "by policy: \(reason.text)"
                events += try await giveBack(crossing, standing, "rolled-back", why, .urgent)
            }
            return events
        } catch let refusal as Refusal where refusal.reason == .atWork {
            return []
        } catch is CancellationError {
            return []
        } catch {
            let text = "It could not be looked after: \(error)."
            return [alert("trouble", "\(pipeline) \(error)", .warning, pipeline, text)]
        }
    }

    private func look(_ crossing: any Crossing, _ bridge: any Bridge, _ survey: Survey) async throws
        -> CrossingStanding
    {
        let timetable = survey.plannedPipeline(crossing.pipeline)?.dag.clock.timetable
        let read = try await bridge.standings(of: [Look(crossing, timetable: timetable, claims: 200)])
        guard let first = read.first else { throw OperationFailure(.defect, "\(bridge.source) said nothing") }
        return try first.get()
    }

    /// What the switches' store has forgotten of the last cutover or rollback, and what was done about it; nil if it has forgotten nothing.
    private func forgotten(_ crossing: any Crossing, _ standing: CrossingStanding, _ survey: Survey) async throws
        -> [Alert]?
    {
        guard let what = standing.forgotten else { return nil }
        let at = standing.journaledAt?.iso8601 ?? "?"
        switch what {
        case .rollback:
            let why =
                "because \(crossing.store) had forgotten that it was (\(at)): its switch was older than the journal"
            return try await giveBack(crossing, standing, "forgotten", why, .urgent)
        case .cutover:
            guard let store = survey.store.value else { return nil }
            try await workspace.session(crossing.pipeline, "watch", store: store).run { journal in
                try journal.write(.forgotten, .after, crossing.forgetting(standing))
            }
            let since =
                crossing.cargo == .ticks
                ? "Legacy owns the ticks again, and its clock runs; ticks since then may have been run by both or by neither."
                : "Legacy takes the jobs of \(crossing.members.joined(separator: ", ")) again; of jobs since then what one side did may be done by the other, or be gone with their rows."
            let text =
                "\(crossing.store) has forgotten the cutover of \(at): its switch is older than the journal. \(since) Cut it over again if that is still wanted."
            return [alert("forgotten", "\(crossing.pipeline) \(at)", .urgent, crossing.pipeline, text)]
        }
    }

    /// Why a bounded window is to be given back now; nil if it is not.
    private func ended(_ record: SwitchRecord, _ now: Instant, _ timetable: AirflowTimetable?) -> String? {
        guard record.state == .airflow else { return nil }
        if record.isOver { return "its bounded window has ended with the tick \(record.lastClaim?.iso8601 ?? "?")" }
        guard let until = record.until, until <= now else { return nil }
        // A gate that starts late still gets its tick, within the patience that gates are given.
        let last = record.windows.last?.from ?? until
        let start = max(record.lastClaim ?? last.adding(microseconds: -1), last.adding(microseconds: -1))
        let open = timetable?.ticks(after: start).first { _ in true }
        if let open, open < until, now < until.adding(seconds: CutoverPolicy.gatePatience) { return nil }
        return "its window ended at \(until.iso8601)"
    }

    private func giveBack(
        _ crossing: any Crossing,
        _ standing: CrossingStanding,
        _ event: String,
        _ why: String,
        _ level: Alert.Level
    ) async throws -> [Alert] {
        var request = RollbackRequest()
        (request.why, request.fence) = (why, standing.fence)
        // What a transaction under way still holds is released at the next look.
        request.patience = 0
        let report = try await crossing.rollBack(request, crossing.blankReport)
        if let refusal = report.refusal { throw refusal }
        guard report.outcome == "done" else { return [] }
        switch report {
        case .ticks(let ticks):
            let at = ticks.givenBackAt?.iso8601 ?? "?"
            let lost =
                ticks.gone == 0
                ? "" : " The application had deleted \(ticks.gone) of its entries, so legacy does not run those."
            let text = "Given back to legacy at \(at), \(why).\(lost)"
            return [alert(event, "\(crossing.pipeline) \(standing.fence) \(at)", level, crossing.pipeline, text)]
        case .jobs:
            let names = crossing.members.joined(separator: ", ")
            let text = "The jobs of \(names) were given back to legacy, \(why)."
            return [alert(event, "\(crossing.pipeline) \(standing.fence)", level, crossing.pipeline, text)]
        }
    }

    // MARK: What is known of live runs

    private func rollbackReason(
        _ crossing: any Crossing,
        _ standing: CrossingStanding,
        _ policy: CutoverPolicy,
        _ survey: Survey
    ) async throws -> RollbackReason? {
        let pipeline = crossing.pipeline
        if let record = standing.record {
            return policy.rollbackReasons(await evidence(pipeline, record, standing, survey)).first
        }
        guard let live = try await crossing.liveJobs(standing) else { return nil }
        let now = workspace.surroundings.now()
        let comparisons = Workspace.stored(survey.store) {
            try $0.comparisons(pipeline: pipeline, since: live.since ?? now, verdicts: [.mismatch])
        }
        let evidence = LiveJobEvidence(
            pipeline: pipeline,
            now: now,
            jobs: live.jobs,
            oldest: live.oldest,
            comparisons: comparisons.value ?? []
        )
        return policy.rollbackReasons(evidence).first
    }

    private func evidence(
        _ pipeline: String,
        _ record: SwitchRecord,
        _ standing: CrossingStanding,
        _ survey: Survey
    ) async -> LiveEvidence {
        let now = standing.now
        let window = record.windows.last
        let claims = record.claims.filter { window?.contains($0.tick) == true }
        let states = await workspace.runStates(claims.filter { $0.how == .live }.map(\.run))
        var due: [Instant] = []
        if let timetable = survey.timetable(of: pipeline) ?? standing.ownTimetable, let window {
            // Ticks before the newest claim do not matter: it stands for them.
            let start = max(window.from.adding(microseconds: -1), record.lastClaim ?? .earliest)
            for tick in timetable.ticks(after: start).prefix(1000) {
                if tick > now || window.until.map({ tick >= $0 }) == true { break }
                due.append(tick)
            }
        }
        let since = record.settledAt ?? now
        let comparisons = Workspace.stored(survey.store) {
            try $0.comparisons(pipeline: pipeline, since: since, verdicts: [.mismatch])
        }
        return LiveEvidence(
            pipeline: pipeline,
            now: now,
            due: due,
            ticks: claims.map { claim in
                LiveTick(
                    tick: claim.tick,
                    run: claim.run,
                    claimedAt: claim.at,
                    ranTasks: claim.how == .live,
                    state: states[claim.run] ?? .unknown("nobody asked Airflow")
                )
            },
            comparisons: comparisons.value ?? []
        )
    }

    private func alert(_ notice: BridgeNotice, _ pipeline: String?) -> Alert {
        let level: Alert.Level =
            switch notice.urgency {
            case .info: .info
            case .warning: .warning
            case .urgent: .urgent
            }
        return alert(notice.event, notice.identity, level, pipeline, notice.text)
    }
}

extension Crossing {
    /// What the journal keeps of a cutover that was forgotten.
    func forgetting(_ standing: CrossingStanding) -> JSON {
        cargo == .ticks ? standing.journaled : ["queue": .string(source), "types": .array(members.map(JSON.string))]
    }
}
