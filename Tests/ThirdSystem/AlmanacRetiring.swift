import Cutover
import Foundation
import LosslessJSON
import Migration
import Schedules
import Store

/// Takes the bridge of an almanac's entries away: they and their switch go from the file, and their DAG runs on without a gate.
struct AlmanacRetiring: RetiringTicks {
    let crossing: AlmanacCrossing
    let journal: Journal

    private var almanac: Almanac { crossing.bridge.almanac }

    func look() async throws -> RetirementLook {
        let document = try almanac.read()
        let standing = crossing.standing(document)
        return RetirementLook(
            standing: standing,
            entries: crossing.members.map { ($0, standing.state ?? .legacy) },
            disorder: standing.isReopened ? ["an entry of \(crossing.pipeline) is enabled"] : [],
            inCode: .known([])
        )
    }

    func archive() async throws -> JSON {
        let document = try almanac.read()
        return [
            "entries": .object(JSONObject(crossing.members.map { ($0, document["entries"]?[$0] ?? .null) })),
            "switch": document["switches"]?[crossing.pipeline] ?? .null,
        ]
    }

    func inCode() async throws -> [String] { [] }

    func mark(_ marks: Bool) async throws {
        try await journal.step(marks ? .mark : .unmark, outcome: { (_: Void) in [:] }) {
            try crossing.change { found, _ in
                guard found["state"]?.string == "airflow" else {
                    throw Refusal(.changed, "\(crossing.pipeline) is not Airflow's any more", "Run bailey status")
                }
                found["retiring"] = .bool(marks)
            }
        }
    }

    func underWay() async throws -> String? { nil }

    func lastClaim() async throws -> Instant? {
        let record = crossing.standing(try almanac.read()).record
        return record?.lastClaim ?? record?.windows.last?.from
    }

    func claim(_ runs: [(tick: Instant, run: String)]) async throws {
        try crossing.change { found, _ in
            let known = Set((found["claims"]?.array ?? []).compactMap { $0["tick"]?.string })
            let new = runs.filter { !known.contains($0.tick.iso8601) }
            let claims = new.map { ["tick": .string($0.tick.iso8601), "run": .string($0.run)] as JSON }
            found["claims"] = .array(claims + (found["claims"]?.array ?? []))
        }
    }

    func finish() async throws {
        try await journal.step(.finish, outcome: { (_: Void) in ["answer": "done"] }) {
            try almanac.change { document in
                document.remove("switches", crossing.pipeline)
                for name in crossing.members { document.remove("entries", name) }
            }
        }
    }
}

extension AlmanacCrossing {
    func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws -> Value? {
        let journal = try journal ?? bridge.surroundings.previewJournal(pipeline)
        return try await body(.ticks(AlmanacRetiring(crossing: self, journal: journal)))
    }
}
