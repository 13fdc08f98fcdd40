import Cutover
import Foundation
import GRDB
import Legacy
import LosslessJSON
import Migration
import Schedules
import Store
import TestSupport

@testable import Settings
@testable import ThirdSystem

/// A legacy system with a pipeline that can be moved, for what every bridge promises.
struct BridgeBench: Sendable {
    enum Kind: String, CaseIterable, Sendable { case almanac, redbeat, queue, djangoBeat }

    let kind: Kind
    let folder: URL
    var bridge: any Bridge
    let make: @Sendable (BridgeSurroundings) -> any Bridge
    let dag: DAGDefinition
    let inventory: Inventory
    /// Everything that legacy has of its work, without the switches.
    let contents: @Sendable () throws -> String
    /// The same with the switches.
    let everything: @Sendable () throws -> String
    /// Changes something so that the cutover must refuse.
    let spoil: @Sendable () throws -> Void

    static let pipeline = "p"

    init(
        kind: Kind,
        folder: URL,
        around: BridgeSurroundings,
        make: @escaping @Sendable (BridgeSurroundings) -> any Bridge,
        dag: DAGDefinition,
        inventory: Inventory,
        contents: @escaping @Sendable () throws -> String,
        everything: @escaping @Sendable () throws -> String,
        spoil: @escaping @Sendable () throws -> Void
    ) {
        self.kind = kind
        self.folder = folder
        self.make = make
        bridge = make(around)
        self.dag = dag
        self.inventory = inventory
        self.contents = contents
        self.everything = everything
        self.spoil = spoil
    }

    func crossing() throws -> any Crossing {
        guard let crossing = try bridge.crossing(of: dag, in: inventory) else { throw BenchError("nothing to move") }
        return crossing
    }

    func taken() async throws -> any Crossing {
        guard let crossing = try await bridge.taken(by: BridgeBench.pipeline) else { throw BenchError("nothing taken") }
        return crossing
    }

    func standing() async throws -> CrossingStanding {
        guard let first = try await bridge.standings(of: [Look(try crossing())]).first else {
            throw BenchError("no standing")
        }
        return try first.get()
    }

    func cutOver() async throws -> CrossingReport {
        let crossing = try crossing()
        var request = CutoverRequest(patience: 5)
        request.drain = 20
        return try await crossing.cutOver(request, crossing.blankReport)
    }

    func rollBack(_ request: RollbackRequest = RollbackRequest()) async throws -> CrossingReport {
        let crossing = try await taken()
        return try await crossing.rollBack(request, crossing.blankReport)
    }

    // MARK: Dying

    /// Where Bailey's own state is.
    static func state(_ folder: URL) -> String { folder.path + "/state/state.sqlite" }

    /// Lets the journal take so many lines from now on and refuse the next, as a disk does that is full.
    func journalTakes(_ lines: Int?) throws {
        let database = try DatabaseQueue(path: BridgeBench.state(folder))
        try database.write { database in
            try database.execute(sql: "DROP TRIGGER IF EXISTS full")
            guard let lines else { return }
            let most = lines + (try Int.fetchOne(database, sql: "SELECT count(*) FROM journal") ?? 0)
            try database.execute(
                sql: """
                    CREATE TRIGGER full BEFORE INSERT ON journal WHEN (SELECT count(*) FROM journal) >= \(most)
                    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END
                    """
            )
        }
    }

    /// Takes the journal away, as a file does that is damaged, or brings it back.
    func journalIsThere(_ isThere: Bool) throws {
        try DatabaseQueue(path: BridgeBench.state(folder)).write { database in
            try database.execute(
                sql: "ALTER TABLE \(isThere ? "away" : "journal") RENAME TO \(isThere ? "journal" : "away")"
            )
        }
    }

    /// The same with an empty state of Bailey's own.
    func withoutState() throws -> BridgeBench {
        var bench = self
        let other = folder.appendingPathComponent("other")
        bench.bridge = make(try BridgeBench.around(other))
        return bench
    }

    // MARK: Making

    static func with(_ kind: Kind, _ body: (BridgeBench) async throws -> Void) async throws {
        try await withFolder { folder in
            let around = try around(folder)
            switch kind {
            case .almanac: try await body(try almanac(folder, around))
            case .redbeat: try await withRedis { try await body(try redBeat($0, folder, around)) }
            case .queue: try await body(try queue(folder, around))
            case .djangoBeat: try await body(try await djangoBeat(folder, around))
            }
        }
    }

    static func around(_ folder: URL) throws -> BridgeSurroundings {
        let store = try StateStore(path: state(folder))
        return BridgeSurroundings(
            zones: ZoneDatabase(),
            around: Surroundings(
                now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) },
                sleep: { try await Task.sleep(for: .seconds(min($0, 0.05))) },
                tell: { _ in }
            ),
            known: .known(store),
            journal: { store }
        )
    }

    static func dag(_ ids: [EntryID], driven: Bool) -> DAGDefinition {
        DAGDefinition(
            id: pipeline,
            name: pipeline,
            clock: PipelineClock(driver: driven ? ids[0] : nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: ids,
            tasks: []
        )
    }

    private static func almanac(_ folder: URL, _ around: BridgeSurroundings) throws -> BridgeBench {
        let almanac = try Almanac(in: folder, entries: ["a", "b"])
        var inventory = Inventory(readAt: around.around.now())
        let ids = ["a", "b"].map { EntryID(source: "s", name: $0) }
        for id in ids {
            var entry = LegacyEntry(id: id, kind: .recurring, task: "report")
            entry.raw = [
                RawRecord(key: Array(id.name.utf8), field: "definition", bytes: Array(Almanac.entry.text().utf8))
            ]
            inventory.add([entry])
        }
        return BridgeBench(
            kind: .almanac,
            folder: folder,
            around: around,
            make: { AlmanacBridge(source: "s", almanac: almanac, surroundings: $0) },
            dag: dag(ids, driven: true),
            inventory: inventory,
            contents: { try (almanac.read()["entries"] ?? .null).text(.canonical) },
            everything: { try almanac.read().text(.canonical) },
            spoil: { try almanac.set("b", "minute", "30") }
        )
    }

    private static func redBeat(_ server: RedisServer, _ folder: URL, _ around: BridgeSurroundings) throws
        -> BridgeBench
    {
        var place = RedBeatPlace(source: "s", prefix: "redbeat:", lock: "none", maxInterval: 1)
        // Nothing fires here, so a short fence will do.
        place.fence.longestTick = 20_000
        var inventory = Inventory(readAt: around.around.now())
        let ids = ["a", "b"].map { EntryID(source: "s", name: $0) }
        let fired = around.around.now().adding(seconds: -60)
        for id in ids {
            let definition =
                #"{"name": "\#(id.name)", "task": "t", "args": [], "kwargs": {}, "options": {}, "#
                + #""schedule": {"__type__": "interval", "every": 3600.0, "relative": false}, "enabled": true}"#
            let key = "redbeat:\(id.name)"
            let last = RedBeatTime(instant: fired, zone: .utc).text
            try server.cli("HSET", key, "definition", definition)
            try server.cli("HSET", key, "meta", "{\"last_run_at\": \(last), \"total_run_count\": 1}")
            try server.cli("ZADD", "redbeat::schedule", "\(fired.seconds + 3600)", key)
            var entry = LegacyEntry(id: id, kind: .redbeat, task: "t")
            entry.schedule = .interval(try Interval(seconds: 3600))
            entry.raw = [RawRecord(key: Array(key.utf8), field: "definition", bytes: Array(definition.utf8))]
            inventory.add([entry])
        }
        let dump: @Sendable (String) throws -> String = { pattern in
            try server.cli("KEYS", pattern).split(separator: "\n").map(String.init).sorted().map { key in
                let kind = try server.cli("TYPE", key)
                return try key + server.cli(kind.hasPrefix("hash") ? "HGETALL" : "DUMP", key)
            }.joined()
        }
        return BridgeBench(
            kind: .redbeat,
            folder: folder,
            around: around,
            make: { [place] in RedBeatBridge(url: server.url, place: place, rights: { [] }, surroundings: $0) },
            dag: dag(ids, driven: true),
            inventory: inventory,
            contents: { try dump("redbeat:[ab]") },
            everything: { try dump("*") },
            spoil: { try server.cli("HSET", "redbeat:b", "definition", "{}") }
        )
    }

    private static func write(_ text: String, _ path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// No worker is at work here, so that none has to be waited for.
    private static let profile = """
        profile: quiet
        table: tasks.background_jobs
        columns: {id: id, key: job_id, type: job_type, payload: job_data, status: status, queued: created_at, started: started_at,
            finished: completed_at, due: next_retry_at, attempts: retry_count, max_attempts: max_retries}
        statuses: {queued: [pending], running: [running], success: [completed], failed: [failed]}
        naive_timestamps: true
        hold: {by: status, held: bailey_held, claimed: bailey_claimed, order: [created_at], pause: 0.05s,
            retries: {counts: retries, delay: 60s, backoff: 2}}
        """

    private static let table = """
        CREATE SCHEMA tasks;
        CREATE TABLE tasks.background_jobs (id serial PRIMARY KEY, job_id text, job_type text, job_data jsonb,
            status text DEFAULT 'pending', created_at timestamp DEFAULT now(), started_at timestamp, completed_at timestamp,
            next_retry_at timestamp, retry_count int DEFAULT 0, max_retries int DEFAULT 3);
        INSERT INTO tasks.background_jobs (job_id, job_type) SELECT n::text, CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END
            FROM generate_series(1, 10) n;
        """

    private static func queue(_ folder: URL, _ around: BridgeSurroundings) throws -> BridgeBench {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, table)
        var settings = SourceSettings(name: "s", kind: "queue", url: url)
        settings.timezone = "UTC"
        settings.profile = "quiet"
        try write(BridgeBench.profile, folder.path + "/profiles/quiet.yaml")
        let system = QueueSystem(
            settings,
            profiles: QueueProfiles(folder: folder.path + "/profiles", shown: "profiles")
        )
        let rows: @Sendable (String) throws -> String = {
            try server.psql(url, "SELECT t.* FROM \($0) t ORDER BY 1, 2")
        }
        return BridgeBench(
            kind: .queue,
            folder: folder,
            around: around,
            make: { QueueBridge(source: "s", table: { try system.source() }, surroundings: $0) },
            dag: dag(["a", "b"].map { EntryID(source: "s", name: $0) }, driven: false),
            inventory: Inventory(readAt: around.around.now()),
            contents: { try rows("tasks.background_jobs") },
            everything: {
                let isInstalled = try server.psql(url, "SELECT to_regclass('bailey.switch') IS NOT NULL").contains("t")
                return try rows("tasks.background_jobs") + (isInstalled ? rows("bailey.switch") : "")
            },
            // A view has no triggers of the kind that hold.
            spoil: {
                try server.psql(
                    url,
                    """
                    ALTER TABLE tasks.background_jobs RENAME TO jobs;
                    CREATE VIEW tasks.background_jobs AS SELECT * FROM tasks.jobs;
                    """
                )
            }
        )
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
