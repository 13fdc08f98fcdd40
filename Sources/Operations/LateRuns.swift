import Airflow
import Alerts
import LosslessJSON
import Migration
import Schedules

/// Runs and tasks that are not done within their `sla` where Airflow looks at no times: 3.0 knows no deadlines, 2.11 looks at runs of a schedule with
/// ticks alone, and a file without a gate has nobody to tell.
extension Watchman {
    /// How many of a pipeline's newest runs are looked at.
    private static let newest = 10
    /// Seconds after its end in which a late run is told of, that ended between two looks.
    private static let memory = 600.0

    /// What is to be told of runs that are late, each run and task once; nothing where no Airflow is configured. That a pipeline cannot be looked at is
    /// told once a day.
    func late(_ survey: Survey) async -> [Alert] {
        let timed = (survey.planned?.plan.pipelines ?? []).map(\.dag).filter { dag in
            dag.sla != nil || dag.tasks.contains { $0.sla != nil }
        }
        guard !timed.isEmpty, (try? workspace.airflowAccess()) != nil else { return [] }
        let now = workspace.surroundings.now()
        func unknown(_ pipeline: String, _ error: any Error) -> Alert {
            let text = "Whether runs of \(pipeline) are done within their sla is not known: \(error)."
            return alert("trouble", "late \(pipeline) \(now.iso8601.prefix(10))", .warning, pipeline, text)
        }
        do {
            return try await workspace.withAirflow("whether runs are done in time") { client in
                var found: [Alert] = []
                // One that cannot be looked at keeps none of the others from it.
                for dag in timed {
                    do {
                        found += try await Watchman.late(dag, client, now: now).map {
                            alert("late", $0.identity, .warning, $0.pipeline, $0.text)
                        }
                    } catch { found.append(unknown(dag.id, error)) }
                }
                return found
            }
        } catch is CancellationError {
            return []
        } catch {
            return timed.map { unknown($0.id, error) }
        }
    }

    /// A run, or a task of it, that is late.
    private struct Lateness: Sendable {
        var pipeline: String
        var identity: String
        var text: String
    }

    private static func late(_ dag: DAGDefinition, _ client: AirflowClient, now: Instant) async throws -> [Lateness] {
        guard let known = try await client.dag(dag.id), !known.isPaused else { return [] }
        let isGated = try await client.tasks(dag.id).contains { $0.id == "gate" }
        let isBlind =
            client.version.isThree
            ? client.version.numbers.starts(with: [3, 0]) : dag.clock.timetable == nil
        guard !isGated || isBlind else { return [] }
        var found: [Lateness] = []
        for run in try await client.newestRuns(dag.id, limit: newest) {
            guard let start = run.start, run.end.map({ now.seconds(since: $0) < memory }) ?? true else { continue }
            let took = (run.end ?? now).seconds(since: start)
            let limits = dag.tasks.compactMap(\.sla) + [dag.sla].compactMap { $0 }
            guard let shortest = limits.min(), took > shortest, try await isLive(run, isGated, client) else { continue }
            let words = Words(run: run, start: start, now: now)
            if let sla = dag.sla, took > sla {
                let doing = run.end.map { "it was done at \($0.iso8601)" } ?? "it is still running"
                found.append(words.late("the run \(run.id)", of: dag.id, sla, doing))
            }
            let tasks = dag.tasks.filter { $0.sla.map { took > $0 } ?? false }
            guard !tasks.isEmpty else { continue }
            let instances = try await client.taskInstances(dag.id, run.id)
            for task in tasks {
                guard let sla = task.sla,
                    let doing = words.doing(instances.filter { $0.task == task.id }, within: sla)
                else { continue }
                found.append(words.late("the task \(task.id) of the run \(run.id)", of: dag.id, sla, doing))
            }
        }
        return found
    }

    /// Whether a run does the work: a shadow and a trial may take their time.
    private static func isLive(_ run: AirflowRun, _ isGated: Bool, _ client: AirflowClient) async throws -> Bool {
        guard isGated else { return true }
        return try await client.value(run.dag, run.id, .returned(by: "gate"))?["mode"]?.string == "live"
    }

    /// What is said of one run.
    private struct Words {
        let run: AirflowRun
        let start: Instant
        let now: Instant

        func late(_ what: String, of pipeline: String, _ sla: Double, _ doing: String) -> Lateness {
            let limit = Int(exactly: sla).map(String.init) ?? String(sla)
            let due = start.adding(microseconds: Int64(sla * 1_000_000))
            return Lateness(
                pipeline: pipeline,
                identity: "\(pipeline) \(what)",
                text:
                    "\(what.prefix(1).uppercased())\(what.dropFirst()) was not done after \(limit) s: \(doing). Expected by \(due.iso8601), now it is \(now.iso8601)."
            )
        }

        /// What a task does that is late, by its instances; nil if it ended in time, or is not to run at all.
        func doing(_ instances: [AirflowTaskInstance], within sla: Double) -> String? {
            let open = instances.filter {
                $0.end == nil && !["skipped", "removed", "upstream_failed"].contains($0.state)
            }
            guard open.isEmpty else {
                return open.contains { $0.start != nil }
                    ? "it is \(open.compactMap(\.state).first ?? "open")" : "it has not begun"
            }
            guard let end = instances.filter({ $0.state != "skipped" }).compactMap(\.end).max(),
                end.seconds(since: start) > sla
            else { return nil }
            return "it ended at \(end.iso8601)"
        }
    }
}
