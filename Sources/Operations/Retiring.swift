import Airflow
package import Cutover
import LosslessJSON
package import Migration
import Schedules
package import Store

/// Takes the bridge away from one pipeline of ticks.
package struct Retiring: Sendable {
    package let workspace: Workspace
    package let plan: Plan
    package let inventory: Inventory
    package let pipeline: PlannedPipeline
    package let crossing: any Crossing
    /// Job types that it has beside its entries.
    package let jobTypes: [String]
    /// Seconds that Airflow may take to read a file, or to come to rest.
    package let patience: Double

    package init(
        workspace: Workspace,
        plan: Plan,
        inventory: Inventory,
        pipeline: PlannedPipeline,
        crossing: any Crossing,
        jobTypes: [String],
        patience: Double
    ) {
        self.workspace = workspace
        self.plan = plan
        self.inventory = inventory
        self.pipeline = pipeline
        self.crossing = crossing
        self.jobTypes = jobTypes
        self.patience = patience
    }

    package var id: String { pipeline.dag.id }

    package var exchange: GateExchange {
        GateExchange(workspace: workspace, plan: plan, pipeline: pipeline, patience: patience)
    }

    /// Keeps the bytes, unless that has been done.
    package func archive(_ operation: any RetiringTicks, _ journal: Journal, _ store: StateStore) async throws {
        var document = try await operation.archive()
        if case .object(var members) = document {
            members["source"] = .string(crossing.source)
            members["inventory"] =
                Inventory(
                    readAt: inventory.readAt,
                    entries: pipeline.dag.entries.compactMap { inventory[$0] }
                ).json["entries"] ?? .null
            document = .object(members)
        }
        let kept = document
        try await journal.step(.archive, kept, outcome: { (_: Void) in [:] }) {
            try store.archive(kept, pipeline: id, at: workspace.surroundings.now())
        }
    }

    /// Exchanges the file for one without a gate, if that has not been done, and lets the DAG run on.
    package func removeGate(_ operation: any RetiringTicks, _ journal: Journal, isMarked: Bool) async throws {
        try await workspace.withAirflow("retire") { client in
            try await exchange.removeGate(operation, client, journal, isMarked: isMarked)
            try await exchange.unpause(client, journal)
        }
    }

    // MARK: Looking

    /// What is known, and nothing is changed to find out.
    ///
    /// - Throws: `RedisError` or `SwitchError`: without the switch nothing can be said.
    package func evidence(_ operation: any RetiringTicks) async throws -> (RetirementEvidence, RetirementLook) {
        let look = try await operation.look()
        let record = look.standing.record
        let (ticks, deployment) = await airflow(record)
        var evidence = RetirementEvidence(
            pipeline: id,
            now: look.standing.now,
            record: .known(record),
            ticks: ticks,
            missedTicks: pipeline.dag.missedTicks,
            timetable: pipeline.dag.clock.timetable,
            deployment: deployment,
            inCode: look.inCode
        )
        evidence.disorder = look.disorder
        evidence.needsGate = jobs
        return (evidence, look)
    }

    /// Why a pipeline of entries that has job types too keeps its gate; nil if it has none.
    private var jobs: String? {
        guard !jobTypes.isEmpty else { return nil }
        return
            "\(FindingCode.jobsNeedTheSwitch.id): beside its entries it has the job types \(jobTypes.joined(separator: ", ")); make a pipeline of their own of them"
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
            return try await workspace.withAirflow("retire") { client in
                var states: [String: Known<RunState>] = [:]
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
                var deployment = Workspace.deployment(try await client.dag(id), id, client.address)
                if case .faulty = deployment, record?.isRetiring == true, try await client.dag(id)?.isPaused == true {
                    deployment = .running(
                        "Airflow has the DAG \(id), which a retirement that was broken off has paused"
                    )
                }
                return (.known(ticks), deployment)
            }
        } catch let failure as OperationFailure {
            return (.unknown(failure.message), .unknown(failure.message))
        } catch {
            return (.unknown("\(error)"), .unknown("\(error)"))
        }
    }
}

extension AirflowRun {
    /// How its tasks went.
    var liveState: Known<RunState> {
        switch state {
        case .success?: .known(.success)
        case .failed?: .known(.failed)
        case .queued?, .running?: .known(.running)
        case nil, _?: .unknown("Airflow says a word that Bailey does not know")
        }
    }
}
