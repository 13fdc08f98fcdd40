import Alerts
import Cutover
import Legacy
import LosslessJSON
import Migration
import Postgres
import Schedules
import Settings
import Store

/// Looks after the job types of a queue: completes what was left half done, and rolls back by policy.
extension Watchman {
    /// What is to be done for one queue; an operator who is at work on a pipeline is left alone.
    func care(_ source: SourceSettings, _ survey: Survey) async -> [Alert] {
        do {
            let settings = try workspace.queue(source)
            // A table that can only be read was never moved.
            guard settings.layout.hold != nil else { return [] }
            let queue = try await QueueSwitch(settings)
            var events = reachable(source)
            if let error = try await queue.strandedError("looking after it") {
                // What a rollback could not release is released now, if nobody has it locked any more.
                var isLeft = true
                if try await queue.isInstalled() {
                    for type in try await queue.stranded().compactMap(\.type) { _ = try await queue.giveBack(type) }
                    isLeft = try await !queue.stranded().isEmpty
                }
                let text = "\(error.found). \(error.advice)."
                if isLeft { events.append(alert("stranded", "\(source.name) \(error.found)", .urgent, nil, text)) }
            }
            guard try await queue.isInstalled() else { return events }
            for seen in try await queue.sightings() {
                let level: Alert.Level = seen.what == "begun" ? .warning : .urgent
                let identity = "\(source.name) \(seen.what) \(seen.count)"
                events.append(alert("sighting", identity, level, nil, seen.text(source.name)))
            }
            let uses = try await queue.uses()
            for (pipeline, types) in Dictionary(grouping: uses, by: \.pipeline).sorted(by: { $0.key < $1.key }) {
                events += await care(pipeline, types, queue, survey)
            }
            return events
        } catch is CancellationError {
            return []
        } catch let error as PostgresError where error.code == .unreachable {
            return [unreachable(source, "\(error)")]
        } catch {
            return [
                alert(
                    "trouble",
                    "\(source.name) \(error)",
                    .warning,
                    nil,
                    "\(source.name) could not be looked after: \(error)."
                )
            ]
        }
    }

    private func care(_ pipeline: String, _ uses: [QueueUse], _ queue: QueueSwitch, _ survey: Survey) async -> [Alert] {
        do {
            var events: [Alert] = []
            let halfDone = uses.filter { $0.state == .closing || ($0.state == .legacy && !$0.isSwept) }
            if !halfDone.isEmpty {
                let settled = try await workspace.session(pipeline, "watch", store: try survey.journalStore()).run {
                    journal in
                    try await Watchman.complete(halfDone, queue, journal)
                }
                for use in settled {
                    let text = "A cutover of \(use.type) that was broken off is completed: DAG runs take its jobs."
                    events.append(alert("settled", "\(pipeline) \(use.type) \(use.fence)", .info, pipeline, text))
                }
            }
            let policy = survey.policy(of: pipeline)
            let types = uses.filter { $0.state == .airflow && !$0.isRetiring }.map(\.type)
            // While it is retired its DAG takes nothing, which is no delay.
            guard !types.isEmpty, !policy.rollback.isEmpty else { return events }
            let (jobs, oldest, since) = try await queue.live(types)
            let now = workspace.surroundings.now()
            let comparisons = Workspace.stored(survey.store) {
                try $0.comparisons(pipeline: pipeline, since: since ?? now, verdicts: [.mismatch])
            }
            let live = LiveJobEvidence(
                pipeline: pipeline,
                now: now,
                jobs: jobs,
                oldest: oldest,
                comparisons: comparisons.value ?? []
            )
            if let reason = policy.rollbackReasons(live).first {
                events += try await giveBack(pipeline, uses, queue, survey, reason)
            }
            return events
        } catch let refusal as Refusal where refusal.reason == .atWork {
            return []
        } catch is CancellationError {
            return []
        } catch {
            return [
                alert("trouble", "\(pipeline) \(error)", .warning, pipeline, "It could not be looked after: \(error).")
            ]
        }
    }

    /// Settles types that are closing if nothing stands against it, and sweeps those that were given back. Those that were settled.
    private static func complete(_ uses: [QueueUse], _ queue: QueueSwitch, _ journal: Journal) async throws
        -> [QueueUse]
    {
        var settled: [QueueUse] = []
        for use in uses {
            guard use.state == .closing else {
                _ = try await queue.sweep(use.type)
                continue
            }
            let detail: JSON = ["type": .string(use.type), "fence": .number(JSONNumber(Int(use.fence)))]
            let answer = try await journal.step(
                .settle,
                detail,
                outcome: { (answer: QueueSettling) in ["answer": .string("\(answer)")] }
            ) {
                _ = try await queue.hold(use.type)
                return try await queue.settle(use.type, fence: use.fence)
            }
            if answer == .settled { settled.append(use) }
        }
        return settled
    }

    private func giveBack(
        _ pipeline: String,
        _ uses: [QueueUse],
        _ queue: QueueSwitch,
        _ survey: Survey,
        _ reason: RollbackReason
    ) async throws -> [Alert] {
        let fences = Dictionary(uses.map { ($0.type, $0.fence) }, uniquingKeysWith: { $1 })
        let workspace = workspace
        let isDone = try await workspace.session(pipeline, "rollback", store: try survey.journalStore()).run {
            journal in
            try journal.write(.watch, .after, ["why": .string(reason.text)])
            // Between the look and the lock somebody may have given it back and cut it over anew: that is another fence.
            let now = try await queue.uses().filter { $0.pipeline == pipeline }
            guard Dictionary(now.map { ($0.type, $0.fence) }, uniquingKeysWith: { $1 }) == fences else { return false }
            let rollback = QueueRollback(
                queue: queue,
                types: uses.map(\.type),
                pipeline: pipeline,
                surroundings: workspace.queueSurroundings(journal) { _ in }
            )
            // What a transaction under way still holds is released at the next look.
            _ = try await rollback.execute(limit: 0)
            return true
        }
        guard isDone else { return [] }
        let names = uses.map(\.type).joined(separator: ", ")
        let text = "The jobs of \(names) were given back to legacy, by policy: \(reason.text)."
        let identity = "\(pipeline) \(uses.map { "\($0.type) \($0.fence)" }.joined(separator: " "))"
        return [alert("rolled-back", identity, .urgent, pipeline, text)]
    }
}
