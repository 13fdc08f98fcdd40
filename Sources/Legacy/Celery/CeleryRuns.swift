import LosslessJSON
public import Migration
public import Redis
public import Schedules

/// The runs that Celery's result backend in Redis records.
public struct CeleryRuns: LegacyRuns {
    /// Why a result belongs to no entry where the application leaves the task out of it: then no run can be told.
    public static let nameless = "no task name: set result_extended in the Celery application"

    /// Why a run is that of no entry although entries call its task.
    static func otherArguments(_ task: String) -> String {
        "\(task) was called with other arguments than any entry's: by another caller, or an entry was edited since bailey import"
    }

    /// Why a result that was heard is nobody's.
    static let elsewhere =
        "their results are not in the source's database: they are of another one of that Redis, or were forgotten at once"

    let url: RedisURL
    let keys: CeleryResultKeys
    let record: CeleryResultRecord
    let clock: BeatClock?
    let now: @Sendable () -> Instant
    let most: Int

    /// The runs of some entries.
    ///
    /// - Parameters:
    ///   - keys: how the results' keys begin.
    ///   - most: how many results that are published wait to be taken before some are lost and read again.
    ///   - clock: beat's record of when it fired them; without it no run can be told to be that of a tick.
    ///   - now: the clock, for the start of runs that are seen to start.
    public init(
        url: RedisURL,
        keys: CeleryResultKeys = CeleryResultKeys(),
        entries: [LegacyEntry],
        clock: BeatClock? = nil,
        zones: ZoneDatabase,
        most: Int = 100_000,
        now: @escaping @Sendable () -> Instant
    ) {
        self.most = most
        self.url = url
        self.keys = keys
        self.clock = clock
        record = CeleryResultRecord(entries: entries, zones: zones)
        self.now = now
    }

    public func recorded(limit: Int) async throws -> RecordedRuns {
        try await RedisConnection.use(url) { try await recorded($0, limit, await clockNow()) }
    }

    /// - Parameter clock: what beat's clock said first: what it fired by then has ended, or may yet.
    private func recorded(_ redis: RedisConnection, _ limit: Int, _ clock: [ClockSighting]) async throws -> RecordedRuns
    {
        var kept: [EntryID: [Outcome]] = [:]
        var counts: [EntryID: Int] = [:]
        var runs = RecordedRuns(outcomes: [])
        runs.clock = clock
        try await eachStored(redis) { id, bytes in
            switch record.read(bytes, started: nil) {
            case .outcome(let outcome):
                let entry = outcome.key.entry
                kept[entry, default: []].append(outcome)
                counts[entry, default: 0] += 1
                if kept[entry, default: []].count > limit * 2 {
                    kept[entry] = CeleryRuns.latest(kept[entry] ?? [], limit)
                }
            case .unattributed(let reason), .indistinct(let reason): runs.unattributed[reason, default: 0] += 1
            case .unread(let reason):
                runs.unattributed[reason, default: 0] += 1
                runs.unread[id] = reason
            case .otherArguments(let task): runs.unattributed[CeleryRuns.otherArguments(task), default: 0] += 1
            case .started: runs.unattributed["not ended (STARTED)", default: 0] += 1
            }
        }
        runs.outcomes = CeleryRuns.ordered(kept.values.flatMap { CeleryRuns.latest($0, limit) })
        runs.older = counts.mapValues { $0 - limit }.filter { $0.value > 0 }
        runs.runs = runs.outcomes.map { outcome in
            ObservedRun(
                entry: outcome.key.entry,
                run: outcome.run,
                ended: outcome.end ?? now(),
                stamp: outcome.end,
                origin: outcome.origin
            )
        }
        return runs
    }

    public func clockNow() async throws -> [ClockSighting] {
        guard let clock else { return [] }
        return try await RedisConnection.ask(clock.url) { redis throws(RedisError) in try await clock.sightings(redis) }
    }

    /// Every result that is stored, by its id.
    func eachStored(_ redis: RedisConnection, _ body: (String, [UInt8]) async throws -> Void) async throws {
        for pattern in keys.patterns {
            var walk = KeyWalk(matching: pattern)
            while let found = try await walk.next(on: redis) {
                for (key, value) in zip(found, try await redis.read(found.map { RedisCommand("GET", raw: [$0]) })) {
                    // A result may expire between the two commands.
                    guard let bytes = value.bytes, let id = keys.id(String(decoding: key, as: UTF8.self)) else {
                        continue
                    }
                    try await body(id, bytes)
                }
            }
        }
    }

    /// What is recorded of each entry's runs, and why other records belong to none.
    ///
    /// - Parameter limit: the most runs per entry whose ends are kept.
    /// - Throws: `RedisError`.
    public func histories(limit: Int) async throws -> (entries: [EntryID: RunHistory], unattributed: [String: Int]) {
        let runs = try await RedisConnection.use(url) { try await recorded($0, limit, []) }
        let caveat =
            "Celery forgets results after result_expires (a day by default): at most the latest \(limit) runs are counted"
        let histories = Dictionary(grouping: runs.outcomes, by: \.key.entry).mapValues { outcomes in
            let ends = outcomes.compactMap(\.end).sorted()
            return RunHistory(
                runs: outcomes.count,
                succeeded: outcomes.filter { $0.state == .success }.count,
                failed: outcomes.filter { $0.state == .failed }.count,
                states: Dictionary(outcomes.map { ($0.state.rawValue, 1) }, uniquingKeysWith: +),
                first: ends.first,
                last: ends.last,
                ended: ends,
                caveats: [caveat]
            )
        }
        return (histories, runs.unattributed)
    }

    private static func latest(_ outcomes: [Outcome], _ limit: Int) -> [Outcome] {
        Array(ordered(outcomes).suffix(limit))
    }

    private static func ordered(_ outcomes: [Outcome]) -> [Outcome] {
        outcomes.sorted { ($0.end ?? .earliest, $0.run) < ($1.end ?? .earliest, $1.run) }
    }
}
