import Legacy
import LosslessJSON
public import Migration
public import Schedules
public import Store

/// What an operation is doing, for people who watch it.
public enum CutoverProgress: Sendable, Hashable {
    /// One thing was checked.
    case checked(Check)
    /// What an operation that was broken off had left, and what becomes of it.
    case recovering(String)
    /// It waits for legacy to run what is due, or for the time that was asked for.
    case waitingForMoment(String)
    /// Legacy has lost its clock.
    case closed(at: Instant, fence: Int64)
    /// It waits until no beat can fire any more.
    case fencing(SettleReply.Why)
    /// A beat's start had enabled an entry again; the fence begins anew.
    case reopened(EntryID?)
    /// Airflow owns every tick from here.
    case settled(from: Instant, why: SettleReply.Why?)
    /// A run of the DAG has claimed a tick.
    case claimed(Claim)
    /// Airflow's window has ended; legacy has its clock again once Redis cannot forget that any more.
    case bounded(durable: Instant)
    /// Legacy has its clock again.
    case gaveBack(at: Instant)
}

/// What the operations on a pipeline's RedBeat entries share: the switch, the journal, the time, and whom to tell.
public struct CutoverEngine: Sendable {
    /// The switch.
    public let redbeat: RedBeatSwitch
    /// Where each step is written, before and after.
    public let journal: Journal
    let zones: ZoneDatabase
    let applicationZone: @Sendable () -> Zone?
    let now: @Sendable () -> Instant
    let sleep: @Sendable (Double) async throws -> Void
    let tell: @Sendable (CutoverProgress) -> Void

    /// An engine.
    ///
    /// - Parameters:
    ///   - applicationZone: Celery's `timezone`, for entries that beat never wrote its own zone into; nil where nobody knows it.
    ///   - now: this machine's clock. Decisions go by Redis's.
    ///   - sleep: waits so many seconds.
    ///   - tell: takes progress.
    public init(
        redbeat: RedBeatSwitch,
        journal: Journal,
        zones: ZoneDatabase,
        applicationZone: @escaping @Sendable () -> Zone? = { nil },
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void,
        tell: @escaping @Sendable (CutoverProgress) -> Void
    ) {
        self.redbeat = redbeat
        self.journal = journal
        self.zones = zones
        self.applicationZone = applicationZone
        self.now = now
        self.sleep = sleep
        self.tell = tell
    }

    // MARK: Settling

    /// What became of entries that were closing.
    enum Settled: Sendable {
        case airflow(from: Instant, why: SettleReply.Why?)
        /// Somebody gave them back meanwhile.
        case legacy
        /// They cannot be settled, and are to be given back.
        case refused(Refusal)
    }

    /// Waits for the fence of closing entries and settles them, whoever closed them.
    func settle() async throws -> Settled {
        do {
            try await journal.step(.fence, outcome: { (why: SettleReply.Why?) in ["why": JSON(why?.rawValue)] }) {
                try await fence()
            }
        } catch let refusal as Refusal where refusal.reason == .stalled {
            return .refused(refusal)
        }
        let detail = try await redbeat.status().journalDetail
        return try await journal.step(.settle, detail, outcome: \.journalDetail) { try await settlePastFence() }
    }

    /// Waits until no beat can fire any more, or the entries are not closing any more.
    private func fence() async throws -> SettleReply.Why? {
        var told: SettleReply.Why?
        while true {
            let status = try await redbeat.status()
            guard let first = status.entries.first, first.state == .closing else { return nil }
            if first.isFencePassed { return first.fenceReason }
            if let why = first.fenceReason, why != told {
                tell(.fencing(why))
                told = why
            }
            // Whoever holds the lock has not begun a new tick for longer than one takes: it hangs, or was killed. Waiting for its lock to
            // expire would not tell which, and what it has loaded it may still fire.
            if let record = first.record, !record.isHealing, let closed = record.closedAt,
                first.fenceReason == .extending,
                status.now.seconds(since: closed) > first.longestTick
            {
                throw Refusal(
                    .stalled,
                    "the beat that holds RedBeat's lock has not begun a new loop for \(Int(status.now.seconds(since: closed))) s: it hangs, or was killed",
                    "Restart it; then run the command again"
                )
            }
            try await sleep(CutoverEngine.pause(from: status.now, to: first.fenceEnds))
        }
    }

    private func settlePastFence() async throws -> Settled {
        // Each turn but a waiting one follows on a change that somebody made; nobody makes so many.
        for _ in 0..<500 {
            let status = try await redbeat.status()
            guard let lead = status.entries.first, let record = lead.record, record.state != .legacy else {
                return .legacy
            }
            if status.entries.allSatisfy({ $0.state == .airflow }) {
                return .airflow(from: record.windows.last?.from ?? status.now, why: nil)
            }
            let entries = try status.entries.map { try settleEntry($0, healing: record.isHealing) }
            switch try await redbeat.settle(fence: record.fence, acceptsGone: record.isHealing, entries: entries) {
            case .settled(_, let why, let from): return .airflow(from: from.first ?? status.now, why: why)
            case .already, .changed: continue
            case .waiting(let why, let ends):
                tell(.fencing(why))
                try await sleep(CutoverEngine.pause(from: status.now, to: ends))
            case .reopened(let entry):
                try journal.write(.reopened, .after, ["entry": .string(name(entry))])
                tell(.reopened(nil))
            case .redefined(let entry, _):
                guard record.isHealing else {
                    return .refused(
                        Refusal(
                            .changed,
                            "the application wrote another definition of \(name(entry)) while it was being closed",
                            "Run bailey import and look at the plan again"
                        )
                    )
                }
                try await repark()
            case .undriven:
                return .refused(
                    Refusal(
                        .notDriven,
                        "no beat was seen to hold RedBeat's lock and go on, and none of its fires shows that it drives these entries",
                        "See which scheduler beat runs with; start it with RedBeat, let it fire the entries, and run the command again"
                    )
                )
            case .uneven(let count):
                return .refused(
                    Refusal(
                        .uneven,
                        "legacy fired \(count) of the \(entries.count) entries after they were closed, and not the others",
                        "Run the command again"
                    )
                )
            case .gone(let entry):
                return .refused(
                    Refusal(
                        .gone,
                        "\(name(entry)) was deleted while it was being closed",
                        "Run bailey import and look at the plan again"
                    )
                )
            case .parkedByOthers(let entry): return .refused(parkedByOthers(entry))
            case .notClosing(_, let state):
                if state == nil || state == .legacy { return .legacy }
            }
        }
        throw SwitchError(
            "settling",
            "the entries change again and again",
            "See what writes them, then run the command again"
        )
    }

    private func settleEntry(_ entry: EntryStatus, healing: Bool) throws -> SettleEntry {
        let last = try RedBeatBytes.lastRun(entry.meta, zones: zones)?.instant
        // While healing only what a fire wrote counts; the application creates an entry with a last run that never was.
        let counts = !healing || (RedBeatBytes.isOfAFire(entry.meta) && entry.meta != entry.kept.parked)
        return SettleEntry(
            meta: entry.meta,
            lastRun: counts ? last : nil,
            parked: try RedBeatBytes.parked(entry.meta ?? entry.kept.meta),
            score: RedBeatBytes.parking.seconds
        )
    }

    // MARK: Healing

    /// What `heal` found.
    public enum Healed: String, Sendable, Hashable {
        /// Nothing was wrong.
        case sound
        /// Definitions had been written anew; they are closed again.
        case tidied
        /// Legacy's clock had been restarted; it is parked again.
        case parked
        /// The entries are not Airflow's.
        case notMine = "not-mine"
        /// A cutover that was broken off could not be completed; legacy has its clock again.
        case undone
    }

    /// Closes and parks entries again that Airflow owns, if something wrote their definitions or restarted their clocks. Safe at any time,
    /// and for several at once.
    ///
    /// - Throws: `RedisError`, `SwitchError`, `StoreError`, or `RedBeatBytesError` for an entry that beat could not read either.
    public func heal() async throws -> Healed {
        let status = try await redbeat.status()
        guard status.entries.allSatisfy({ $0.state != .legacy }) else { return .notMine }
        let isClosing = status.entries.contains { $0.state == .closing }
        if isClosing, status.entries.first?.record?.isHealing == false { return try await complete() }
        guard isClosing || status.entries.contains(where: { $0.isUnparked || $0.isRewritten }) else { return .sound }
        let found = try await journal.step(
            .repark,
            status.journalDetail,
            outcome: { (found: ReparkReply.Found?) in ["found": JSON(found?.rawValue)] }
        ) { try await repark() }
        switch found {
        case .parked?: return .sound
        case .tidied?: return .tidied
        case nil: return .notMine
        case .closing?:
            if case .airflow = try await settle() { return .parked }
            return .notMine
        }
    }

    /// Completes, or undoes, a cutover that somebody broke off.
    private func complete() async throws -> Healed {
        switch try await settle() {
        case .airflow: return .parked
        case .legacy: return .notMine
        case .refused(let refusal):
            try journal.write(
                .undo,
                .before,
                ["refused": .string(refusal.reason.rawValue), "found": .string(refusal.found)]
            )
            _ = try await RollbackOperation(engine: self).giveBack()
            return .undone
        }
    }

    /// Closes the entries again; nil if they are not Airflow's.
    @discardableResult
    private func repark() async throws -> ReparkReply.Found? {
        while true {
            let status = try await redbeat.status()
            guard let fence = status.entries.first?.record?.fence else { return nil }
            let entries = try status.entries.map { entry in
                ReparkEntry(
                    definition: entry.definition,
                    closedDefinition: try entry.definition.map { try RedBeatBytes.closed($0) }
                        ?? entry.kept.closedDefinition ?? [],
                    meta: entry.meta,
                    opened: try entry.opened()
                )
            }
            switch try await redbeat.repark(fence: fence, entries: entries) {
            case .done(let found, _): return found
            case .changed: try await sleep(0.01)
            case .notMine: return nil
            case .redefined(let entry, _):
                throw Refusal(
                    .changed,
                    "the application wrote another definition of \(name(entry)) while it was being closed",
                    "Run bailey import and look at the plan again"
                )
            }
        }
    }

    // MARK: Words

    /// An entry of the group as people know it.
    func name(_ index: Int) -> String {
        let keys = redbeat.keys.entries
        return keys.indices.contains(index) ? String(decoding: keys[index], as: UTF8.self) : "entry \(index + 1)"
    }

    /// Why nothing is given back while a pipeline is being retired.
    var retiring: Refusal {
        Refusal(
            .retiring,
            "\(journal.pipeline) is being retired: its DAG runs without its gate, or is about to, so both sides would run its ticks",
            "Finish it with bailey retire \(journal.pipeline) --execute, or put the gate back with --undo --execute and then roll back"
        )
    }

    func parkedByOthers(_ entry: Int) -> Refusal {
        Refusal(
            .parkedByOthers,
            "the last run of \(name(entry)) lies in the future: somebody, not Bailey, has stopped its clock",
            "Find out who and why; set last_run_at in the entry's meta to its true last run, then run bailey import"
        )
    }

    /// How long to wait before asking again, in seconds.
    static func pause(from now: Instant, to end: Instant?) -> Double {
        guard let end else { return 0.05 }
        return min(max(end.seconds(since: now) + 0.005, 0.02), 0.5)
    }
}

extension CutoverEngine.Settled {
    var journalDetail: JSON {
        switch self {
        case .airflow(let from, let why):
            ["state": "airflow", "from": .string(from.iso8601), "why": JSON(why?.rawValue)]
        case .legacy: ["state": "legacy"]
        case .refused(let refusal): ["refused": .string(refusal.reason.rawValue), "found": .string(refusal.found)]
        }
    }
}

extension SwitchStatus {
    /// The bytes of entries and switches, for the journal.
    var journalDetail: JSON {
        func text(_ bytes: [UInt8]?) -> JSON { bytes.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null }
        return [
            "redis_time": .string(now.iso8601), "lock_holder": JSON(lockHolder),
            "entries": .array(
                entries.map { entry in
                    [
                        "state": .string(entry.state.rawValue),
                        "fence": entry.record.map { .number(JSONNumber(Int($0.fence))) } ?? .null,
                        "definition": text(entry.definition), "meta": text(entry.meta),
                        "kept_definition": text(entry.kept.definition), "kept_meta": text(entry.kept.meta),
                        "last_claim": JSON(entry.record?.lastClaim?.iso8601),
                    ]
                }
            ),
        ]
    }
}
