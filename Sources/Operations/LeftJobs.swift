import Airflow
import Cutover
import Migration
import Schedules

/// Jobs that a run has taken and will not end any more: a task that is killed at its last attempt writes no end.
extension Workspace {
    /// Seconds in which a run that has just taken jobs, or has just ended, is not asked about.
    private static let patience = 60.0
    /// How many runs are asked about at a look, the oldest first.
    private static let most = 20

    /// What is to be said of the runs that have jobs of a crossing: those that Airflow says are over, and those that have been at it for longer than
    /// a legacy worker would have been believed alive, where Airflow says nothing.
    func leftJobs(_ crossing: any Crossing, _ standing: CrossingStanding) async -> [BridgeNotice] {
        let open = standing.openRuns.filter { $0.seconds > Workspace.patience }.prefix(Workspace.most)
        guard !open.isEmpty else { return [] }
        let found = await ends(of: Set(open.map(\.run)))
        return open.compactMap { run in
            let jobs = "\(run.jobs) \(run.jobs == 1 ? "job" : "jobs") of \(run.type) in \(crossing.source)"
            let back =
                "bailey rollback \(crossing.pipeline) --return-claims \(run.run) --execute gives them back to legacy with the rest"
            let urgency: BridgeNotice.Urgency
            let text: String
            switch found[run.run] {
            case .over(let state, let end)?:
                guard end.map({ surroundings.now().seconds(since: $0) > Workspace.patience }) ?? true else {
                    return nil
                }
                urgency = .urgent
                text =
                    "The run \(run.run) is over (\(state)) and has not ended \(jobs), taken since \(run.since): its worker was killed at its last attempt, or a person ended it. Nobody runs them. See what they have done; then clear their tasks in Airflow, which runs them again, or \(back)."
            case .goesOn?: return nil
            case .unknown(let why)?:
                guard run.isOverdue else { return nil }
                urgency = .warning
                text =
                    "The run \(run.run) has had \(jobs) since \(run.since), longer than stuck_after, and whether it still runs is not known: \(why). If it is dead, \(back)."
            case nil: return nil
            }
            return BridgeNotice("left", "\(crossing.pipeline) \(crossing.source) \(run.type) \(run.run)", urgency, text)
        }
    }

    /// How a run stands.
    private enum RunEnd: Sendable {
        case over(String, Instant?)
        case goesOn
        case unknown(String)
    }

    private func ends(of runs: Set<String>) async -> [String: RunEnd] {
        func all(_ why: String) -> [String: RunEnd] {
            Dictionary(uniqueKeysWithValues: runs.map { ($0, .unknown(why)) })
        }
        do {
            guard try airflowAccess() != nil else { return all("no Airflow is configured (target.airflow.url)") }
            return try await withAirflow("the state of runs that have jobs") { client in
                var found: [String: RunEnd] = [:]
                for run in runs {
                    let parts = run.split(separator: "/", maxSplits: 1).map(String.init)
                    guard parts.count == 2, let known = try await client.run(parts[0], parts[1]) else {
                        found[run] = .unknown("Airflow has no run \(run)")
                        continue
                    }
                    found[run] = known.isOver ? .over(known.state?.rawValue ?? "?", known.end) : .goesOn
                }
                return found
            }
        } catch {
            return all("\(error)")
        }
    }
}
