import Cutover
import Foundation
import Legacy
import Migration
import Redis
import Schedules
import Store
import Synchronization
import TestSupport

/// RedBeat entries in a real Redis, without a beat: what beat would do, a test does.
struct SwitchBench {
    let server: RedisServer
    let store: StateStore
    let zones = ZoneDatabase()
    let names: [String]
    /// How long a fence lasts, in microseconds.
    let longestTick: Int64

    init(_ server: RedisServer, names: [String] = ["a"], longestTick: Int64 = 20_000) throws {
        self.server = server
        self.names = names
        self.longestTick = longestTick
        store = try StateStore(path: server.folder.path + "/state/state.sqlite")
    }

    var place: RedBeatPlace {
        var place = RedBeatPlace(source: "scheduler", prefix: "redbeat:", lock: "none", maxInterval: 1)
        // Nothing fires here but what a test fires, so a short fence will do.
        place.fence.longestTick = longestTick
        return place
    }

    var keys: [[UInt8]] { names.map { Array("redbeat:\($0)".utf8) } }

    static func definition(_ name: String, every: Int = 3600) -> String {
        #"{"name": "\#(name)", "task": "t", "args": [], "kwargs": {}, "options": {}, "#
            + #""schedule": {"__type__": "interval", "every": \#(every).0, "relative": false}, "enabled": true}"#
    }

    static func meta(_ instant: Instant, count: Int = 1) throws -> String {
        let time = RedBeatTime(instant: instant, zone: .utc)
        return "{\"last_run_at\": \(time.text), \"total_run_count\": \(count)}"
    }

    /// Writes the entries as beat leaves them after a fire so many seconds ago.
    func fill(secondsAgo: Int64 = 60) throws {
        for name in names {
            try server.cli("HSET", "redbeat:\(name)", "definition", Self.definition(name))
            try fire(name, at: SwitchBench.now().adding(seconds: -secondsAgo))
        }
    }

    /// What a fire of beat writes.
    func fire(_ name: String, at instant: Instant) throws {
        try server.cli("HSET", "redbeat:\(name)", "meta", Self.meta(instant))
        try server.cli("ZADD", "redbeat::schedule", "\(instant.seconds + 3600)", "redbeat:\(name)")
    }

    /// What one pipeline has of them, on the bridge of their source.
    func crossing() throws -> RedBeatCrossing {
        let around = Surroundings(
            now: SwitchBench.now,
            sleep: { try await Task.sleep(for: .seconds($0)) },
            tell: { _ in }
        )
        let surroundings = BridgeSurroundings(
            zones: zones,
            around: around,
            known: .known(store),
            journal: { [store] in store }
        )
        let bridge = RedBeatBridge(url: server.url, place: place, rights: { [] }, surroundings: surroundings)
        let (dag, inventory) = try planned()
        guard let crossing = try bridge.crossing(of: dag, in: inventory) as? RedBeatCrossing else {
            throw SwitchError("making a crossing", "no entries", "")
        }
        return crossing
    }

    /// The entries as the inventory has them, in one pipeline that the first drives.
    func group(pipeline: String = "p") throws -> RedBeatGroup {
        let (dag, inventory) = try planned(pipeline: pipeline)
        guard let group = try RedBeatGroup(dag, inventory: inventory, place: place, zones: zones) else {
            throw SwitchError("making a group", "no entries", "")
        }
        return group
    }

    private func planned(pipeline: String = "p") throws -> (DAGDefinition, Inventory) {
        var inventory = Inventory(readAt: SwitchBench.now())
        for name in names {
            var entry = LegacyEntry(id: EntryID(source: "scheduler", name: name), kind: .redbeat, task: "t")
            entry.schedule = .interval(try Interval(seconds: 3600))
            entry.raw = [
                RawRecord(
                    key: Array("redbeat:\(name)".utf8),
                    field: "definition",
                    bytes: Array(Self.definition(name).utf8)
                )
            ]
            inventory.add([entry])
        }
        let ids = names.map { EntryID(source: "scheduler", name: $0) }
        let dag = DAGDefinition(
            id: pipeline,
            name: pipeline,
            clock: PipelineClock(driver: ids[0], schedule: nil, timezone: "UTC", timetable: nil),
            entries: ids,
            tasks: []
        )
        return (dag, inventory)
    }

    func engine(
        _ operation: String = "cutover",
        token: String = "t1",
        sleep: @escaping @Sendable (Double) async throws -> Void = { try await Task.sleep(for: .seconds($0)) }
    ) throws -> CutoverEngine {
        let journal = Journal(
            store: store,
            pipeline: "p",
            operation: operation,
            token: token,
            by: "a test",
            now: SwitchBench.now
        )
        return CutoverEngine(
            redbeat: RedBeatSwitch(url: try RedisURL(server.url), keys: place.keys(keys), patience: 2),
            journal: journal,
            zones: zones,
            now: SwitchBench.now,
            sleep: sleep,
            tell: { _ in }
        )
    }

    func cutOver(_ request: CutoverRequest = CutoverRequest()) async throws
        -> CutoverOperation.Outcome
    {
        let engine = try engine()
        defer { Task { await engine.redbeat.disconnect() } }
        return try await CutoverOperation(engine: engine, group: try group(), request: request).run()
    }

    func rollBack(recreates: Bool = false) async throws -> RollbackOperation.Outcome {
        let engine = try engine("rollback", token: "t2")
        defer { Task { await engine.redbeat.disconnect() } }
        return try await RollbackOperation(engine: engine, recreates: recreates).run()
    }

    /// Every key of the database with its contents, to show that nothing was changed.
    func contents() throws -> String {
        let keys = try server.cli("KEYS", "*").split(separator: "\n").sorted()
        return try keys.map { key in
            let name = String(key)
            let kind = try server.cli("TYPE", name)
            return name + " "
                + (kind.hasPrefix("hash") ? try server.cli("HGETALL", name) : try server.cli("DUMP", name))
        }.joined(separator: "\n")
    }

    func field(_ name: String, _ field: String) throws -> String {
        try server.cli("HGET", "redbeat:\(name)", field).trimmingCharacters(in: .newlines)
    }

    @Sendable static func now() -> Instant {
        Instant(microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded(.down)))
    }
}
