import Cutover
import LosslessJSON
import Postgres
import Schedules
import Store

/// The switches of a pipeline's job types, of all queues that they lie in.
struct QueueBridge: Sendable {
    /// Those in one queue.
    struct Part: Sendable {
        let part: QueuePart
        let queue: QueueSwitch
    }

    let pipeline: String
    let parts: [Part]

    /// Where the types stand; none of a queue without the switch.
    ///
    /// - Throws: `PostgresError`, or `QueueSwitchError` if the schema is another version's.
    func standings() async throws -> [QueueStanding] {
        var found: [QueueStanding] = []
        for part in parts {
            let readiness = try await part.queue.readiness()
            if let foreign = readiness.refusals.first(where: {
                [.foreignSchema, .noRights, .readOnly].contains($0.code)
            }) {
                throw foreign
            }
            guard readiness.installation != .absent else { continue }
            for type in part.part.types { found.append(try await part.queue.standing(type)) }
        }
        return found
    }

    /// Brings a switch that an earlier Bailey installed up to date: its functions know nothing of retirement.
    func bringUpToDate(_ journal: Journal) async throws {
        for part in parts where try await part.queue.readiness().installation == .outdated {
            try await journal.step("install", part.detail, outcome: { (_: Void) in [:] }) {
                try await part.queue.install()
            }
        }
    }

    /// Lets the held jobs wait for the DAG, as they were.
    func handOver(_ journal: Journal) async throws {
        for part in parts {
            let written: (Int) -> JSON = { ["jobs": .number(JSONNumber($0))] }
            let count = try await journal.step("hand-over", part.detail, outcome: written) {
                try await part.queue.handOver(part.part.types, pipeline: pipeline, by: journal.by)
            }
            Console.note(
                "\(pipeline): hand-over: \(count) held jobs of \(part.part.types.joined(separator: ", ")) wait for the DAG"
            )
        }
    }

    /// The same, as what the exchange of files asks for.
    func journaled(_ journal: Journal) -> Marked { Marked(bridge: self, journal: journal) }

    /// Marks types, each step in the journal.
    struct Marked: RetiringSwitch {
        let bridge: QueueBridge
        let journal: Journal

        func mark(_ marks: Bool) async throws {
            for part in bridge.parts {
                var types: [String] = []
                for type in part.part.types where try await part.queue.standing(type).retirement != .finished {
                    types.append(type)
                }
                try await journal.step(marks ? "mark" : "unmark", part.detail, outcome: { (_: Void) in [:] }) {
                    try await part.queue.mark(types, pipeline: bridge.pipeline, marks)
                }
            }
        }

        func underWay() async throws -> String? {
            for part in bridge.parts {
                for type in part.part.types {
                    guard let claim = try await part.queue.openClaims(type).first else { continue }
                    return
                        "\(claim.count) jobs of \(type) that \(claim.run) took at \(claim.since) (if that run is dead, give them back by bailey rollback \(bridge.pipeline) --return-claims \(claim.run), and cut over again)"
                }
            }
            return nil
        }

        /// A run without a gate takes nothing that is held, so none has to be told of.
        func lastClaim() -> Instant? { nil }

        func claim(_ runs: [(tick: Instant, run: String)]) {}
    }
}

extension QueueBridge.Part {
    var detail: JSON {
        ["queue": .string(queue.queue), "types": .array(part.types.map { .string($0) })]
    }
}
