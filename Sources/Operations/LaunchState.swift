package import Airflow
import LosslessJSON
package import Migration
import Schedules
import Store

/// What is known of the launch of a pipeline without a legacy side.
package struct LaunchState: Sendable {
    /// What its Airflow's variable says; nil where there is none.
    package var record: Known<LaunchRecord?>
    /// Its newest runs in Airflow, the newest first.
    package var runs: Known<[Run]>
    /// Whether its DAG there asks who owns a tick; nil where the DAG is not there, or nobody knows.
    package var isGated: Bool?

    /// A run, and what its gate said.
    package struct Run: Sendable {
        package var run: AirflowRun
        /// `live` or `shadow`; nil while the gate has not answered, or skipped.
        package var mode: String?
        /// Why: `launched`, `backfill`, `trial`, `by-hand`.
        package var how: String?
        /// How many tasks ran a body, and how many were only observed; where that was looked up.
        package var bodies = 0
        package var observed = 0

        /// The run as a trial; nil if it is none.
        package var trial: TrialRun? {
            guard mode == "shadow" else { return nil }
            return TrialRun(
                run: run.id,
                succeeded: run.isOver ? run.state == .success : nil,
                at: run.end ?? run.start,
                bodies: bodies,
                observed: observed
            )
        }
    }

    /// Nothing is known, for a reason.
    init(unknown why: String) { (record, runs) = (.unknown(why), .unknown(why)) }

    /// Asks an Airflow.
    ///
    /// - Parameters:
    ///   - newest: how many of its runs are looked at.
    ///   - trials: of how many trial runs what they did is looked up.
    init(_ pipeline: String, newest: Int, trials: Int, _ client: AirflowClient) async {
        do { record = .known(try await LaunchState.record(pipeline, client)) } catch { record = .unknown("\(error)") }
        do {
            guard try await client.dag(pipeline) != nil else {
                runs = .known([])
                return
            }
            isGated = try await client.tasks(pipeline).contains { $0.id == "gate" }
            var found: [Run] = []
            var left = trials
            for run in try await client.newestRuns(pipeline, limit: newest) {
                var one = Run(run: run)
                let answer = try await client.value(pipeline, run.id, .returned(by: "gate"))
                one.mode = answer?["mode"]?.string
                one.how = answer?["how"]?.string
                if one.trial?.succeeded == true, left > 0 {
                    left -= 1
                    (one.bodies, one.observed) = try await LaunchState.outcomes(pipeline, run.id, client)
                }
                found.append(one)
            }
            runs = .known(found)
        } catch {
            runs = .unknown("\(error)")
        }
    }

    /// What the variable says.
    ///
    /// - Throws: `AirflowError`, or `OperationFailure` where it holds something that is no launch.
    static func record(_ pipeline: String, _ client: AirflowClient) async throws -> LaunchRecord? {
        let key = LaunchRecord.key(pipeline)
        guard let text = try await client.variable(key) else { return nil }
        guard let record = LaunchRecord(text: text) else {
            throw OperationFailure(
                .doesNotHold,
                "the variable “\(key)” of the Airflow at \(client.address) holds something that is no launch, so the gates of \(pipeline) fail; delete it there (then nothing of \(pipeline) is launched), and run bailey launch \(pipeline) again"
            )
        }
        return record
    }

    /// How many tasks of a run ran a body, and how many were only observed.
    private static func outcomes(_ dag: String, _ run: String, _ client: AirflowClient) async throws -> (Int, Int) {
        var bodies = 0
        var observed = 0
        for entry in try await client.xcoms(dag, run, key: "bailey_outcome") {
            guard let value = try await client.value(dag, run, entry) else { continue }
            let json = value.string.flatMap { try? JSON(parsing: $0) } ?? value
            if json["state"]?.string == "observed" { observed += 1 } else { bodies += 1 }
        }
        return (bodies, observed)
    }

    /// The trial runs, newest first.
    package var trials: Known<[TrialRun]> {
        switch runs {
        case .known(let runs): .known(runs.compactMap(\.trial))
        case .unknown(let why): .unknown(why)
        }
    }
}

extension Workspace {
    /// Whether a pipeline has no legacy side: nothing of a legacy system stands for any of its ticks.
    package static func isOwn(_ dag: DAGDefinition) -> Bool { dag.entries.isEmpty }

    /// What is known of the launches of pipelines without a legacy side, by pipeline; none of others.
    package func launches(_ pipelines: [PlannedPipeline]) async -> [String: LaunchState] {
        let own = pipelines.filter { Workspace.isOwn($0.dag) }
        guard !own.isEmpty else { return [:] }
        func all(_ why: String) -> [String: LaunchState] {
            Dictionary(own.map { ($0.dag.id, LaunchState(unknown: why)) }, uniquingKeysWith: { $1 })
        }
        do {
            guard try airflowAccess() != nil else { return all("no Airflow is configured (target.airflow.url)") }
            return try await withAirflow("the launch") { client in
                var found: [String: LaunchState] = [:]
                for pipeline in own {
                    let trials = pipeline.policy.launch.trialRuns
                    found[pipeline.dag.id] = await LaunchState(
                        pipeline.dag.id,
                        newest: max(10, trials * 2),
                        trials: trials,
                        client
                    )
                }
                return found
            }
        } catch {
            return all("\(error)")
        }
    }
}
