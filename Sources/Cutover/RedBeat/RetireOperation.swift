import Foundation
import Legacy
public import LosslessJSON
import Migration
import Redis
public import Schedules
import Store

/// Takes the bridge away from entries that Airflow owns: keeps their bytes, marks them, removes their switches. What the DAG runs meanwhile is
/// the caller's to know.
public struct RetireOperation: RetiringTicks {
    let engine: CutoverEngine
    let crossing: RedBeatCrossing

    /// An operation on the engine's switches.
    public init(engine: CutoverEngine, crossing: RedBeatCrossing) {
        self.engine = engine
        self.crossing = crossing
    }

    public func look() async throws -> RetirementLook {
        let status = try await engine.redbeat.status(claims: 1000)
        let inCode: Known<[String]>
        do { inCode = .known(try await self.inCode()) } catch { inCode = .unknown("\(error)") }
        return RetirementLook(
            standing: crossing.standing(status, timetable: nil),
            entries: zip(crossing.members, status.entries).map { ($0, $1.state) },
            disorder: disorder(status),
            inCode: inCode
        )
    }

    public func underWay() -> String? { nil }

    /// What is wrong with entries that a retirement needs whole, one sentence each.
    func disorder(_ status: SwitchStatus) -> [String] {
        status.entries.enumerated().compactMap { index, entry in
            if entry.state != .airflow { return "\(engine.name(index)) is \(entry.state.rawValue)" }
            if entry.isUnparked { return "the clock of \(engine.name(index)) runs" }
            if entry.isRewritten { return "something wrote the definition of \(engine.name(index)) anew" }
            return nil
        }
    }

    /// Which of the entries the application's code makes, by what RedBeat noted at the last start of a beat.
    ///
    /// - Throws: `RedisError`.
    public func inCode() async throws -> [String] {
        let prefix = crossing.bridge.place.prefix
        var found: [String] = []
        for key in engine.redbeat.keys.entries {
            guard key.starts(with: prefix.utf8) else { continue }
            let name = Array(key.dropFirst(prefix.utf8.count))
            let reply = try await engine.redbeat.send(
                RedisCommand("SISMEMBER", raw: [Array((prefix + ":statics").utf8), name])
            )
            if reply.int == 1 { found.append(String(decoding: name, as: UTF8.self)) }
        }
        return found
    }

    /// Everything that is kept of entries and switches, byte for byte; bytes in base64, as inventories have them.
    ///
    /// - Throws: `RedisError` or `SwitchError`.
    public func archive() async throws -> JSON {
        let status = try await engine.redbeat.status(claims: 1000)
        func bytes(_ value: [UInt8]?) -> JSON { value.map { .string(Data($0).base64EncodedString()) } ?? .null }
        return [
            "read_at": .string(status.now.iso8601), "pipeline": .string(engine.journal.pipeline),
            "entries": .array(
                status.entries.enumerated().map { index, entry in
                    [
                        "key": bytes(engine.redbeat.keys.entries[index]),
                        "definition": bytes(entry.kept.definition ?? entry.definition),
                        "meta": bytes(entry.kept.meta),
                        "last_claim": JSON(entry.record?.lastClaim?.iso8601),
                        "last_legacy": JSON(entry.record?.lastLegacy?.iso8601),
                        "windows": .array(
                            (entry.record?.windows ?? []).map {
                                ["from": .string($0.from.iso8601), "until": JSON($0.until?.iso8601)]
                            }
                        ),
                        "claims": .array(
                            (entry.record?.claims ?? []).map { claim in
                                [
                                    "tick": .string(claim.tick.iso8601), "run": .string(claim.run),
                                    "at": .string(claim.at.iso8601), "how": .string(claim.how.rawValue),
                                ]
                            }
                        ),
                    ]
                }
            ),
        ]
    }

    /// Marks the entries, so that nothing gives them back while their DAG has no gate; or takes the mark away.
    ///
    /// - Throws: `Refusal`, then nothing was changed; `RedisError`, `SwitchError` or `StoreError`.
    public func mark(_ marks: Bool) async throws {
        try await change(marks ? .mark : .unmark) { status, fence in
            try await engine.redbeat.retire(fence: fence, marks: marks)
        }
    }

    /// The newest claimed tick, or else the first of the present window; nil without a switch.
    ///
    /// - Throws: `RedisError` or `SwitchError`.
    public func lastClaim() async throws -> Instant? {
        let record = try await engine.redbeat.status().entries.first?.record
        return [record?.lastClaim, record?.windows.last?.from].compactMap { $0 }.max()
    }

    /// Records runs of the DAG that asked no gate as claims of their ticks, so that legacy, when it has its clock back, goes on after them.
    ///
    /// - Throws: `Refusal` if a tick is not the entries'; `RedisError`, `SwitchError` or `StoreError`.
    public func claim(_ runs: [(tick: Instant, run: String)]) async throws {
        for (tick, run) in runs {
            let detail: JSON = ["tick": .string(tick.iso8601), "run": .string(run)]
            try await engine.journal.step(.claim, detail, outcome: { (answer: String) in ["answer": .string(answer)] })
            {
                let named = try await engine.redbeat.status().entries.first?.record?.installation ?? ""
                return "\(try await engine.redbeat.claim(tick: tick, run: run, policy: .every, installation: named))"
            }
        }
    }

    /// Removes the entries, their switches and their claims, for good.
    ///
    /// - Throws: `Refusal`, then nothing was changed; `RedisError`, `SwitchError` or `StoreError`.
    public func finish() async throws {
        try await change(.finish) { status, fence in
            try await engine.redbeat.finish(
                fence: fence,
                deletesEntries: true,
                definitions: status.entries.map(\.definition)
            )
        }
    }

    /// Calls a script until nothing comes between the look and the call.
    private func change(
        _ step: JournalStep,
        _ call: (SwitchStatus, Int64) async throws -> RetireReply
    ) async throws {
        for _ in 0..<100 {
            let status = try await engine.redbeat.status()
            // Absence never means go: what was not seen is not removed.
            guard let fence = status.entries.first?.record?.fence else {
                throw refusal("there is no switch of \(engine.journal.pipeline)", "See bailey status")
            }
            let reply = try await engine.journal.step(
                step,
                status.journalDetail,
                outcome: { (reply: RetireReply) in ["answer": .string(reply.word)] }
            ) { try await call(status, fence) }
            switch reply {
            case .done: return
            case .changed: try await engine.sleep(0.01)
            case .bounded(let entry, let until):
                throw refusal(
                    "Airflow's window of \(engine.name(entry)) ends \(until.iso8601)",
                    "Cut it over without a bound first"
                )
            case .unparked(let entry, _):
                throw refusal(
                    "something restarted the clock of \(engine.name(entry))",
                    "Run bailey watch --once, which parks it again, then run the command again"
                )
            case .unmarked(let entry):
                throw refusal("\(engine.name(entry)) lost its mark meanwhile", "Run the command again")
            case .notMine(let entry, let state):
                throw refusal(
                    "\(engine.name(entry)) is \(state?.rawValue ?? "legacy's, without a switch")",
                    "See bailey status"
                )
            }
        }
        throw SwitchError(
            step.rawValue,
            "the entries change again and again",
            "See what writes them, then run the command again"
        )
    }

    private func refusal(_ found: String, _ advice: String) -> Refusal {
        Refusal(.retiring, found, advice)
    }
}
