public import Legacy
import LosslessJSON
public import Migration
import Redis
import Schedules
public import Store

/// The bridge of a RedBeat source: the clocks of its entries are parked, and a switch beside each says who runs its ticks.
public struct RedBeatBridge: Bridge {
    /// Where the source's Redis is; read by whoever needs it, so that a wrong one is said there.
    let url: String
    /// How the source keeps its schedule.
    public private(set) var place: RedBeatPlace
    private let needs: @Sendable () throws -> [NeededRights]
    let surroundings: BridgeSurroundings

    /// The bridge of a source.
    ///
    /// - Parameter rights: what moving needs there.
    public init(
        url: String,
        place: RedBeatPlace,
        rights: @escaping @Sendable () throws -> [NeededRights],
        surroundings: BridgeSurroundings
    ) {
        self.url = url
        self.place = place
        needs = rights
        self.surroundings = surroundings
    }

    /// The same bridge, knowing of other sources: of those in the same Redis and database the switches are not its own.
    public func beside(_ bridges: [any Bridge]) -> any Bridge {
        let others = bridges.compactMap { $0 as? RedBeatBridge }
        guard others.count > 1, let mine = try? address else { return self }
        var bridge = self
        bridge.place.others = Set(
            others.compactMap { other in
                guard let theirs = try? other.address, theirs.place == mine.place, theirs.database == mine.database
                else { return nil }
                return other.place.schedule
            }
        ).subtracting([place.schedule])
        return bridge
    }

    public func rights() throws -> [NeededRights] { try needs() }

    public var source: String { place.source }
    public var cargo: Cargo { .ticks }

    var address: RedisURL { get throws { try RedisURL(url) } }

    public func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)? {
        try RedBeatGroup(dag, inventory: inventory, place: place, zones: surroundings.zones).map {
            RedBeatCrossing(bridge: self, pipeline: dag.id, keys: $0.keys, group: $0)
        }
    }

    public func crossing(of pipeline: String, journaled: JournaledOwnership) -> (any Crossing)? {
        guard journaled.isAirflows, journaled.source == source else { return nil }
        return crossing(of: pipeline, journaled.keys)
    }

    /// The crossing of entries that are there, whatever was planned.
    func crossing(of pipeline: String, _ keys: [[UInt8]]) -> RedBeatCrossing {
        RedBeatCrossing(bridge: self, pipeline: pipeline, keys: place.keys(keys), group: nil)
    }

    public func taken(by pipeline: String) async throws -> (any Crossing)? {
        // Where they were, if this state knows; the switches decide.
        let store = surroundings.known.value
        let check = try? store?.journal(pipeline: pipeline, operation: "cutover", limit: 500).last {
            $0.step == .check && $0.detail["keys"] != nil
        }
        let hint = (check?.detail["keys"]?.array ?? []).compactMap { $0.string.map { Array($0.utf8) } }
        let search = SwitchSearch(url: try address, place: place)
        return try await search.entries(of: pipeline, hint: hint).map(crossing)
    }

    private func crossing(of group: SwitchSearch.Group) -> RedBeatCrossing {
        var crossing = RedBeatCrossing(bridge: self, pipeline: group.pipeline, keys: group.keys, group: nil)
        crossing.isResting = group.rests
        return crossing
    }

    public func taken() async throws -> [String: any Crossing] {
        Dictionary(try await allTaken().map { ($0.pipeline, $0) }) { first, _ in first }
    }

    public func allTaken() async throws -> [any Crossing] {
        try await SwitchSearch(url: try address, place: place).groups().map(crossing)
    }

    public func durability() async throws -> PolicyEvidence.Durability? {
        try await RedBeatSwitch.use(try address, keys: place.keys([]), patience: 2) {
            try await $0.durability().evidence
        }
    }

    public func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>] {
        let mine = looks.compactMap { look in (look.crossing as? RedBeatCrossing).map { ($0, look) } }
        guard let claims = looks.map(\.claims).max() else { return [] }
        let read = try await SwitchReading.statuses(of: mine.map(\.0.keys), at: try address, claims: claims)
        // Most of many pipelines have no line in the journal: those are not looked up one by one.
        let kept = looks.count < 20 ? nil : (try? surroundings.known.value?.pipelinesKept())?.journaled
        let standIns = try await standIns(zip(mine, read).compactMap { ($0.0.keys, try? $1.get()) })
        return zip(mine, read).map { pair, status in
            status.map { status in
                let isJournaled = kept?.contains(pair.0.pipeline) ?? true
                var standing = pair.0.standing(status, timetable: pair.1.timetable, isJournaled: isJournaled)
                for one in standIns where pair.0.keys.entries.contains(one.deleted) {
                    standing.troubles.append(beside(one, pair.0.pipeline))
                }
                return standing
            }
        }
    }

    /// What beat runs in the place of entries that the application has deleted while Airflow owns them.
    private func standIns(_ groups: [(RedBeatKeys, SwitchStatus?)]) async throws -> [StandIn] {
        var deleted: [[UInt8]: [(key: [UInt8], definition: [UInt8])]] = [:]
        for (keys, status) in groups {
            for (key, entry) in zip(keys.entries, status?.entries ?? []) where entry.state == .airflow && !entry.exists
            {
                if let definition = entry.kept.definition {
                    deleted[keys.schedule, default: []].append((key, definition))
                }
            }
        }
        var found: [StandIn] = []
        for (schedule, some) in deleted {
            found += try await StandIn.find(for: some, in: schedule, at: try address)
        }
        return found
    }

    private func beside(_ one: StandIn, _ pipeline: String) -> BridgeNotice {
        let (key, deleted) = (String(decoding: one.key, as: UTF8.self), String(decoding: one.deleted, as: UTF8.self))
        let text =
            "Beat runs \(key), which sends the same task with the same arguments as \(deleted), which the application has deleted while Airflow owns it: the work is done by both. Roll \(pipeline) back, of which nothing goes back to legacy, run bailey import, and take over the new entry."
        return BridgeNotice("beside", "\(pipeline) \(key)", .urgent, text)
    }

    public func tend() async throws -> [BridgeNotice] {
        let before = surroundings.around.now().adding(seconds: -patience)
        let removed = try? await RedBeatSwitch.use(try address, keys: place.keys([]), patience: 2) {
            try await RehearsalCopy.sweep($0, place: place, pipeline: nil, before: before)
        }
        if let removed, removed > 0 {
            surroundings.around.tell("\(source): removed \(removed) keys that a broken-off rehearsal had left")
        }
        return []
    }

    /// Seconds after which what a rehearsal left is that of a dead one: longer than any takes.
    public var patience: Int64 { 6 * place.fence.longestTick / 1_000_000 + 600 }

    /// Lends an engine on the switches of entries for as long as a piece of work goes on.
    public func withEngine<Value>(
        _ keys: RedBeatKeys,
        _ journal: Journal,
        tell: @escaping @Sendable (CutoverProgress) -> Void = { _ in },
        _ work: (CutoverEngine) async throws -> Value
    ) async throws -> Value {
        let (zones, name) = (surroundings.zones, source)
        return try await RedBeatSwitch.use(try address, keys: keys) { redbeat in
            try await work(
                CutoverEngine(
                    redbeat: redbeat,
                    journal: journal,
                    zones: zones,
                    applicationZone: {
                        // Only where beat never wrote one: then it is worth reading what was imported.
                        let entries = (try? journal.store.latestInventory())?.entries ?? []
                        let known = Set(
                            entries.filter { $0.id.source == name && $0.kind == .redbeat }.compactMap(\.timezone)
                        )
                        return known.count == 1 ? known.first.flatMap { try? zones.zone($0) } : nil
                    },
                    now: surroundings.around.now,
                    sleep: surroundings.around.sleep,
                    tell: tell
                )
            )
        }
    }
}
