import Migration
import Schedules

/// What keeps jobs that are Airflow's from being run, or kept from legacy.
extension QueueCrossing {
    /// What a look at the table shows to be wrong with who takes its jobs.
    func troubles(
        of standings: [QueueStanding],
        _ standing: CrossingStanding,
        _ queue: QueueSwitch,
        _ timetable: AirflowTimetable?
    ) async throws -> [BridgeNotice] {
        let now = standing.now
        var found: [BridgeNotice] = []
        let airflows = standings.filter { $0.state == .airflow && $0.retirement == nil }.map(\.type)
        if let (job, since) = try await queue.untaken(airflows), isLate(since, now, timetable) {
            found.append(
                BridgeNotice(
                    "unasked",
                    "\(pipeline) \(source) \(job)",
                    .urgent,
                    "No run has taken the job \(job) of \(source), which is Airflow's and due since \(since.iso8601), nor any other of \(airflows.joined(separator: ", ")) since: nobody runs them. See whether the DAG is paused, whether Airflow's scheduler runs, and whether its connection \(source) names this database; or roll back."
                )
            )
        }
        if !standing.isLegacys, try await !queue.isGuarded() {
            found.append(
                BridgeNotice(
                    "unguarded",
                    "\(pipeline) \(source) \(standing.fence)",
                    .urgent,
                    "The table of \(source) has the switch's triggers no more, or they are off: another table was put in its place, or somebody dropped or disabled them. New jobs of \(members.joined(separator: ", ")) pass to legacy, and what is held waits for Airflow. Run bailey cutover \(pipeline) --execute, which puts them there, or bailey rollback \(pipeline)."
                )
            )
        }
        for other in standing.isLegacys ? [] : try await queue.otherInstallations(members) {
            found.append(
                BridgeNotice(
                    "other-installation",
                    "\(pipeline) \(source) \(other)",
                    .warning,
                    "Another installation of Airflow than the one that takes the jobs of \(members.joined(separator: ", ")) has this DAG too and asks for them: “\(other)”. It gets none. Pause the DAG there; or, if it is to take them from now on, run bailey cutover \(pipeline) --installation \(other) --execute."
                )
            )
        }
        return found
    }

    /// Whether a run of the DAG should have taken a job by now. Airflow is given a while to start one; of a DAG that is due often, two intervals.
    private func isLate(_ since: Instant, _ now: Instant, _ timetable: AirflowTimetable?) -> Bool {
        let next = timetable.map { Array($0.ticks(after: since).prefix(2)) } ?? []
        let gap = next.count == 2 ? next[1].seconds(since: next[0]) : 300
        return now.seconds(since: next.first ?? since) > min(300, max(30, 2 * gap))
    }
}
