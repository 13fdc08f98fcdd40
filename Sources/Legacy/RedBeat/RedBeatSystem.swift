import Foundation
import LosslessJSON
public import Migration
import Redis
public import Schedules
public import Settings

/// A Celery application whose schedule RedBeat keeps in Redis.
public struct RedBeatSystem: LegacySystem {
    private let settings: SourceSettings

    /// The system of a source.
    public init(_ settings: SourceSettings) { self.settings = settings }

    public var name: String { settings.name }

    public func read(zones: ZoneDatabase) async throws -> SourceReading { try await read(zones, workers: []) }

    public func readAsking(_ question: WorkerQuestion, zones: ZoneDatabase) async throws -> SourceReading {
        // Who answers nothing, or cannot be asked so, leaves what is stored.
        let found = try? await CeleryWorkers(url: RedisURL(settings.brokerURL ?? settings.url)).configurations(
            name: question.name,
            now: question.now
        )
        return try await read(zones, workers: found?.answers ?? [])
    }

    private func read(_ zones: ZoneDatabase, workers: [CeleryWorkers.Answer]) async throws -> SourceReading {
        try await RedBeatSource(
            name: settings.name,
            url: try RedisURL(settings.url),
            prefix: settings.prefix,
            timezone: settings.timezone,
            workers: workers
        ).read(zones: zones)
    }

    public func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        async throws -> RecordedHistories
    {
        let (histories, unattributed) = try await celeryRuns(of: entries, zones, now).histories(limit: 500)
        return RecordedHistories(
            entries: histories,
            notes: unattributed.sorted { $0.key < $1.key }.map { reason, count in
                EntryNote(
                    .historyBiased,
                    "\(count) recorded results left out of the history: \(reason)",
                    cause: reason == CeleryRuns.nameless ? "nameless" : nil
                )
            }
        )
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        try celeryRuns(of: entries, zones, now)
    }

    private func celeryRuns(of entries: [LegacyEntry], _ zones: ZoneDatabase, _ now: @escaping @Sendable () -> Instant)
        throws -> CeleryRuns
    {
        CeleryRuns(
            url: try resultsURL(),
            keys: CeleryResultKeys(settings: settings.celery?.settings),
            entries: entries,
            clock: BeatClock(
                url: try RedisURL(settings.url),
                prefix: settings.prefix,
                entries: entries,
                zones: zones,
                now: now
            ),
            zones: zones,
            now: now
        )
    }

    /// The Redis that holds Celery's results; the source's own where they are in no Redis, which then has none.
    private func resultsURL() throws -> RedisURL {
        for place in [settings.resultsURL, settings.brokerURL].compactMap({ $0 }) where place.hasPrefix("redis") {
            return try RedisURL(place)
        }
        return try RedisURL(settings.url)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        let entries = inventory.entries.filter { $0.id.source == name }
        let callers = Dictionary(grouping: entries, by: \.call)
        let notes = inventory.sources.first { $0.name == name }?.notes ?? []
        let isNameless = notes.contains { $0.cause == "nameless" }
        var defects: [EntryID: [String]] = [:]
        for (_, twins) in callers {
            for entry in twins {
                if let twin = twins.first(where: { $0.id != entry.id }) {
                    defects[entry.id, default: []].append(
                        "\(entry.id) and \(twin.id) make the same call, so that no recorded run can be told to be of one of them"
                    )
                }
                if isNameless, entry.history == nil {
                    defects[entry.id, default: []].append(
                        "the results of \(name) name no task, so that no run of \(entry.id) can be told: set result_extended in the Celery application, then run bailey import"
                    )
                }
            }
        }
        return defects
    }

    public var dagSource: DAGSource {
        .redbeat(
            prefix: settings.prefix,
            // Only a Redis holds messages and results.
            ownResults: settings.resultsURL != nil || settings.brokerURL.map { !$0.hasPrefix("redis") } ?? false,
            ownBroker: settings.brokerURL != nil
        )
    }

    public var keyPrefix: String { settings.prefix }

    public func longestSleep(name: String, now: Instant) async throws -> Double? {
        try await CeleryWorkers(url: RedisURL(settings.url)).maxLoopInterval(name: name, now: now)
    }

    public func rights() throws -> [NeededRights] { try rights(for: [.read, .watchRuns]) }

    /// What steps need, each a line of `redis-cli`.
    ///
    /// - Throws: `RedisError` for a URL that cannot be used.
    public func rights(for steps: [RedisRights]) throws -> [NeededRights] {
        let database = try RedisURL(settings.url).database
        let results = CeleryResultKeys(settings: settings.celery?.settings)
        return steps.map { step in
            let line = step.line(prefix: settings.prefix, results: results, database: database)
            return NeededRights(commands: step.commands, lines: [line])
        }
    }

    public func celery(name: String, now: @Sendable () -> Instant) async throws -> CeleryConfiguration? {
        let broker = settings.brokerURL ?? settings.url
        // Other brokers speak protocols that only kombu knows.
        guard let url = try? RedisURL(broker) else { return nil }
        return try await CeleryWorkers(url: url).configuration(name: name, now: now)
    }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        let url =
            switch role {
            case .source, .schedule: settings.url
            case .broker: settings.brokerURL ?? settings.url
            case .results: settings.resultsURL ?? settings.brokerURL ?? settings.url
            }
        if let other = try SourceConnection(messageQueue: url) {
            guard role != .results else {
                throw UnusableSource("source \(name) has no “results_url”, and its broker holds no results")
            }
            return other
        }
        let redis = try RedisURL(url)
        guard case .host(let host, let port) = redis.place else {
            throw UnusableSource(
                "\(redis.address) is a socket, or names Sentinels, which no Airflow connection of type redis holds"
            )
        }
        var extra: JSONObject = [:]
        if redis.tls {
            if let authorities = redis.authorities { extra["ssl_ca_certs"] = .string(authorities) }
            if !redis.verifies { extra["ssl_cert_reqs"] = "none" }
            if !redis.verifiesName { extra["ssl_check_hostname"] = false }
        }
        return SourceConnection(
            type: redis.tls ? "rediss" : "redis",
            host: host,
            port: port,
            login: redis.user,
            schema: "\(redis.database)",
            extra: extra,
            password: redis.password,
            address: redis.address
        )
    }

    public var secrets: [String] {
        [settings.url, settings.resultsURL, settings.brokerURL].compactMap { $0 }.flatMap(passwords(of:))
    }
}

extension LegacyEntry {
    /// What a recorded run of it shows: no arguments and an empty list of them are the same call.
    fileprivate var call: [String] {
        [task, (args.isNull ? [] : args).text(.canonical), (kwargs.isNull ? [:] : kwargs).text(.canonical)]
    }
}

/// The password of a URL, as written and as decoded.
func passwords(of url: String) -> [String] {
    guard let password = URL(string: url)?.password(percentEncoded: true) else { return [] }
    return [password, password.removingPercentEncoding].compactMap { $0 }
}
