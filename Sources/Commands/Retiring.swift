import Airflow
import Cutover
import LosslessJSON
import Migration
import Schedules
import Settings
import Store

/// Takes the bridge away from one pipeline of RedBeat entries.
struct Retiring: Sendable {
    let desk: Desk
    let plan: Plan
    let inventory: Inventory
    let pipeline: PlannedPipeline
    let source: SourceSettings
    let keys: RedBeatKeys
    /// Seconds that Airflow may take to read a file, or to come to rest.
    let patience: Double

    /// Seconds before the next tick that the DAG's file is best put in place.
    static let lead = 60.0

    var id: String { pipeline.dag.id }

    func file(gated: Bool) -> DAGFile { desk.dagFile(pipeline, findings: plan.findingsByPipeline(), gated: gated) }

    func item(gated: Bool) -> Deployment.Item {
        let file = file(gated: gated)
        return Deployment.Item(
            dag: pipeline.dag,
            file: DAGDelivery.File(name: file.name, text: file.text),
            gated: gated
        )
    }

    // MARK: Looking

    /// What is known, and nothing is changed to find out.
    ///
    /// - Throws: `RedisError` or `SwitchError`: without the switch nothing can be said.
    func evidence(_ engine: CutoverEngine) async throws -> (RetirementEvidence, SwitchStatus) {
        let operation = RetireOperation(engine: engine)
        let status = try await engine.redbeat.status(claims: 1000)
        let record = status.entries.first?.record
        let (ticks, deployment) = await airflow(record)
        let inCode: Known<[String]>
        do { inCode = .known(try await operation.inCode(prefix: source.prefix)) } catch {
            inCode = .unknown("\(error)")
        }
        var evidence = RetirementEvidence(
            pipeline: id,
            now: status.now,
            record: .known(record),
            ticks: ticks,
            missedTicks: pipeline.dag.missedTicks,
            timetable: pipeline.dag.clock.timetable,
            deployment: deployment,
            inCode: inCode
        )
        evidence.disorder = operation.disorder(status)
        evidence.needsGate = jobs
        return (evidence, status)
    }

    /// Why a pipeline with job types keeps its gate; nil if it has none.
    private var jobs: String? {
        let types = desk.queueParts(pipeline.dag).flatMap(\.types)
        guard !types.isEmpty else { return nil }
        return
            "\(FindingCode.jobsNeedTheSwitch.id): jobs of \(types.joined(separator: ", ")) are taken by the functions of the queue's switch"
    }

    /// How the claimed ticks of the present window went, and whether the DAG runs.
    private func airflow(_ record: SwitchRecord?) async -> (Known<[LiveTick]>, PolicyEvidence.Deployment) {
        let window = record?.windows.last
        var live = 0
        // The newest are enough: as many as must be clean, and some that may still run.
        let claims = (record?.claims ?? []).sorted { $0.tick > $1.tick }.prefix { claim in
            live += claim.how == .live ? 1 : 0
            return window?.contains(claim.tick) == true && live <= pipeline.policy.cleanTicks + 50
        }
        do {
            return try await desk.withAirflow("retire") { client in
                var states: [String: LiveTick.State] = [:]
                if let oldest = claims.last?.tick {
                    for run in try await client.runs(id, from: oldest) { states["\(id)/\(run.id)"] = run.liveState }
                }
                let ticks = claims.map { claim in
                    LiveTick(
                        tick: claim.tick,
                        run: claim.run,
                        claimedAt: claim.at,
                        ranTasks: claim.how == .live,
                        state: states[claim.run] ?? .unknown("Airflow has no run \(claim.run)")
                    )
                }
                var deployment = Desk.deployment(try await client.dag(id), id, client.address)
                if case .faulty = deployment, record?.isRetiring == true, try await client.dag(id)?.isPaused == true {
                    deployment = .running(
                        "Airflow has the DAG \(id), which a retirement that was broken off has paused"
                    )
                }
                return (.known(ticks), deployment)
            }
        } catch let failure as CommandFailure {
            return (.unknown(failure.message), .unknown(failure.message))
        } catch {
            return (.unknown("\(error)"), .unknown("\(error)"))
        }
    }

    /// What the DAG will do otherwise without its gate.
    var changes: [Finding] {
        let file = file(gated: false)
        var found: [Finding] = []
        if pipeline.dag.clock.timetable != nil {
            let meant: String =
                switch pipeline.dag.missedTicks {
                case .coalesce: "one late run stood for all of them"
                case .every: "each was run"
                case .none: "none was run"
                }
            found.append(
                Finding(
                    .ungatedMissedTicks,
                    pipeline: id,
                    text:
                        "Of ticks that pass while Airflow is down, Airflow itself runs the one it had in mind and the latest; with the gate \(meant)."
                )
            )
        }
        if file.requirements.contains("bailey-runtime") {
            found.append(
                Finding(
                    .timetableStays,
                    pipeline: id,
                    text:
                        "No stock timetable of Airflow has the same ticks, so that the file goes on importing BaileyTimetable: leave bailey-runtime and its plugin installed."
                )
            )
        }
        if pipeline.dag.sla != nil, desk.target == .airflow3 {
            found.append(
                Finding(
                    .ungatedMissedTicks,
                    pipeline: id,
                    severity: .warning,
                    text: "The alert for late runs (sla) is Bailey's and goes with the gate. Make one of Airflow's own."
                )
            )
        }
        return found
    }
}

extension AirflowRun {
    /// How its tasks went.
    var liveState: LiveTick.State {
        switch state {
        case .success: .success
        case .failed: .failed
        case .queued, .running: .running
        case nil: .unknown("Airflow says a word that Bailey does not know")
        }
    }
}
