import LosslessJSON
public import Migration
import Redis
public import Schedules
public import Settings

/// A Celery application whose schedule stands in its code (`beat_schedule`), read from what its live workers answer. It has no switch: what
/// drives it is a beat with a memory of its own. Started with RedBeat's scheduler it becomes a `RedBeatSystem`, and can be moved.
public struct CelerySystem: LegacySystem {
    private let settings: SourceSettings
    private let now: @Sendable () -> Instant
    private let replyName: @Sendable () -> String
    /// Broker, results and their Airflow connections are the same whichever scheduler drives the application.
    private let application: RedBeatSystem

    /// The system of a source.
    ///
    /// - Parameters:
    ///   - now: this machine's clock; workers drop questions that are too old.
    ///   - replyName: makes names for reply queues that nobody else uses.
    public init(
        _ settings: SourceSettings,
        now: @escaping @Sendable () -> Instant,
        replyName: @escaping @Sendable () -> String
    ) {
        self.settings = settings
        self.now = now
        self.replyName = replyName
        application = RedBeatSystem(settings)
    }

    public var name: String { settings.name }

    /// Asks the workers. That leaves nothing behind, but is a message to each of them, and a reply queue for a moment.
    ///
    /// - Throws: `RedisError`; `UnusableSource` if no worker answers: what nobody tells is unknown, and not nothing.
    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zone = settings.timezone { _ = try zones.zone(zone) }
        guard settings.url.hasPrefix("redis") || settings.url.hasPrefix("unix") else {
            throw UnusableSource(
                "source \(name): Bailey asks workers over a broker in Redis alone, and the URL has another scheme. "
                    + "Start beat with RedBeat's scheduler and read its Redis (kind: redbeat)"
            )
        }
        let url = try RedisURL(settings.url)
        let answers = try await CeleryWorkers(url: url).configurations(name: replyName(), now: now(), seconds: 2)
        guard answers.asked > 0 else {
            throw UnusableSource(
                "source \(name): nobody listens for Celery's questions at \(url.address) (channel /\(url.database).celery.pidbox), so its schedule is unknown. "
                    + "Is this the broker and its database, and does a worker run?"
            )
        }
        guard !answers.answers.isEmpty else {
            throw UnusableSource(
                "source \(name): \(answers.asked) workers listen at \(url.address), and none answered within 2 s, so its schedule is unknown. "
                    + "Workers with the pool “solo” answer between tasks; ask again when one is idle"
            )
        }
        return reading(answers, url)
    }

    private func reading(_ answers: CeleryWorkers.Answers, _ url: RedisURL) -> SourceReading {
        let told = StaticSchedule(source: name, answers: answers.answers).read()
        let workers = answers.answers.map(\.worker).joined(separator: ", ")
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "celery",
                system: "Celery, by \(answers.answers.count) of \(answers.asked) workers",
                address: url.address,
                found: told.found
            ),
            entries: told.entries,
            unread: told.unread
        )
        let schedulers = Set(answers.answers.compactMap { $0.settings["beat_scheduler"]?.string }).sorted()
        let configured =
            schedulers.isEmpty
            ? ""
            : "; their beat_scheduler is \(schedulers.joined(separator: ", ")) (-S of beat's command line they do not know)"
        reading.summary.notes.append(
            EntryNote(
                .toldByWorkers,
                "\(workers) told the beat_schedule of the code\(configured). Entries that beat alone adds at its start are not among them, nor when an entry ran last"
            )
        )
        let nameless = answers.answers.filter { $0.timezone == nil }.map(\.worker)
        if !nameless.isEmpty, settings.timezone == nil {
            reading.summary.notes.append(
                EntryNote(
                    .zoneUnknown,
                    "\(nameless.joined(separator: ", ")) read times in the zone of their own machine, which they do not tell; set “timezone” of source \(name) (UTC is assumed)"
                )
            )
        }
        if let zone = settings.timezone {
            let others = Set(answers.answers.compactMap(\.timezone)).subtracting([zone]).sorted()
            if !others.isEmpty {
                reading.summary.notes.append(
                    EntryNote(
                        .zoneDisagrees,
                        "bailey.yaml says \(zone), but the workers say \(others.joined(separator: ", "))"
                    )
                )
            }
            for index in reading.entries.indices { reading.entries[index].timezone = zone }
        }
        for index in reading.entries.indices {
            reading.entries[index].notes.append(
                EntryNote(
                    .staticEntry,
                    "it stands in the application's code (beat_schedule); no switch can move it while beat keeps its schedule in a file of its own"
                )
            )
        }
        reading.entries.sort { $0.id < $1.id }
        return reading
    }

    public func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        async throws -> RecordedHistories
    {
        try await application.histories(of: entries, zones: zones, now: now)
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        try application.runs(of: entries, zones: zones, now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        application.observerDefects(in: inventory)
    }

    public var dagSource: DAGSource { application.dagSource }

    public func connection(results: Bool) throws -> SourceConnection { try application.connection(results: results) }

    public var secrets: [String] { application.secrets }
}
