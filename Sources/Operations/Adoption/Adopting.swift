import Cutover
import Foundation
import Legacy
import Migration
import Redis
package import Schedules
import Settings

/// The way of a schedule in code to RedBeat: what to change, whether every entry arrives as it is, and from which last run RedBeat goes on.
package struct Adopting {
    private let workspace: Workspace
    private let source: SourceSettings
    private let redis: RedisURL
    let zones: ZoneDatabase

    /// - Parameters:
    ///   - name: the source; nil for the only one of kind `celery`.
    ///   - redis: where RedBeat is to keep the schedule, if that is not the source's broker: a URL, or a variable that holds one.
    /// - Throws: `OperationFailure`, or an error of a URL.
    package init(_ workspace: Workspace, source name: String?, redis: String?, environment: [String: String]) throws {
        let able = workspace.settings.sources.filter { $0.kind == "celery" && (name ?? $0.name) == $0.name }
        guard let source = able.first, able.count == 1 else {
            throw OperationFailure(
                .usage,
                able.isEmpty
                    ? "adopt is for a source of kind celery, and \(workspace.settings.file) has none\(name.map { " called “\($0)”" } ?? "")"
                    : "\(workspace.settings.file) has several sources of kind celery: name one of \(able.map(\.name).joined(separator: ", "))"
            )
        }
        self.workspace = workspace
        self.source = source
        zones = workspace.zones
        let place = try redis.map { try Discovering.Server($0, number: 1, environment: environment).url } ?? source.url
        guard place.hasPrefix("redis") || place.hasPrefix("unix") || place.hasPrefix("sentinel") else {
            throw OperationFailure(
                .usage,
                "the broker of \(source.name) is no Redis, so RedBeat needs one of its own: name it with --redis, and set redbeat_redis_url of the application to it"
            )
        }
        self.redis = try RedisURL(place)
    }

    // MARK: What the check afterwards shares

    var redisURL: RedisURL { redis }
    var prefix: String { source.prefix }
    var lockKey: [UInt8] { lock }
    var clock: @Sendable () -> Instant { workspace.surroundings.now }
    func tell(_ line: String) { workspace.tell("\(source.name): \(line)") }
    func sleep(_ seconds: Double) async throws { try await workspace.surroundings.sleep(seconds) }
    func emptyReport() -> AdoptionReport {
        AdoptionReport(source: source.name, redis: redis.address, prefix: source.prefix, executed: false)
    }

    /// The system, and a question to its workers.
    func asked() throws -> (any LegacySystem, WorkerQuestion) {
        guard let system = workspace.system(source.name) else {
            throw OperationFailure(.defect, "there is no system of \(source.name)")
        }
        return (system, WorkerQuestion(name: name(), now: clock()))
    }

    private var lock: [UInt8] { RedBeatKeys(entries: [], prefix: source.prefix, lockKey: source.lockKey).lock }

    private func text(_ word: String) -> [UInt8] { Array(word.utf8) }

    // MARK: Before

    /// Looks at everything, and with `execute` writes the entries.
    ///
    /// - Parameters:
    ///   - stopped: when beat was stopped; nil for one that still runs.
    ///   - within: how far that may be wrong, in seconds.
    ///   - acceptsDoubt: whether what cannot be seen holds nothing up.
    /// - Throws: what keeps the source or RedBeat's Redis from being read.
    package func run(stopped: Instant?, within: Double, acceptsDoubt: Bool, execute: Bool) async throws
        -> AdoptionReport
    {
        let (system, question) = try asked()
        let now = clock
        let reading = try await system.readAsking(question, zones: zones)
        var report = emptyReport()
        report.executed = execute
        report.changes = changes(reading)
        if stopped != nil {
            // What beat sent last comes to its end, where it is short.
            workspace.tell("\(source.name): waiting \(Int(Adopting.patience)) s for what beat sent last …")
            try await workspace.surroundings.sleep(Adopting.patience)
        }
        let busy = try? await CeleryWorkers(url: RedisURL(source.url)).busy(name: name(), now: now)
        let histories = try await system.histories(of: reading.entries, zones: zones, now: now)
        let known = AdoptionSeed.Known(
            stopped: stopped ?? now(),
            within: within,
            busy: busy,
            isNamed: !histories.entries.isEmpty && !histories.notes.contains { $0.cause == "nameless" }
        )
        let arrivals = reading.entries.map { RedBeatArrival($0, prefix: source.prefix, zones: zones) }
        for arrival in arrivals {
            report.entries.append(try entry(arrival, histories.entries[arrival.entry.id]?.ended ?? [], known))
        }
        try await look(&report, arrivals, reading)
        report.add("evidence", isDoubtful(report) ? acceptsDoubt : true, doubts(report, stopped, acceptsDoubt))
        guard execute, report.holds, report.outcome == nil else {
            if execute, report.outcome == nil { report.outcome = "refused" }
            return report
        }
        try await write(&report, arrivals)
        return report
    }

    /// Seconds for what beat sent last to be recorded.
    private static let patience = 3.0

    private func name() -> String { "bailey-\(UUID().uuidString.lowercased())" }

    private func entry(_ arrival: RedBeatArrival, _ ended: [Instant], _ known: AdoptionSeed.Known) throws
        -> AdoptionReport.Entry
    {
        let entry = arrival.entry
        let zone = try zones.zone(entry.timezone ?? "UTC")
        guard let schedule = entry.schedule, arrival.fault == nil else {
            return AdoptionReport.Entry(entry: entry, key: readable(arrival.key), fault: arrival.fault)
        }
        let seed = AdoptionSeed(entry, schedule, zone: zone, ended: ended, known: known)
        var made = AdoptionReport.Entry(entry: entry, key: readable(arrival.key), fault: nil)
        made.words = schedule.words(in: zone)
        made.seed = seed
        made.nextDue = schedule.next(after: seed.lastRun, in: zone)
        if zone.name != "UTC", case .crontab = schedule {
            made.atClockChange =
                "RedBeat fires it up to an hour late when summer time ends, as long as it keeps \(zone.name) (BLY017)"
        }
        return made
    }

    private func readable(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// What speaks against it, and for it.
    private func look(_ report: inout AdoptionReport, _ arrivals: [RedBeatArrival], _ reading: SourceReading)
        async throws
    {
        let lost =
            reading.unread.map { "\($0.key): \($0.detail)" }
            + arrivals.compactMap { arrival in
                arrival.fault.map { "\(arrival.entry.id.name): \($0)" }
            }
        report.add(
            "every entry arrives",
            lost.isEmpty && !arrivals.isEmpty,
            lost.isEmpty
                ? arrivals.isEmpty
                    ? "there is no entry"
                    : "\(arrivals.count) of \(arrivals.count) are read back from RedBeat's form with the same ticks, tasks, arguments and options"
                : lost.joined(separator: "; ")
        )
        let differing = reading.entries.filter { $0.notes.contains { $0.code == .codeDiffers } }.map(\.id.name)
        let hasDifference = !differing.isEmpty || reading.summary.notes.contains { $0.code == .codeDiffers }
        if hasDifference {
            report.add(
                "code and workers agree",
                false,
                "they differ\(differing.isEmpty ? "" : " in \(differing.joined(separator: ", "))"): deploy them alike first"
            )
        }
        let state = try await RedisConnection.use(redis) { connection in
            try await RedBeatState.read(connection, keys: arrivals.map(\.key), lock: lock)
        }
        let there = arrivals.filter { state.stored[$0.key] != nil }
        let isDone =
            !arrivals.isEmpty && there.count == arrivals.count
            && there.allSatisfy { state.stored[$0.key]?.adopted != nil }
        if state.isLocked, isDone || there.count == arrivals.count, !arrivals.isEmpty {
            report.outcome = "already"
            report.notes.append(
                "A beat holds RedBeat's lock and its keys hold all entries: RedBeat drives them already. See --check"
            )
            return
        }
        report.add(
            "no RedBeat runs there",
            !state.isLocked,
            state.isLocked
                ? "a beat holds “\(readable(lock))”: stop it before its keys are written"
                : "nobody holds “\(readable(lock))”"
        )
        let moved = try await RedisConnection.use(redis) { connection in
            try await connection.read(arrivals.map { RedisCommand("EXISTS", raw: [RedBeatKeys.switchKey(of: $0.key)]) })
        }
        let switched = zip(arrivals, moved).filter { $0.1.int == 1 }.map { $0.0.entry.id.name }
        report.add(
            "no switch stands there",
            switched.isEmpty,
            switched.isEmpty
                ? "none of the keys has a switch"
                : "\(switched.joined(separator: ", ")) have a switch of Bailey's: give them back with bailey rollback first"
        )
        if !there.isEmpty {
            report.notes.append(
                "\(there.count) of the keys are there from an earlier RedBeat (such as \(there[0].entry.id.name), last run \(state.lastRun(there[0].key, zones: zones)?.iso8601 ?? "never")): a beat that found them would go on from those last runs. --execute writes them anew"
            )
        }
    }

    private func isDoubtful(_ report: AdoptionReport) -> Bool { report.entries.contains { $0.seed?.doubt != nil } }

    private func doubts(_ report: AdoptionReport, _ stopped: Instant?, _ accepts: Bool) -> String {
        let doubtful = report.entries.filter { $0.seed?.doubt != nil }.map(\.entry.id.name)
        if doubtful.isEmpty { return "of every entry the last run is known, or does not matter" }
        return "\(doubtful.joined(separator: ", ")): see their lines. "
            + (accepts
                ? "A person accepts that"
                : stopped == nil
                    ? "Stop beat at a moment when none of them is due"
                    : "Wait and run this again, or accept it with --accept-doubts")
    }

    /// What a person changes, in the order in which it is done.
    private func changes(_ reading: SourceReading) -> [String] {
        let isBroker = source.url.hasPrefix("redis") && (try? RedisURL(source.url)) == redis
        var settings: [String] = []
        if !isBroker { settings.append("redbeat_redis_url to the URL of \(redis.address)") }
        if source.prefix != "redbeat:" { settings.append("redbeat_key_prefix to “\(source.prefix)”") }
        let app = source.celery?.app.map { String($0.prefix { $0 != ":" }) } ?? "APP"
        return [
            "install celery-redbeat 2.3.3 or later where beat runs",
            settings.isEmpty
                ? "the application's settings can stay as they are"
                : "set \(settings.joined(separator: " and ")) in the application",
            "stop the old beat, at a moment when nothing is due, and keep it from starting again",
            "bailey adopt \(source.name) --stopped-at now --execute",
            "start beat as: celery -A \(app) beat -S redbeat.RedBeatScheduler",
            "in bailey.yaml make the source {kind: redbeat, url: …}, and see bailey adopt \(source.name) --check before that",
        ]
    }

    // MARK: Writing

    private func write(_ report: inout AdoptionReport, _ arrivals: [RedBeatArrival]) async throws {
        let seeds = Dictionary(report.entries.map { ($0.entry.id, $0.seed) }, uniquingKeysWith: { first, _ in first })
        let at = workspace.surroundings.now()
        let schedule = text("\(source.prefix):schedule")
        let statics = text("\(source.prefix):statics")
        var commands = [RedisCommand("MULTI")]
        for arrival in arrivals {
            guard let seed = seeds[arrival.entry.id] ?? nil else { continue }
            let zone = try zones.zone(arrival.entry.timezone ?? "UTC")
            let meta = try RedBeatBytes.withLastRun(nil, RedBeatTime(instant: seed.lastRun, zone: zone))
            commands.append(
                RedisCommand(
                    "HSET",
                    raw: [
                        arrival.key, text("definition"), arrival.definition, text("meta"), meta, RedBeatState.mark,
                        text(String(at.microseconds)),
                    ]
                )
            )
            // As beat itself scores an entry that it is to look at.
            commands.append(RedisCommand("ZADD", raw: [schedule, text(String(seed.lastRun.seconds)), arrival.key]))
            commands.append(RedisCommand("SADD", raw: [statics, text(arrival.entry.id.name)]))
        }
        commands.append(RedisCommand("EXEC"))
        let lock = lock
        let written = try await RedisConnection.use(redis) { [commands] connection -> Bool in
            // Whoever starts a beat meanwhile breaks the transaction.
            _ = try await connection.send(RedisCommand("WATCH", raw: [lock, schedule] + arrivals.map(\.key)))
            if try await connection.send(RedisCommand("EXISTS", raw: [lock])).int == 1 { return false }
            let replies = try await connection.pipeline(commands)
            guard let last = replies.last?.array else { return false }
            for reply in last { if case .error = reply { return false } }
            return true
        }
        report.outcome = written ? "done" : "refused"
        report.notes.append(
            written
                ? "\(arrivals.count) entries are written. Start beat with RedBeat's scheduler now: what became due since it was stopped is fired at its start, once for each entry"
                : "Nothing was written: a beat took RedBeat's lock, or the keys changed, at that moment. Stop it, and run this again"
        )
    }
}
