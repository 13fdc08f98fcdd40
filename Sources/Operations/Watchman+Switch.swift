import Alerts
import Cutover
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import Settings
import Store

/// What the watchman says of switches beside healing and giving back.
extension Watchman {
    /// What is wrong with a pipeline's switches as they are now.
    func disorders(_ pipeline: String, _ keys: RedBeatKeys, _ source: SourceSettings, _ survey: Survey) async throws
        -> [Alert]
    {
        let status = try await RedBeatSwitch.use(try RedisURL(source.url), keys: keys, patience: 3) {
            try await $0.status()
        }
        let found = status.disorders(
            of: pipeline,
            timetable: survey.plannedPipeline(pipeline)?.dag.clock.timetable,
            names: keys.entries.map { String(decoding: $0, as: UTF8.self) }
        )
        let settled = status.entries.first?.record?.settledAt?.iso8601 ?? ""
        return found.map { one in
            let level: Alert.Level =
                switch one.kind {
                case .unasked, .halfLost: .urgent
                case .otherInstallation, .redefined: .warning
                }
            // A DAG whose gate does not ask misses tick after tick: that is one event.
            let event = one.kind == .unasked ? settled : one.event
            return alert(one.kind.rawValue, "\(pipeline) \(event)", level, pipeline, one.text)
        }
    }

    /// What Redis has forgotten of the last cutover or rollback, and what was done about it; nil if it has forgotten nothing.
    func forgotten(
        _ pipeline: String,
        _ keys: RedBeatKeys,
        _ source: SourceSettings,
        _ status: SwitchStatus,
        _ survey: Survey
    ) async throws -> [Alert]? {
        guard let journaled = Workspace.stored(survey.store, { try $0.journaledOwnership(pipeline) }).value,
            let what = journaled.forgotten(by: status)
        else { return nil }
        let at = journaled.at?.iso8601 ?? "?"
        switch what {
        case .rollback:
            guard let record = status.entries.first?.record else { return nil }
            let why = "because Redis had forgotten that it was (\(at)): its switch was older than the journal"
            return try await giveBack(pipeline, keys, source, survey, "forgotten", record, why, .urgent)
        case .cutover:
            try await workspace.session(pipeline, "watch", store: try survey.journalStore()).run { journal in
                try journal.write(.forgotten, .after, status.journaled)
            }
            let text =
                "Redis has forgotten the cutover of \(at): its switch is older than the journal. Legacy owns the ticks again, and its clock runs; ticks since then may have been run by both or by neither. Cut it over again if that is still wanted."
            return [alert("forgotten", "\(pipeline) \(at)", .urgent, pipeline, text)]
        }
    }

    /// That legacy ran although Airflow owns the ticks; nil if nothing was seen, also where Celery keeps no results.
    func legacyAlarm(
        _ pipeline: String,
        _ record: SwitchRecord,
        _ source: SourceSettings,
        _ now: Instant,
        _ survey: Survey
    ) async -> Alert? {
        guard record.state == .airflow, let settled = record.settledAt, let planned = survey.planned,
            let dag = survey.plannedPipeline(pipeline)?.dag
        else { return nil }
        let ids = Set(dag.entries.filter { $0.source == source.name })
        guard let outcomes = await recorded(source, planned.inventory, now) else { return nil }
        let alarm = LegacyAlarm(
            outcomes: outcomes.filter { ids.contains($0.key.entry) },
            lastLegacy: record.lastLegacy,
            settled: settled
        )
        guard let text = alarm.text else { return nil }
        let event = alert("legacy-ran", "\(pipeline) \(settled.iso8601)", .urgent, pipeline, text)
        if let store = survey.store.value {
            let known = try? store.journal(pipeline: pipeline, operation: "watch", limit: 50).contains {
                $0.step == .legacyRan && $0.at > settled
            }
            if known != true {
                let journal = Journal(
                    store: store,
                    pipeline: pipeline,
                    operation: "watch",
                    token: "",
                    by: "",
                    now: workspace.surroundings.now
                )
                try? journal.write(.legacyRan, .after, ["text": .string(text)])
            }
        }
        return event
    }

    /// What Celery's results say of the runs of a source's entries, without those that Airflow sent; nil if they cannot be read. Read at most
    /// twice a minute.
    private func recorded(_ source: SourceSettings, _ inventory: Inventory, _ now: Instant) async -> [Outcome]? {
        if let known = results[source.name], now.seconds(since: known.at) < 30 { return known.outcomes }
        let entries = inventory.entries.filter { $0.id.source == source.name && $0.kind == .redbeat }
        guard
            let runs = try? await workspace.system(source.name)?.runs(
                of: entries,
                zones: workspace.zones,
                now: workspace.surroundings.now
            ).recorded(limit: 50),
            let url = try? RedisURL(source.url)
        else { return nil }
        // What the DAG sends to the workers has a mark of its own beside the queue.
        let asked = runs.outcomes.map { RedisCommand("EXISTS", "bailey:sent:\($0.run)") }
        guard let sent = try? await RedisConnection.use(url, { try await $0.pipeline(asked) }) else { return nil }
        let outcomes = zip(runs.outcomes, sent).filter { $1.int == 0 }.map(\.0)
        results[source.name] = (now, outcomes)
        return outcomes
    }
}

/// Whether legacy's own results show runs while Airflow owned the ticks.
struct LegacyAlarm {
    /// What was seen; nil if nothing.
    let text: String?

    /// Looks at the results of a pipeline's entries, without those that Airflow sent.
    ///
    /// - Parameters:
    ///   - lastLegacy: the last instant that legacy decided before Airflow's window.
    ///   - settled: when the window was fixed.
    init(outcomes: [Outcome], lastLegacy: Instant?, settled: Instant) {
        let ended = outcomes.compactMap { outcome in outcome.end.map { (outcome, $0) } }.sorted { $0.1 < $1.1 }
        var seen: [EntryID: [(Outcome, Instant)]] = [:]
        for (outcome, end) in ended { seen[outcome.key.entry, default: []].append((outcome, end)) }
        var worst: (Outcome, Instant)?
        var count = 0
        for runs in seen.values {
            var late = runs.filter { $0.1 > settled }
            // The last run that legacy fired before may have ended since: one result is that one's, unless it is there already.
            let hasEnded = lastLegacy.map { last in runs.contains { $0.1 >= last && $0.1 <= settled } } ?? false
            if !hasEnded, !late.isEmpty { late.removeFirst() }
            count += late.count
            if let newest = late.last, worst.map({ $0.1 < newest.1 }) ?? true { worst = newest }
        }
        guard let (run, end) = worst else {
            text = nil
            return
        }
        text =
            "Legacy ran \(run.key.entry) \(count == 1 ? "once" : "\(count) times") since Airflow owns its ticks (at last \(run.run), which ended \(end.iso8601)): work may be done twice. See which scheduler beat runs with, under which key prefix, and who else sends this task; or roll back."
    }
}

extension SwitchStatus {
    /// What was there, for the journal.
    fileprivate var journaled: JSON {
        [
            "state": .string(entries.first?.state.rawValue ?? "legacy"),
            "fence": entries.first?.record.map { .number(JSONNumber(Int($0.fence))) } ?? .null,
        ]
    }
}
