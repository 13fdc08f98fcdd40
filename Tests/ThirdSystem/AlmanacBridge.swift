import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Schedules
import Store

/// How an almanac's entries move to Airflow: they are disabled, and a switch in the same file says who runs their ticks. Whoever changes the
/// file holds it locked, so each change is one step.
struct AlmanacBridge: Bridge {
    let source: String
    let almanac: Almanac
    let surroundings: BridgeSurroundings

    var cargo: Cargo { .ticks }

    func rights() -> [NeededRights] {
        [NeededRights(commands: "cutover, rollback", lines: ["GRANT UPDATE ON almanac TO bailey;"])]
    }

    func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)? {
        let mine = dag.entries.filter { $0.source == source }
        guard !mine.isEmpty else { return nil }
        let planned = mine.reduce(into: [:]) { found, id in
            found[id.name] = inventory[id]?.raw.first?.bytes
        }
        return AlmanacCrossing(
            bridge: self,
            pipeline: dag.id,
            members: mine.map(\.name),
            planned: planned,
            timetable: dag.clock.timetable
        )
    }

    func taken(by pipeline: String) async throws -> (any Crossing)? { try await taken()[pipeline] }

    func taken() async throws -> [String: any Crossing] {
        let switches = try almanac.read()["switches"]?.object?.members ?? []
        return switches.reduce(into: [:]) { found, member in
            let members = member.value["members"]?.array?.compactMap(\.string) ?? []
            found[member.key] = AlmanacCrossing(bridge: self, pipeline: member.key, members: members)
        }
    }

    func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>] {
        let document = try almanac.read()
        return looks.map { look in
            .success(
                AlmanacCrossing(bridge: self, pipeline: look.crossing.pipeline, members: look.crossing.members)
                    .standing(document)
            )
        }
    }
}

/// What one pipeline has in an almanac.
struct AlmanacCrossing: Crossing {
    let bridge: AlmanacBridge
    let pipeline: String
    let members: [String]
    /// The bytes of its entries as they were imported; none where only the switch is known.
    var planned: [String: [UInt8]] = [:]
    var timetable: AirflowTimetable?

    var source: String { bridge.source }
    var cargo: Cargo { .ticks }

    private var now: Instant { bridge.surroundings.around.now() }

    func standing(_ document: JSON) -> CrossingStanding {
        let found = document["switches"]?[pipeline]
        let state = found?["state"]?.string.flatMap { SwitchState(rawValue: $0) } ?? .legacy
        let fence = found?["fence"]?.int ?? 0
        var standing = CrossingStanding(now: now, state: state, isLegacys: state == .legacy, fence: "\(fence)")
        let asked = found?["asked"]?.string.flatMap { Instant(iso8601: $0) }
        standing.gate = .asked(asked)
        if found != nil {
            var record = SwitchRecord(
                state: state,
                fence: Int64(fence),
                pipeline: pipeline,
                drives: true,
                hasEntryClock: true
            )
            if let from = found?["from"]?.string.flatMap({ Instant(iso8601: $0) }) {
                record.windows = [Window(from: from)]
                record.settledAt = from
            }
            record.isRetiring = found?["retiring"]?.bool == true
            record.claims = (found?["claims"]?.array ?? []).compactMap { claim in
                guard let tick = claim["tick"]?.string.flatMap({ Instant(iso8601: $0) }) else { return nil }
                return Claim(tick: tick, run: claim["run"]?.string ?? "", at: tick, how: .live)
            }
            record.lastClaim = record.claims.map(\.tick).max()
            record.givenBackAt = found?["given_back_at"]?.string.flatMap { Instant(iso8601: $0) }
            standing.record = record
        }
        standing.isReopened =
            state == .airflow && members.contains { document["entries"]?[$0]?["enabled"]?.bool == true }
        standing.isRetiring = standing.record?.isRetiring == true
        standing.isHealable = state == .closing || standing.isReopened
        return standing
    }

    private func look(_ document: JSON, checks: [Check]) -> PipelineReport {
        let standing = standing(document)
        var preview = OwnershipPreview(pipeline: pipeline, source: source)
        preview.checks = checks
        preview.entries = members.map { name in
            OwnershipPreview.Entry(key: name, drives: name == members.first, state: standing.state ?? .closing)
        }
        preview.from = standing.record?.windows.last?.from
        preview.claims = standing.record?.claims ?? []
        return PipelineReport(preview: preview)
    }

    /// Why its entries cannot be taken over; nil if they can.
    private func refusal(_ document: JSON) -> Refusal? {
        for member in document["switches"]?.object?.members ?? [] where member.key != pipeline {
            let others = member.value["members"]?.array?.compactMap(\.string) ?? []
            guard member.value["state"]?.string != "legacy", let common = others.first(where: members.contains) else {
                continue
            }
            return Refusal(.heldByOthers, "\(common) is \(member.key)'s", "Run bailey rollback \(member.key) first")
        }
        guard standing(document).isLegacys else { return nil }
        for name in members {
            guard let entry = document["entries"]?[name] else {
                return Refusal(.gone, "\(name) is not in the almanac", "Run bailey import")
            }
            if let bytes = planned[name], Array(entry.text().utf8) != bytes {
                return Refusal(.changed, "\(name) was changed since it was imported", "Run bailey import")
            }
        }
        return nil
    }

    func preview(_ request: CutoverRequest) async throws -> CutoverPreview {
        let document = try bridge.almanac.read()
        let report = look(document, checks: [Check("entries as planned", "looked at", refusal: refusal(document))])
        return CutoverPreview(report: .ticks(report), gate: standing(document).gate)
    }

    func preview(_ request: RollbackRequest) async throws -> CrossingReport {
        .ticks(look(try bridge.almanac.read(), checks: []))
    }

    /// Changes the pipeline's switch and entries in one step.
    func change(_ body: (inout JSONObject, inout JSON) throws -> Void) throws {
        try bridge.almanac.change { document in
            var found = document["switches"]?[pipeline]?.object ?? [:]
            try body(&found, &document)
            document.set("switches", pipeline, .object(found))
        }
    }

    private func enable(_ enabled: (String) -> Bool, in document: inout JSON) {
        for name in members {
            guard var entry = document["entries"]?[name]?.object else { continue }
            entry["enabled"] = .bool(enabled(name))
            document.set("entries", name, .object(entry))
        }
    }

    private func close(_ journal: Journal) async throws {
        let detail: JSON = ["keys": .array(members.map { .string($0) }), "source": .string(source)]
        try await journal.step(.close, detail, outcome: { (_: Void) in [:] }) {
            try change { found, document in
                if let refusal = refusal(document) { throw refusal }
                found["state"] = "closing"
                found["fence"] = .number(JSONNumber((found["fence"]?.int ?? 0) + 1))
                found["members"] = .array(members.map { .string($0) })
                found["kept"] = .object(
                    JSONObject(members.map { ($0, document["entries"]?[$0]?["enabled"] ?? true) })
                )
                enable({ _ in false }, in: &document)
            }
        }
    }

    private func settle(_ journal: Journal) async throws {
        try await journal.step(.settle, outcome: { (_: Void) in [:] }) {
            try change { found, _ in
                guard found["state"]?.string == "closing" else { return }
                found["state"] = "airflow"
                found["from"] = .string(now.iso8601)
            }
        }
    }

    func cutOver(_ request: CutoverRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { return report }
        do {
            report.outcome = try await bridge.surroundings.session(pipeline, "cutover").run { journal in
                let before = standing(try bridge.almanac.read())
                if before.state == .airflow { return "already" }
                if before.state == .legacy { try await close(journal) }
                try await settle(journal)
                return before.state == .closing ? "completed" : "done"
            }
        } catch let refusal as Refusal {
            (report.outcome, report.refusal) = ("refused", refusal)
        }
        report.preview.entries = look(try bridge.almanac.read(), checks: []).preview.entries
        return .ticks(report)
    }

    func rollBack(_ request: RollbackRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { return report }
        do { try await giveBack(request, &report) } catch let refusal as Refusal {
            (report.outcome, report.refusal) = ("refused", refusal)
        }
        report.preview.entries = look(try bridge.almanac.read(), checks: []).preview.entries
        return .ticks(report)
    }

    private func giveBack(_ request: RollbackRequest, _ report: inout PipelineReport) async throws {
        let at = now
        let isDone = try await bridge.surroundings.session(pipeline, "rollback").run { journal in
            if let why = request.why { try journal.write(.watch, .after, ["why": .string(why)]) }
            return try await journal.step(.giveBack, outcome: { .object(["done": .bool($0)]) }) {
                var isDone = false
                try change { found, document in
                    let fence = found["fence"]?.int ?? 0
                    if let wanted = request.fence, wanted != "\(fence)" { return }
                    guard let state = found["state"]?.string, state != "legacy" else { return }
                    if found["retiring"]?.bool == true {
                        throw Refusal(
                            .retiring,
                            "\(pipeline) is being retired",
                            "Finish it, or put the gate back with bailey retire \(pipeline) --undo --execute"
                        )
                    }
                    let kept = found["kept"]
                    enable({ kept?[$0]?.bool ?? true }, in: &document)
                    found["state"] = "legacy"
                    found["fence"] = .number(JSONNumber(fence + 1))
                    found["given_back_at"] = .string(at.iso8601)
                    isDone = true
                }
                return isDone
            }
        }
        report.outcome = isDone ? "done" : "nothing"
        report.givenBackAt = isDone ? at : nil
    }

    func heal(_ standing: CrossingStanding) async throws -> [BridgeNotice] {
        try await bridge.surroundings.session(pipeline, "watch").run { journal in
            if standing.state == .closing {
                try await settle(journal)
                return [BridgeNotice("settled", "\(pipeline) \(standing.fence)", .info, "It is completed.")]
            }
            try await journal.step(.repark, outcome: { (_: Void) in [:] }) {
                try change { _, document in enable({ _ in false }, in: &document) }
            }
            return [BridgeNotice("healed", "\(pipeline) \(standing.fence)", .warning, "It is disabled again.")]
        }
    }

    func askedFor(_ runs: [String]) async throws -> Set<String> { Set(runs.filter { $0.hasPrefix("airflow-") }) }
}

extension Almanac {
    /// What a gate does: asks whether a run may have a tick, and marks that it asked.
    func claims(_ pipeline: String, _ tick: Instant, run: String) throws -> Bool {
        try change { document in
            var found = document["switches"]?[pipeline]?.object ?? ["state": "legacy"]
            found["asked"] = .string(tick.iso8601)
            let from = found["from"]?.string.flatMap { Instant(iso8601: $0) }
            let isMine = found["state"]?.string == "airflow" && from.map { $0 <= tick } == true
            if isMine {
                let claim: JSON = ["tick": .string(tick.iso8601), "run": .string(run)]
                found["claims"] = .array([claim] + (found["claims"]?.array ?? []))
            }
            document.set("switches", pipeline, .object(found))
            return isMine
        }
    }
}
