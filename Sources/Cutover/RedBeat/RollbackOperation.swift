import Legacy
import LosslessJSON
import Migration
public import Schedules
import Store

/// Gives the ticks of a pipeline's RedBeat entries back to legacy. Everything it needs is in the switches; Airflow is not asked.
public struct RollbackOperation: Sendable {
    /// How it ended.
    public enum Outcome: Sendable, Hashable {
        /// Legacy has its clock again since then; the entries that no longer existed; those whose definition the application had changed.
        case done(at: Instant, gone: [Int], redefined: [Int])
        /// Legacy had it already.
        case nothing
    }

    let engine: CutoverEngine
    let recreates: Bool

    /// An operation on the engine's switches.
    ///
    /// - Parameter recreates: whether an entry that was deleted is written anew.
    public init(engine: CutoverEngine, recreates: Bool = false) {
        self.engine = engine
        self.recreates = recreates
    }

    /// Does it, from any state.
    ///
    /// - Throws: `Refusal` while the pipeline is being retired; `RedisError`, `SwitchError` or `StoreError`; nothing is changed
    ///   then, or everything.
    public func run() async throws -> Outcome {
        let outcome = try await giveBack()
        guard recreates, outcome == .nothing else { return outcome }
        // The gate of the first tick after a bounded window gives back by itself, and leaves what is gone as it is.
        let anew = try await RestoreOperation(engine: engine, recreates: .givenBack).run()
        guard !anew.isEmpty else { return .nothing }
        return .done(at: engine.now(), gone: anew.map(\.entry), redefined: [])
    }

    func giveBack() async throws -> Outcome {
        try await bound()
        var keeps = false
        // Each turn follows on a change that somebody made: a claim, a fire of beat, a write of the application.
        for _ in 0..<500 {
            let status = try await engine.redbeat.status()
            if status.entries.contains(where: { $0.record?.isRetiring == true }) { throw engine.retiring }
            guard status.entries.contains(where: { $0.state != .legacy }) else { return .nothing }
            let order = GiveBackOrder(
                fence: nil,
                gone: recreates ? .recreate : .skip,
                keepsRedefined: keeps,
                entries: try status.entries.map { try entry($0) }
            )
            let reply = try await engine.journal.step(.giveBack, status.journalDetail, outcome: \.journalDetail) {
                try await engine.redbeat.giveBack(order)
            }
            switch reply {
            case .given(let at, _, let gone):
                engine.tell(.gaveBack(at: at))
                let redefined = status.entries.indices.filter { index in
                    let entry = status.entries[index]
                    let known = [entry.kept.closedDefinition, entry.kept.definition]
                    return entry.exists && !known.contains(entry.definition) || entry.record?.redefinedAt != nil
                }
                return .done(at: at, gone: gone, redefined: redefined)
            case .nothing: return .nothing
            case .changed: try await engine.sleep(0.005)
            case .redefined:
                // The application's own word on its entry is newer than what was closed.
                keeps = true
            case .gone: throw SwitchError("giving back", "an entry is gone", "Run the command again")
            case .retiring: throw engine.retiring
            }
        }
        throw SwitchError(
            "giving back",
            "the entries change again and again",
            "See what writes them, then run the command again"
        )
    }

    /// Ends Airflow's windows, and waits until a Redis that loses its last second cannot lose that: else it could forget the giving back
    /// together with what legacy has fired since, and Airflow would run those ticks again.
    private func bound() async throws {
        var isWritten = false
        for _ in 0..<500 {
            let status = try await engine.redbeat.status()
            if status.entries.contains(where: { $0.record?.isRetiring == true }) { throw engine.retiring }
            guard status.entries.contains(where: { $0.state == .airflow || $0.record?.isHealing == true }) else {
                return
            }
            let claims = status.entries.map { $0.record?.lastClaim }
            let reply: BoundReply
            var answered = ContinuousClock.now
            if isWritten {
                reply = try await engine.redbeat.bound(lastClaims: claims)
                answered = ContinuousClock.now
            } else {
                reply = try await engine.journal.step(.bound, status.journalDetail, outcome: \.journalDetail) {
                    let reply = try await engine.redbeat.bound(lastClaims: claims)
                    answered = ContinuousClock.now
                    return reply
                }
            }
            switch reply {
            case .bounded(let now, let durable):
                guard let durable, now < durable, try await !engine.redbeat.isDurableNow() else { return }
                if !isWritten { engine.tell(.bounded(durable: durable)) }
                isWritten = true
                // Redis may come back without it meanwhile, so that it is looked at again. What has passed since its answer is waited for already.
                let passed = answered.duration(to: .now)
                let seconds = Double(durable.microseconds - now.microseconds) / 1_000_000 - passed / .seconds(1)
                if seconds > 0 { try await engine.sleep(seconds) }
            case .changed: try await engine.sleep(0.005)
            case .retiring: throw engine.retiring
            }
        }
        throw SwitchError(
            "ending Airflow's window",
            "the entries change again and again",
            "See what writes them, then run the command again"
        )
    }

    private func entry(_ found: EntryStatus) throws -> GiveBackOrder.Entry {
        GiveBackOrder.Entry(
            lastClaim: found.record?.lastClaim,
            lastLegacy: found.record?.lastLegacy,
            meta: found.meta,
            new: try engine.meta(found),
            definition: found.definition,
            opened: try found.opened()
        )
    }
}

extension CutoverEngine {
    /// The meta that legacy goes on from: its last run is the last tick that really ran, by either side.
    func meta(_ found: EntryStatus) throws -> GiveBackOrder.Entry.Meta {
        guard let record = found.record, record.state == .airflow || record.isHealing else { return .leave }
        var base = found.kept.meta
        var last = [record.lastClaim, record.lastLegacy].compactMap { $0 }.max()
        if found.meta != found.kept.parked, RedBeatBytes.isOfAFire(found.meta),
            let fired = try? RedBeatBytes.lastRun(found.meta, zones: zones)
        {
            // Legacy's clock was running: what it fired meanwhile is its own.
            base = found.meta
            last = max(last ?? fired.instant, fired.instant)
        }
        guard let last else { return base.map { .write($0) } ?? .remove }
        return .write(try RedBeatBytes.withLastRun(base, time(last, like: base)))
    }

    /// An instant as beat would write it into this meta: in the zone that beat wrote before, else in the application's. Celery before 5.7
    /// reads a crontab in the zone of `last_run_at`, so that UTC, where the application has another, moves the next tick by hours.
    func time(_ instant: Instant, like meta: [UInt8]?) -> RedBeatTime {
        let before = (try? RedBeatBytes.lastRun(meta, zones: zones)) ?? nil
        if let before, before.isNamed { return RedBeatTime(instant: instant, zone: before.zone) }
        // An offset is what Bailey itself writes in a repeated hour, or a RedBeat that knew no names.
        if let zone = applicationZone() { return RedBeatTime(instant: instant, zone: zone) }
        return RedBeatTime(instant: instant, zone: before?.zone ?? .utc, isNamed: before?.isNamed ?? true)
    }
}

extension BoundReply {
    var journalDetail: JSON {
        switch self {
        case .bounded(_, let durable): ["durable": JSON(durable?.iso8601)]
        case .changed(_, let change): ["refused": "changed", "what": .string(change.rawValue)]
        case .retiring: ["refused": "retiring"]
        }
    }
}

extension GiveBackReply {
    var journalDetail: JSON {
        switch self {
        case .given(let at, let entries, let gone):
            [
                "given_back_at": .string(at.iso8601), "entries": .number(JSONNumber(entries.count)),
                "gone": .number(JSONNumber(gone.count)),
            ]
        case .nothing: ["nothing": true]
        case .changed(_, let change): ["refused": "changed", "what": .string(change.rawValue)]
        case .gone: ["refused": "gone"]
        case .retiring: ["refused": "retiring"]
        case .redefined(_, let bytes):
            ["refused": "redefined", "definition": .string(String(decoding: bytes, as: UTF8.self))]
        }
    }
}
