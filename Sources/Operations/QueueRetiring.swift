import Airflow
import Cutover
import Legacy
import LosslessJSON
package import Migration
import Postgres
import Schedules
import Settings
package import Store

/// Takes the bridge away from one pipeline of job types.
package struct QueueRetiring: Sendable {
    package let workspace: Workspace
    package let inventory: Inventory
    package let pipeline: PlannedPipeline
    package let exchange: GateExchange
    package let bridge: QueueRetiringSwitch
    /// How far it has come by the journal.
    package let stage: RetirementStage?
    /// Where its job types stand; none of a queue without the switch.
    private(set) var standings: [QueueStanding] = []

    package var id: String { pipeline.dag.id }

    /// Opens the queues and looks.
    ///
    /// - Throws: `PostgresError`, or `Refusal` if a profile cannot hold.
    package init(
        _ workspace: Workspace,
        plan: Plan,
        inventory: Inventory,
        pipeline: PlannedPipeline,
        stage: RetirementStage?,
        patience: Double
    ) async throws {
        self.workspace = workspace
        self.inventory = inventory
        self.pipeline = pipeline
        self.stage = stage
        exchange = GateExchange(workspace: workspace, plan: plan, pipeline: pipeline, patience: patience)
        var parts: [QueueRetiringSwitch.Part] = []
        for part in workspace.queueParts(pipeline.dag) {
            parts.append(
                QueueRetiringSwitch.Part(part: part, queue: try await QueueSwitch(workspace.queue(part.source)))
            )
        }
        bridge = QueueRetiringSwitch(pipeline: pipeline.dag.id, parts: parts, tell: workspace.surroundings.tell)
        standings = try await bridge.standings()
    }

    /// Whether Airflow has any of the types, or had it when a retirement was begun.
    package var isTaken: Bool { standings.contains { $0.state != .legacy || $0.retirement != nil } }

    /// Whether a retirement was begun and not finished. The switch decides; the journal may be lost.
    package var isBegun: Bool { standings.contains { $0.retirement != nil } }

    var isHandedOver: Bool { standings.contains { $0.retirement == .finished } }

    // MARK: Looking

    /// What is known, and nothing is changed to find out.
    ///
    /// - Throws: `PostgresError`, or `CancellationError`.
    package func evidence() async throws -> QueueRetirementEvidence {
        var types: [QueueRetirementEvidence.JobType] = []
        var claimants: Known<[String]> = .known([])
        for (part, queue) in bridge.parts.map({ ($0.part, $0.queue) }) {
            for type in part.types {
                let standing = standings.first { $0.type == type }
                types.append(
                    QueueRetirementEvidence.JobType(
                        name: type,
                        disorder: disorder(type, standing),
                        ended: standing == nil ? [] : try await queue.ended(type, limit: pipeline.policy.cleanTicks)
                    )
                )
            }
            let seen = try await queue.claimants { try await workspace.surroundings.sleep(0.2) }
            switch (claimants, seen) {
            case (.known(let some), .known(let more)): claimants = .known(Set(some + more).sorted())
            case (.known, .unknown): claimants = seen
            case (.unknown, _): break
            }
        }
        return QueueRetirementEvidence(
            pipeline: id,
            now: workspace.surroundings.now(),
            isBegun: isBegun,
            types: types,
            needsGate: needsGate,
            deployment: await deployment(),
            claimants: claimants
        )
    }

    private func disorder(_ type: String, _ standing: QueueStanding?) -> String? {
        guard let standing else { return "legacy takes the jobs of \(type): there is no switch" }
        if standing.retirement == .finished { return nil }
        if standing.state != .airflow { return "\(type) is \(standing.state.rawValue)" }
        if standing.pipeline != id { return "\(type) was moved for \(standing.pipeline ?? "nobody")" }
        return standing.share == 100 ? nil : "Airflow takes \(standing.share) % of the jobs of \(type)"
    }

    /// Why a DAG without its gate could not take the jobs; nil if it can.
    private var needsGate: String? {
        let runnable = pipeline.dag.tasks.compactMap { task -> String? in
            guard case .queue(let drain) = task.body else { return nil }
            switch drain.runs {
            case .python, .command: return drain.entry.name
            case .celery, .queue, .untranslatable, .sql, .copy, .http, .wait: return nil
            }
        }
        let missing = bridge.parts.flatMap(\.part.types).first { !runnable.contains($0) }
        return missing.map { "no task of the DAG can run a job of \($0); give it python or command" }
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
    /// - Throws: `Refusal` or `Refusal` if it was not possible; `PostgresError`, or what the journal throws.
    package func perform(_ journal: Journal, _ store: StateStore, isArchived: Bool) async throws {
        try await bridge.bringUpToDate(journal)
        if !isArchived { try await archive(journal, store) }
        try await workspace.withAirflow("retire") { client in
            try await exchange.removeGate(
                bridge.journaled(journal),
                client,
                journal,
                isMarked: standings.allSatisfy { $0.retirement != nil }
            )
            // Nothing waits for the DAG until this is done, so nothing comes between.
            try await bridge.handOver(journal)
            try await exchange.unpause(client, journal)
        }
        try journal.write(.finish, .after, ["answer": "done"])
    }

    /// Puts the gate back.
    ///
    /// - Throws: `Refusal` if that is not possible.
    package func undo(_ journal: Journal) async throws {
        guard !isHandedOver else {
            throw Refusal(
                .retiring,
                "the jobs of \(id) were handed over already",
                "Run bailey retire \(id) --execute, which finishes it"
            )
        }
        try await exchange.undo(bridge.journaled(journal), journal)
    }

    private func archive(_ journal: Journal, _ store: StateStore) async throws {
        var queues: [JSON] = []
        for part in bridge.parts { queues.append(try await part.queue.archive(part.part.types)) }
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
