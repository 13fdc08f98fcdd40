import Legacy
import LosslessJSON
import Migration
public import Schedules
import Store

/// Moves the ticks of a pipeline's RedBeat entries to Airflow: check, close, fence, settle. Idempotent: what it finds half done it completes.
public struct CutoverOperation: Sendable {
    /// How it ended.
    public enum Outcome: Sendable, Hashable {
        /// Airflow owns every tick from here.
        case done(from: Instant)
        /// What another run of the command had begun was completed.
        case completed(from: Instant)
        /// Airflow owned the entries before.
        case already(from: Instant)
        /// Somebody gave the entries back meanwhile.
        case givenBackByOthers
    }

    let engine: CutoverEngine
    let group: RedBeatGroup
    let request: CutoverRequest

    /// An operation on a group.
    public init(engine: CutoverEngine, group: RedBeatGroup, request: CutoverRequest = CutoverRequest()) {
        self.engine = engine
        self.group = group
        self.request = request
    }

    /// Everything that must hold, looked at without changing anything. The state of the switch is not part of it.
    ///
    /// - Throws: `RedisError` or `SwitchError`.
    public func checks() async throws -> [Check] {
        var checks = try await engine.redbeat.readiness(now: engine.now)
        // Of keys in several slots no script can tell anything.
        if checks.contains(where: { $0.refusal?.reason == .slots }) { return checks }
        let status = try await engine.redbeat.status()
        let bytes = bytesCheck(status)
        // Of other entries than were planned it does not matter who fires them.
        if bytes.holds, status.entries.allSatisfy({ $0.state == .legacy }) {
            checks.append(try BeatEvidence(group, status, zones: engine.zones).check)
            checks.append(status.installationCheck(group.pipeline, named: request.installation))
        }
        checks.append(bytes)
        return checks
    }

    /// Does it.
    ///
    /// - Throws: `Refusal` before anything was changed, or after everything was given back; `RedisError`, `SwitchError` or
    ///   `StoreError` when it broke off: the next command completes or undoes it.
    public func run() async throws -> Outcome {
        if let refusal = try await engine.redbeat.slots()?.refusal { throw refusal }
        if let outcome = try await recovered() { return outcome }
        var asked = request.json
        if case .object(var members) = asked {
            members["source"] = .string(group.place.source)
            members["keys"] = .array(group.entries.map { .string(String(decoding: $0.key, as: UTF8.self)) })
            asked = .object(members)
        }
        try await engine.journal.step(.check, asked, outcome: { (_: Void) in ["holds": true] }) {
            for check in try await checks() {
                engine.tell(.checked(check))
                if let refusal = check.refusal { throw refusal }
            }
        }
        for attempt in 1... {
            try await close()
            switch try await engine.settle() {
            case .airflow(let from, let why):
                engine.tell(.settled(from: from, why: why))
                return .done(from: from)
            case .legacy: return .givenBackByOthers
            case .refused(let refusal):
                _ = try await RollbackOperation(engine: engine).giveBack()
                guard refusal.reason == .uneven, attempt < 5 else { throw refusal }
                engine.tell(.recovering(refusal.found + "; everything was given back, and is tried again"))
            }
        }
        return .givenBackByOthers
    }

    // MARK: What is half done

    /// Completes what an earlier operation left, whoever began it; nil if there is nothing and legacy owns the entries.
    private func recovered() async throws -> Outcome? {
        let status = try await engine.redbeat.status()
        let owned = status.entries.enumerated().filter { $0.element.state != .legacy }
        guard let (first, entry) = owned.first.map({ ($0.offset, $0.element) }), let record = entry.record else {
            return nil
        }
        guard record.pipeline == group.pipeline else {
            throw Refusal(
                .heldByOthers,
                "\(engine.name(first)) is \(record.state.rawValue) for the pipeline \(record.pipeline)",
                "Run bailey rollback \(record.pipeline) first"
            )
        }
        guard owned.count == status.entries.count, Set(entry.kept.group) == Set(group.entries.map(\.key)) else {
            throw Refusal(
                .disagree,
                "the pipeline \(group.pipeline) was cut over with other entries than it has now",
                "Run bailey rollback \(group.pipeline) first: it gives back exactly what was taken"
            )
        }
        let closing = status.entries.contains { $0.state == .closing }
        let over = record.isOver || record.until.map { $0 <= status.now } ?? false
        if !closing, over {
            engine.tell(.recovering("its bounded window has ended: giving it back before it is taken over again"))
            _ = try await RollbackOperation(engine: engine).giveBack()
            return nil
        }
        if closing {
            engine.tell(.recovering("\(record.by ?? "an operation") had closed it and not settled it: completing that"))
            switch try await engine.settle() {
            case .airflow(let from, let why):
                engine.tell(.settled(from: from, why: why))
                return .completed(from: from)
            case .legacy: return nil
            case .refused(let refusal):
                _ = try await RollbackOperation(engine: engine).giveBack()
                throw refusal
            }
        }
        let from = record.windows.last?.from ?? status.now
        switch try await engine.heal() {
        case .tidied, .parked:
            engine.tell(.recovering("something had restarted legacy's clock: it is parked again"))
            return .completed(from: from)
        case .undone: return nil
        case .sound, .notMine: return .already(from: from)
        }
    }

    // MARK: Closing

    private func bytesCheck(_ status: SwitchStatus) -> Check {
        let name = "entries as planned"
        for (entry, found) in zip(group.entries, status.entries) {
            guard let definition = found.definition else {
                return Check(
                    name,
                    "\(entry.id) is gone",
                    refusal: Refusal(
                        .gone,
                        "\(entry.id) is not in Redis any more",
                        "Run bailey import and look at the plan again"
                    )
                )
            }
            let expected = found.state == .legacy ? entry.definition : found.kept.closedDefinition ?? entry.definition
            if definition != expected {
                return Check(
                    name,
                    "\(entry.id) was changed since the import",
                    refusal: Refusal(
                        .changed,
                        "\(entry.id) was changed since it was imported, planned and shadowed",
                        "Run bailey import and look at the plan again"
                    )
                )
            }
        }
        return Check(
            name,
            "\(group.entries.count) of \(group.entries.count) definitions are byte for byte those of the inventory"
        )
    }

    /// Waits for the right moment and closes the entries.
    private func close() async throws {
        var wait = MomentWait(group: group, at: request.at, patience: request.patience)
        while true {
            let status = try await engine.redbeat.status()
            if let refusal = bytesCheck(status).refusal { throw refusal }
            let moment = try wait.look(status, zones: engine.zones)
            switch moment {
            case .refused(let refusal): throw refusal
            case .later(let seconds, let why):
                if let why { engine.tell(.waitingForMoment(why)) }
                try await engine.sleep(seconds)
                continue
            case .now(let notAfter, let lastRuns):
                let order = CloseOrder(
                    pipeline: group.pipeline,
                    by: engine.journal.token,
                    fence: group.place.fence,
                    notAfter: notAfter,
                    ticks: request.ticks,
                    until: request.until,
                    hasEntryClock: group.hasEntryClock,
                    slack: group.slack,
                    isProven: try BeatEvidence(group, status, zones: engine.zones).isProven,
                    installation: request.installation ?? status.marks(of: group.pipeline).first?.installation,
                    entries: zip(zip(group.entries, status.entries), lastRuns).map { pair, last in
                        CloseOrder.Entry(
                            definition: pair.0.definition,
                            closedDefinition: pair.0.closedDefinition,
                            meta: pair.1.meta,
                            lastRun: last
                        )
                    }
                )
                let reply = try await engine.journal.step(.close, status.journalDetail, outcome: \.journalDetail) {
                    try await engine.redbeat.close(order)
                }
                switch reply {
                case .closed(let at, let fence, _):
                    engine.tell(.closed(at: at, fence: fence))
                    return
                case .held(let entry, let state, let pipeline, let since, _, _):
                    throw Refusal(
                        .heldByOthers,
                        "\(engine.name(entry)) is \(state.rawValue) for the pipeline \(pipeline) since \(since.iso8601)",
                        "Somebody else is at work on it; see bailey status"
                    )
                case .parkedByOthers(let entry): throw engine.parkedByOthers(entry)
                case .shadowed(let tick): wait.shadowed = tick
                case .due, .changed: break
                }
            }
        }
    }
}

extension CloseReply {
    var journalDetail: JSON {
        switch self {
        case .closed(let at, let fence, let again):
            ["closed_at": .string(at.iso8601), "fence": .number(JSONNumber(Int(fence))), "again": .bool(again)]
        case .held(_, let state, let pipeline, _, _, let by):
            ["held": .string(state.rawValue), "pipeline": .string(pipeline), "by": .string(by)]
        case .due: ["refused": "due"]
        case .shadowed(let tick): ["refused": "shadowed", "tick": .string(tick.iso8601)]
        case .changed(_, let change): ["refused": "changed", "what": .string(change.rawValue)]
        case .parkedByOthers: ["refused": "parked-by-others"]
        }
    }
}

extension CutoverRequest {
    var json: JSON {
        [
            "ticks": ticks.map { .number(JSONNumber($0)) } ?? .null, "at": JSON(at?.iso8601),
            "until": JSON(until?.iso8601),
        ]
    }
}
