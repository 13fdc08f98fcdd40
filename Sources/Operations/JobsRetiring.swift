import Airflow
package import Cutover
import Legacy
import LosslessJSON
package import Migration
import Schedules
package import Store

/// Takes the bridge away from the job types of one pipeline, in whatever sources they lie.
package struct JobsRetiring: Sendable {
    package let workspace: Workspace
    package let inventory: Inventory
    package let pipeline: PlannedPipeline
    package let exchange: GateExchange
    /// What it has in each source.
    package let crossings: [any Crossing]
    /// How that stands.
    private let looks: [RetiringJobsLook]

    package var id: String { pipeline.dag.id }

    /// Looks.
    ///
    /// - Parameter crossings: those of jobs.
    /// - Throws: an error of the legacy system, or `Refusal` if a profile cannot hold.
    package init(
        _ workspace: Workspace,
        plan: Plan,
        inventory: Inventory,
        pipeline: PlannedPipeline,
        crossings: [any Crossing],
        patience: Double
    ) async throws {
        self.workspace = workspace
        self.inventory = inventory
        self.pipeline = pipeline
        self.crossings = crossings
        exchange = GateExchange(workspace: workspace, plan: plan, pipeline: pipeline, patience: patience)
        looks = try await crossings.retiringJobs(nil) { try await $0.looks(limit: nil) }
    }

    package var types: [String] { crossings.flatMap(\.members) }

    /// Whether Airflow has any of the types, or had it when a retirement was begun.
    package var isTaken: Bool { looks.contains(where: \.isTaken) }

    /// Whether a retirement was begun and not finished.
    package var isBegun: Bool { looks.contains(where: \.isBegun) }

    // MARK: Looking

    /// What is known, and nothing is changed to find out.
    ///
    /// - Throws: an error of the legacy system, or `CancellationError`.
    package func evidence() async throws -> QueueRetirementEvidence {
        let looks = try await crossings.retiringJobs(nil) { try await $0.looks(limit: pipeline.policy.cleanTicks) }
        let claimants = looks.reduce(Known<[String]>.known([])) { all, look in
            switch (all, look.claimants) {
            case (.known(let some), .known(let more)): .known(Set(some + more).sorted())
            case (.known, .unknown): look.claimants
            case (.unknown, _): all
            }
        }
        return QueueRetirementEvidence(
            pipeline: id,
            now: workspace.surroundings.now(),
            isBegun: isBegun,
            types: looks.flatMap(\.types),
            needsGate: needsGate,
            deployment: await deployment(),
            claimants: claimants
        )
    }

    /// Why a DAG without its gate could not take the jobs; nil if it can.
    private var needsGate: String? {
        let runnable = pipeline.dag.tasks.compactMap { task -> String? in
            guard case .queue(let drain) = task.body else { return nil }
            switch drain.runs {
            case .python, .command: return drain.entry.name
            case .celery, .queue, .own, .untranslatable, .sql, .copy, .http, .wait: return nil
            }
        }
        if let missing = types.first(where: { !runnable.contains($0) }) {
            return "no task of the DAG can run a job of \(missing); give it python or command"
        }
        return workspace.neverUngated(pipeline.dag).map {
            "the profile of source \($0) says more of how a job begins and ends than a DAG without its gate can do; its gate may stay"
        }
    }

    private func deployment() async -> PolicyEvidence.Deployment {
        do {
            return try await workspace.withAirflow("retire") { client in
                let dag = try await client.dag(id)
                let found = Workspace.deployment(dag, id, client.address)
                if case .faulty = found, isBegun, let dag, dag.isPaused, !dag.isStale, !dag.hasImportErrors {
                    return .running("Airflow has the DAG \(id), which a retirement that was broken off has paused")
                }
                return found
            }
        } catch let failure as OperationFailure {
            return .unknown(failure.message)
        } catch {
            return .unknown("\(error)")
        }
    }

    // MARK: Doing

    /// Takes the gate out of the DAG and lets the jobs wait for it; whatever an earlier one has left half done.
    ///
    /// - Throws: `Refusal` if it was not possible; an error of the legacy system, or what the journal throws.
    package func perform(_ journal: Journal, _ store: StateStore, isArchived: Bool) async throws {
        try await crossings.retiringJobs(journal) { jobs in
            for part in jobs.parts { try await part.bringUpToDate() }
            if !isArchived { try await archive(jobs, journal, store) }
            try await workspace.withAirflow("retire") { client in
                try await exchange.removeGate(jobs, client, journal, isMarked: looks.allSatisfy(\.isWhollyBegun))
                // Nothing waits for the DAG until this is done, so nothing comes between.
                for (crossing, part) in zip(crossings, jobs.parts) {
                    let (count, types) = (try await part.handOver(), crossing.members.joined(separator: ", "))
                    workspace.tell("\(id): hand-over: \(count) held jobs of \(types) wait for the DAG")
                }
                try await exchange.unpause(client, journal)
            }
        }
        try journal.write(.finish, .after, ["answer": "done"])
    }

    /// Puts the gate back.
    ///
    /// - Throws: `Refusal` if that is not possible.
    package func undo(_ journal: Journal) async throws {
        guard !looks.contains(where: \.isHandedOver) else {
            throw Refusal(
                .retiring,
                "the jobs of \(id) were handed over already",
                "Run bailey retire \(id) --execute, which finishes it"
            )
        }
        try await crossings.retiringJobs(journal) { try await exchange.undo($0, journal) }
    }

    private func archive(_ jobs: RetiringJobsOfAll, _ journal: Journal, _ store: StateStore) async throws {
        var queues: [JSON] = []
        for part in jobs.parts { queues.append(try await part.archive()) }
        let entries = Inventory(
            readAt: inventory.readAt,
            entries: pipeline.dag.entries.compactMap { inventory[$0] }
        ).json["entries"]
        let kept: JSON = [
            "read_at": .string(workspace.surroundings.now().iso8601), "pipeline": .string(id), "queues": .array(queues),
            "inventory": entries ?? .null,
        ]
        try await journal.step(.archive, kept, outcome: { (_: Void) in [:] }) {
            try store.archive(kept, pipeline: id, at: workspace.surroundings.now())
        }
    }
}

/// The switches of a pipeline's job types in all sources, as one.
struct RetiringJobsOfAll: RetiringSwitch {
    let parts: [any RetiringJobs]

    func looks(limit: Int?) async throws -> [RetiringJobsLook] {
        var found: [RetiringJobsLook] = []
        for part in parts { found.append(try await part.look(limit: limit)) }
        return found
    }

    func mark(_ marks: Bool) async throws { for part in parts { try await part.mark(marks) } }

    func underWay() async throws -> String? {
        for part in parts { if let found = try await part.underWay() { return found } }
        return nil
    }

    func lastClaim() async throws -> Instant? {
        var last: Instant?
        for part in parts {
            guard let claimed = try await part.lastClaim() else { continue }
            last = last.map { max($0, claimed) } ?? claimed
        }
        return last
    }

    func claim(_ runs: [(tick: Instant, run: String)]) async throws { for part in parts { try await part.claim(runs) } }
}

extension [any Crossing] {
    /// Lends what takes the bridges of these away, each within the other's scope.
    ///
    /// - Parameter journal: nil for looking only.
    /// - Throws: `OperationFailure` of a crossing whose bridge stays; an error of the legacy system, or what the work throws.
    fileprivate func retiringJobs<Value>(_ journal: Journal?, _ body: (RetiringJobsOfAll) async throws -> Value)
        async throws -> Value
    {
        try await retiringJobs(journal, opened: [], body)
    }

    private func retiringJobs<Value>(
        _ journal: Journal?,
        opened: [any RetiringJobs],
        _ body: (RetiringJobsOfAll) async throws -> Value
    ) async throws -> Value {
        guard opened.count < count else { return try await body(RetiringJobsOfAll(parts: opened)) }
        let crossing = self[opened.count]
        let value = try await crossing.retiring(journal) { work -> Value? in
            guard case .jobs(let jobs) = work else { return nil }
            return try await retiringJobs(journal, opened: opened + [jobs], body)
        }
        guard case .some(.some(let value)) = value else {
            throw OperationFailure(.usage, "the bridge of the source \(crossing.source) cannot be taken away")
        }
        return value
    }
}

extension Workspace {
    /// The source of which a DAG takes jobs that it could not take without its gate; nil if there is none.
    func neverUngated(_ dag: DAGDefinition) -> String? {
        for task in dag.tasks {
            // Of settings that cannot be read nothing is said here.
            if case .queue(let drain) = task.body, let system = system(drain.entry.source),
                case .queue(nil) = system.dagSource,
                (try? system.checkSettings()) != nil
            {
                return drain.entry.source
            }
        }
        return nil
    }
}
