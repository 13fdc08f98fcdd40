import Legacy
import LosslessJSON
import Migration
public import Redis
public import Schedules
import Store

extension EntryStatus {
    /// Whether its clock was parked and nothing holds it: no switch, or one that says legacy. Nobody runs such an entry.
    public var isStandingWithoutSwitch: Bool { state == .legacy && RedBeatBytes.isParked(meta) }
}

/// Entries whose clock stands although no switch holds them: the switch was deleted, evicted, renamed, flushed, or restored without.
public struct LostSwitches: Sendable {
    let url: RedisURL
    let place: RedBeatPlace

    /// A search in one source's Redis.
    public init(url: RedisURL, place: RedBeatPlace) {
        self.url = url
        self.place = place
    }

    /// Their keys: of those that stand, among all that lie as far in RedBeat's schedule as a parked clock does and some that are known from
    /// elsewhere; and of the known ones those that are gone with their switch.
    ///
    /// - Parameters:
    ///   - known: entries that Airflow owned.
    ///   - closed: the definitions, by key, that Bailey leaves behind where a switch is lost before its fence has passed: the clock is not
    ///     parked then, and the entry is disabled all the same.
    ///   - among: only these are looked at; nil for all.
    /// - Throws: `RedisError`.
    public func find(
        known: [[UInt8]] = [],
        closed: [[UInt8]: [UInt8]] = [:],
        among: [[UInt8]]? = nil
    ) async throws(RedisError) -> (standing: [[UInt8]], gone: [[UInt8]]) {
        try await RedisConnection.ask(url) { redis throws(RedisError) in
            try await find(redis, known, closed, among)
        }
    }

    func find(
        _ redis: RedisConnection,
        _ known: [[UInt8]],
        _ closed: [[UInt8]: [UInt8]],
        _ among: [[UInt8]]?
    ) async throws(RedisError) -> (standing: [[UInt8]], gone: [[UInt8]]) {
        // A beat that started since has written another score, and never an earlier one.
        let least = String(RedBeatBytes.parking.seconds - 86_400)
        let far = RedisCommand("ZRANGEBYSCORE", raw: [place.keys([]).schedule, Array(least.utf8), Array("+inf".utf8)])
        let all = among == nil ? (try await redis.send(far).array ?? []).compactMap(\.bytes) : []
        let candidates = Set(all + known + (among ?? [])).sorted { $0.lexicographicallyPrecedes($1) }
        let taken = Set(known)
        var standing: [[UInt8]] = []
        var gone: [[UInt8]] = []
        let replies = try await redis.read(
            candidates.flatMap { key in
                [
                    RedisCommand("HGET", raw: [key, Array("meta".utf8)]),
                    RedisCommand("HGET", raw: [RedBeatKeys.switchKey(of: key), Array("state".utf8)]),
                    RedisCommand("EXISTS", raw: [key]),
                    RedisCommand("HGET", raw: [key, Array("definition".utf8)]),
                ]
            }
        )
        for (index, key) in candidates.enumerated() where replies.count > 4 * index + 3 {
            let state = replies[4 * index + 1].text
            if RedBeatBytes.isParked(replies[4 * index].bytes), state == nil || state == "legacy" {
                standing.append(key)
            } else if state == nil, let left = closed[key], replies[4 * index + 3].bytes == left {
                standing.append(key)
            }
            if taken.contains(key), state == nil, replies[4 * index + 2].int == 0 { gone.append(key) }
        }
        return (standing, gone)
    }
}

/// Gives legacy its clock where the switch is lost: from what the journal keeps, else from the inventory's bytes.
public struct RestoreOperation: Sendable {
    /// Where the bytes of an entry come from.
    public enum Origin: String, Sendable, Hashable {
        /// A switch that is there and says legacy.
        case ownSwitch = "switch"
        /// The switch of the name that the entry had while Airflow owned it.
        case formerSwitch = "former-switch"
        case journal, inventory
        /// Nothing is kept: only that it is enabled again.
        case entry
    }

    /// An entry that was restored.
    public struct Restored: Sendable, Hashable {
        /// Its place in the group.
        public var entry: Int
        /// Where its bytes come from.
        public var origin: Origin
        /// What legacy goes on from, and how that is known.
        public var from: Instant
        /// How that is known, for people.
        public var because: String
    }

    let engine: CutoverEngine
    private let journaled: JournaledOwnership
    private let imported: [[UInt8]: JournaledOwnership.Kept]
    private let recreates: Recreation
    private let former: [[UInt8]: EntryStatus]

    /// Which entries that are gone are written anew.
    public enum Recreation: Sendable, Hashable {
        case none
        /// Those that went with their switches: no deed of the application, which knows no switch.
        case lost
        /// Those whose own switch says legacy, too: given back while they were gone, by whoever came first.
        case givenBack
    }

    /// An operation on the engine's entries.
    ///
    /// - Parameters:
    ///   - journaled: what the journal keeps.
    ///   - imported: the inventory's bytes, by key.
    ///   - recreates: which entries that are gone are written anew.
    ///   - former: of entries that were renamed, by their key: what stands under their former name, which has given them back.
    public init(
        engine: CutoverEngine,
        journaled: JournaledOwnership = JournaledOwnership([]),
        imported: [[UInt8]: JournaledOwnership.Kept] = [:],
        recreates: Recreation,
        former: [[UInt8]: EntryStatus] = [:]
    ) {
        self.engine = engine
        self.journaled = journaled
        self.imported = imported
        self.recreates = recreates
        self.former = former
    }

    /// What would be restored, of the entries as they are.
    ///
    /// - Throws: `RedBeatBytesError` for an entry that beat could not read either.
    public func plan(_ status: SwitchStatus) throws -> [(restored: Restored, order: RestoreEntry)] {
        try status.entries.enumerated().compactMap { index, entry in
            let key = engine.redbeat.keys.entries[index]
            let stands =
                entry.isStandingWithoutSwitch || journaled.leftClosed(key, entry)
                || isClosedUnderAnotherName(key, entry)
            guard stands || isToBeWrittenAnew(entry) else { return nil }
            return try plan(index, entry, status)
        }
    }

    private func isClosedUnderAnotherName(_ key: [UInt8], _ entry: EntryStatus) -> Bool {
        guard entry.record == nil, let closed = former[key]?.kept.closedDefinition else { return false }
        return entry.definition == closed
    }

    private func isToBeWrittenAnew(_ entry: EntryStatus) -> Bool {
        guard !entry.exists else { return false }
        return switch recreates {
        case .none: false
        case .lost: journaled.isAirflows && entry.record == nil
        case .givenBack: entry.record?.state == .legacy && entry.kept.definition != nil
        }
    }

    private func plan(_ index: Int, _ entry: EntryStatus, _ status: SwitchStatus) throws -> (Restored, RestoreEntry)? {
        let key = engine.redbeat.keys.entries[index]
        var origin = Origin.journal
        var kept = journaled.kept[key]
        if let own = entry.kept.definition {
            origin = .ownSwitch
            kept = JournaledOwnership.Kept(definition: own, meta: entry.kept.meta)
        } else if let own = former[key]?.kept.definition {
            origin = .formerSwitch
            kept = JournaledOwnership.Kept(definition: own, meta: former[key]?.kept.meta)
        }
        if kept?.definition == nil {
            origin = .inventory
            kept = imported[key]
            // One that was read while its clock stood has Bailey's own `enabled` false.
            if let read = kept, let definition = read.definition, RedBeatBytes.isParked(read.meta) {
                kept?.definition = try RedBeatBytes.opened(definition, planned: Array("{}".utf8))
            }
        }
        if kept?.definition == nil {
            guard let definition = entry.definition else { return nil }
            origin = .entry
            kept = JournaledOwnership.Kept(
                definition: try RedBeatBytes.opened(definition, planned: Array("{}".utf8)),
                meta: nil
            )
        }
        guard let kept, let planned = kept.definition else { return nil }
        var definition = planned
        if let found = entry.definition, found != planned, try found != RedBeatBytes.closed(planned) {
            definition = try RedBeatBytes.opened(found, planned: planned)
        }
        let base = RedBeatBytes.isParked(kept.meta) ? nil : kept.meta
        let ran = (try? RedBeatBytes.lastRun(base, zones: engine.zones)) ?? nil
        let others = status.entries.compactMap { $0.record?.lastClaim }.max()
        let formerly = former[key]?.record
        let claim = [entry.newestClaim, others, formerly?.lastClaim].compactMap { $0 }.max()
        var (from, because): (Instant, String)
        if let decided = entry.decided ?? formerly?.lastLegacy, decided > claim ?? .earliest {
            // What opened the window is kept beside the claims: they are whole, and there is none.
            (from, because) = (decided, "legacy's last run before Airflow's window, of which no tick was claimed")
        } else if let claim {
            (from, because) = (claim, "the last tick that a run claimed")
        } else if let unowned = entry.unowned ?? status.entries.first?.unowned {
            (from, because) = (
                unowned.adding(microseconds: -1),
                "just before the first tick whose gate found no switch: beat runs one for those since"
            )
        } else {
            (from, because) = (status.now, "now: no claim is left, and no gate has asked since")
        }
        if let ran, ran.instant > from { (from, because) = (ran.instant, "legacy's own last run") }
        if let running = entry.meta, !RedBeatBytes.isParked(running),
            let last = try RedBeatBytes.lastRun(running, zones: engine.zones), last.instant >= claim ?? .earliest
        {
            // Its clock is legacy's own, and no run has claimed anything since: what it says stays, byte for byte.
            let order = RestoreEntry(
                definition: entry.definition,
                meta: running,
                newDefinition: definition,
                newMeta: running,
                isScheduled: entry.score != nil
            )
            return (
                Restored(entry: index, origin: origin, from: last.instant, because: "legacy's own last run"), order
            )
        }
        let order = RestoreEntry(
            definition: entry.definition,
            meta: entry.meta,
            newDefinition: definition,
            newMeta: try RedBeatBytes.withLastRun(base, engine.time(from, like: base)),
            isScheduled: !entry.exists || entry.score != nil
        )
        return (Restored(entry: index, origin: origin, from: from, because: because), order)
    }

    /// Does it.
    ///
    /// - Throws: `RedisError`, `SwitchError` or `StoreError`; nothing is changed then, or everything.
    public func run() async throws -> [Restored] {
        for _ in 0..<500 {
            let status = try await engine.redbeat.status(claims: 1)
            let plan = try plan(status)
            guard !plan.isEmpty else { return [] }
            let keys = plan.map { engine.redbeat.keys.entries[$0.restored.entry] }
            let reply = try await engine.journal.step(
                .restore,
                status.journalDetail,
                outcome: { (reply: RestoreReply) in
                    if case .restored(let at) = reply { return ["restored_at": .string(at.iso8601)] }
                    return ["refused": .string("\(reply)")]
                }
            ) { try await engine.redbeat.withOnly(keys) { try await $0.restore(plan.map(\.order)) } }
            if case .restored(let at) = reply {
                engine.tell(.gaveBack(at: at))
                return plan.map(\.restored)
            }
            try await engine.sleep(0.01)
        }
        throw SwitchError(
            "restoring",
            "the entries change again and again",
            "See what writes them, then run the command again"
        )
    }
}
