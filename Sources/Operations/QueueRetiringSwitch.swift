package import Cutover
import Legacy
package import LosslessJSON
package import Migration
import Postgres
package import Schedules
package import Store

/// The job types of a pipeline that lie in one queue.
package struct QueuePart: Sendable {
    package let pipeline: String
    package let source: String
    package let types: [String]
}

extension Workspace {
    /// The job types of a pipeline, by queue.
    package func queueParts(_ dag: DAGDefinition) -> [QueuePart] {
        systems.filter { $0 is QueueSystem }.compactMap { system in
            let types = dag.entries.filter { $0.source == system.name }.map(\.name)
            return types.isEmpty ? nil : QueuePart(pipeline: dag.id, source: system.name, types: types)
        }
    }
}

/// The switches of a pipeline's job types, of all queues that they lie in.
package struct QueueRetiringSwitch: Sendable {
    /// Those in one queue.
    package struct Part: Sendable {
        package let part: QueuePart
        package let queue: QueueSwitch
    }

    package let pipeline: String
    package let parts: [Part]
    let tell: @Sendable (String) -> Void

    /// Where the types stand; none of a queue without the switch.
    ///
    /// - Throws: `PostgresError`, or `Refusal` if the schema is another version's.
    package func standings() async throws -> [QueueStanding] {
        var found: [QueueStanding] = []
        for part in parts {
            let readiness = try await part.queue.readiness()
            if let foreign = readiness.refusals.first(where: {
                [.foreignSchema, .noRights, .readOnly].contains($0.reason)
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
            try await journal.step(.install, part.detail, outcome: { (_: Void) in [:] }) {
                try await part.queue.install()
            }
        }
    }

    /// Lets the held jobs wait for the DAG, as they were.
    func handOver(_ journal: Journal) async throws {
        for part in parts {
            let written: (Int) -> JSON = { ["jobs": .number(JSONNumber($0))] }
            let count = try await journal.step(.handOver, part.detail, outcome: written) {
                try await part.queue.handOver(part.part.types, pipeline: pipeline, by: journal.by)
            }
            tell(
                "\(pipeline): hand-over: \(count) held jobs of \(part.part.types.joined(separator: ", ")) wait for the DAG"
            )
        }
    }

    /// The same, as what the exchange of files asks for.
    func journaled(_ journal: Journal) -> Marked { Marked(bridge: self, journal: journal) }

    /// Marks types, each step in the journal.
    package struct Marked: RetiringSwitch {
        package let bridge: QueueRetiringSwitch
        package let journal: Journal

        package func mark(_ marks: Bool) async throws {
            for part in bridge.parts {
                var types: [String] = []
                for type in part.part.types where try await part.queue.standing(type).retirement != .finished {
                    types.append(type)
                }
                try await journal.step(marks ? .mark : .unmark, part.detail, outcome: { (_: Void) in [:] }) {
                    try await part.queue.mark(types, pipeline: bridge.pipeline, marks)
                }
            }
        }

        package func underWay() async throws -> String? {
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
        package func lastClaim() -> Instant? { nil }

        package func claim(_ runs: [(tick: Instant, run: String)]) {}
    }
}

extension QueueRetiringSwitch.Part {
    package var detail: JSON {
        ["queue": .string(queue.queue), "types": .array(part.types.map { .string($0) })]
    }
}
