import Alerts
import Cutover
import Legacy
import LosslessJSON
import Migration
import Schedules
import Store

/// Whether legacy runs what Airflow owns.
extension Watchman {
    /// That legacy ran although Airflow owns the ticks, or that this cannot be seen; nil if nothing was, also where Celery keeps no results.
    func legacyAlarm(
        _ crossing: any Crossing,
        _ record: SwitchRecord,
        _ now: Instant,
        _ survey: Survey
    ) async -> Alert? {
        let pipeline = crossing.pipeline
        guard record.state == .airflow, let settled = record.settledAt, let planned = survey.planned,
            let dag = survey.plannedPipeline(pipeline)?.dag
        else { return nil }
        let ids = Set(dag.entries.filter { $0.source == crossing.source })
        let outcomes: [Outcome]
        do { outcomes = try await recorded(crossing, planned.inventory, now) } catch {
            let text = "Whether legacy runs what is Airflow's cannot be seen in Celery's results: \(error)"
            return alert("results-unreadable", "\(pipeline) \(settled.iso8601)", .warning, pipeline, text)
        }
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

    /// What Celery's results say of the runs of a source's entries, without those that Airflow sent. Read at most twice a minute.
    private func recorded(_ crossing: any Crossing, _ inventory: Inventory, _ now: Instant) async throws -> [Outcome] {
        let source = crossing.source
        if let known = results[source], now.seconds(since: known.at) < 30 { return known.outcomes }
        let entries = inventory.entries.filter { $0.id.source == source && $0.schedule != nil }
        guard
            let runs = try await workspace.system(source)?.runs(
                of: entries,
                zones: workspace.zones,
                now: workspace.surroundings.now
            ).recorded(limit: 50)
        else { return [] }
        let asked = try await crossing.askedFor(runs.outcomes.map(\.run))
        let outcomes = runs.outcomes.filter { !asked.contains($0.run) }
        results[source] = (now, outcomes)
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

extension CrossingStanding {
    /// What was there, for the journal.
    var journaled: JSON {
        [
            "state": .string((state ?? .legacy).rawValue),
            "fence": record.map { .number(JSONNumber(Int($0.fence))) } ?? .null,
        ]
    }
}
