import LosslessJSON
import Migration
import Postgres
import Schedules
public import Store

/// Takes the bridge away from the job types of one pipeline in one queue.
struct QueueRetiring: RetiringJobs {
    let crossing: QueueCrossing
    let queue: QueueSwitch
    let journal: Journal

    private var types: [String] { crossing.members }
    private var pipeline: String { crossing.pipeline }
    private var detail: JSON { ["queue": .string(queue.queue), "types": .array(types.map { .string($0) })] }

    // MARK: Looking

    func look(limit: Int?) async throws -> RetiringJobsLook {
        let standings = try await standings()
        var found: [QueueRetirementEvidence.JobType] = []
        for type in types {
            let standing = standings.first { $0.type == type }
            var ended: [LiveJob] = []
            if standing != nil, let limit { ended = try await queue.ended(type, limit: limit) }
            found.append(
                QueueRetirementEvidence.JobType(name: type, disorder: disorder(type, standing), ended: ended)
            )
        }
        let around = crossing.surroundings.around
        return RetiringJobsLook(
            types: found,
            claimants: limit == nil ? .known([]) : try await queue.claimants { try await around.sleep(0.2) },
            isTaken: standings.contains { $0.state != .legacy || $0.retirement != nil },
            isBegun: standings.contains { $0.retirement != nil },
            isWhollyBegun: standings.allSatisfy { $0.retirement != nil },
            isHandedOver: standings.contains { $0.retirement == .finished }
        )
    }

    /// Where the types stand; none of a queue without the switch.
    private func standings() async throws -> [QueueStanding] {
        // Between the exchange of the DAG's file and the hand-over nothing may come to light.
        if let refusal = try await queue.missingRights("retiring") { throw refusal }
        let readiness = try await queue.readiness()
        let cannot: Set<Refusal.Reason> = [.foreignSchema, .noRights, .readOnly]
        if let refusal = readiness.refusals.first(where: { cannot.contains($0.reason) }) { throw refusal }
        guard readiness.installation != .absent else { return [] }
        var found: [QueueStanding] = []
        for type in types { found.append(try await queue.standing(type)) }
        return found
    }

    private func disorder(_ type: String, _ standing: QueueStanding?) -> String? {
        guard let standing else { return "legacy takes the jobs of \(type): there is no switch" }
        if standing.retirement == .finished { return nil }
        if standing.state != .airflow { return "\(type) is \(standing.state.rawValue)" }
        if standing.pipeline != pipeline { return "\(type) was moved for \(standing.pipeline ?? "nobody")" }
        return standing.share == 100 ? nil : "Airflow takes \(standing.share) % of the jobs of \(type)"
    }

    // MARK: Doing

    func bringUpToDate() async throws {
        guard try await queue.readiness().installation == .outdated else { return }
        try await journal.step(.install, detail, outcome: { (_: Void) in [:] }) { try await queue.install() }
    }

    func archive() async throws -> JSON { try await queue.archive(types) }

    func mark(_ marks: Bool) async throws {
        var unfinished: [String] = []
        for type in types where try await queue.standing(type).retirement != .finished { unfinished.append(type) }
        try await journal.step(marks ? .mark : .unmark, detail, outcome: { (_: Void) in [:] }) {
            try await queue.mark(unfinished, pipeline: pipeline, marks)
        }
    }

    func underWay() async throws -> String? {
        for type in types {
            guard let claim = try await queue.openClaims(type).first else { continue }
            return
                "\(claim.count) jobs of \(type) that \(claim.run) took at \(claim.since) (if that run is dead, give them back by bailey rollback \(pipeline) --return-claims \(claim.run), and cut over again)"
        }
        return nil
    }

    /// A run without a gate takes nothing that is held, so none has to be told of.
    func lastClaim() -> Instant? { nil }

    func claim(_ runs: [(tick: Instant, run: String)]) {}

    func handOver() async throws -> Int {
        try await journal.step(.handOver, detail, outcome: { ["jobs": .number(JSONNumber($0))] }) {
            try await queue.handOver(types, pipeline: pipeline, by: journal.by)
        }
    }
}

extension QueueCrossing {
    public func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws
        -> Value?
    {
        let journal = try journal ?? surroundings.previewJournal(pipeline)
        return try await body(
            .jobs(QueueRetiring(crossing: self, queue: try await bridge.connected(), journal: journal))
        )
    }
}
