import LosslessJSON
public import Migration
import Redis
public import Schedules
public import Settings
import Synchronization

/// A Celery application whose schedule stands in its code (`beat_schedule`), read from what its live workers answer, from the code itself, or
/// from both. It has no switch: what drives it is a beat with a memory of its own. Started with RedBeat's scheduler it becomes a `RedBeatSystem`, and can be moved.
public struct CelerySystem: LegacySystem {
    private let settings: SourceSettings
    private let now: @Sendable () -> Instant
    private let replyName: @Sendable () -> String
    /// Broker, results and their Airflow connections are the same whichever scheduler drives the application.
    private let application: RedBeatSystem
    /// Loads the code, or says why `bailey.yaml` names it in vain; nil where only workers are asked.
    private let code: (@Sendable () throws -> ApplicationCode)?
    private let remembered = Remembered()

    /// How the application is configured, as its code said when it was read.
    private final class Remembered: Sendable { let configuration = Mutex<CeleryConfiguration?>(nil) }

    /// The system of a source.
    ///
    /// - Parameters:
    ///   - code: the application's code.
    ///   - now: this machine's clock; workers drop questions that are too old.
    ///   - replyName: makes names for reply queues that nobody else uses.
    public init(
        _ settings: SourceSettings,
        code: (@Sendable () throws -> ApplicationCode)? = nil,
        now: @escaping @Sendable () -> Instant,
        replyName: @escaping @Sendable () -> String
    ) {
        self.settings = settings
        self.code = code
        self.now = now
        self.replyName = replyName
        application = RedBeatSystem(settings)
    }

    public var name: String { settings.name }

    public func rights() throws -> [NeededRights] { try application.rights() }

    public func reading(_ code: ApplicationCode) -> (any LegacySystem)? {
        CelerySystem(settings, code: { code }, now: now, replyName: replyName)
    }

    /// Asks the workers, and loads the code where it is named. Asking leaves nothing behind, but is a message to each worker, and a reply queue
    /// for a moment.
    ///
    /// - Throws: `RedisError`; `UnusableSource` if neither tells: what nobody tells is unknown, and not nothing.
    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zone = settings.timezone { _ = try zones.zone(zone) }
        guard let code = try code?() else {
            let url = try broker()
            return reading(try await asked(url), url)
        }
        let told = try await code.read()
        guard let url = try? broker() else {
            return reading(told, code, nil, "workers were not asked: the broker is no Redis", address: "its broker")
        }
        let answers: CeleryWorkers.Answers
        do {
            answers = try await asked(url)
        } catch let error as UnusableSource {
            return reading(told, code, nil, error.description, address: url.address)
        }
        return reading(told, code, answers, nil, address: url.address)
    }

    private func broker() throws -> RedisURL {
        guard settings.url.hasPrefix("redis") || settings.url.hasPrefix("unix") else {
            throw UnusableSource(
                "source \(name): Bailey asks workers over a broker in Redis alone, and the URL has another scheme. "
                    + "Read the application's code (bailey import --from-app MODULE:APP), or start beat with RedBeat's scheduler and read its Redis (kind: redbeat)"
            )
        }
        return try RedisURL(settings.url)
    }

    private func asked(_ url: RedisURL) async throws -> CeleryWorkers.Answers {
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
        return answers
    }

    /// What the code says, compared with what live workers do.
    private func reading(
        _ told: ApplicationCode.Reading,
        _ code: ApplicationCode,
        _ answers: CeleryWorkers.Answers?,
        _ silence: String?,
        address: String
    ) -> SourceReading {
        let teller = "the code of \(code.name)"
        remembered.configuration.withLock { $0 = told.configuration(by: teller) }
        var schedule = CodedSchedule(source: name, code: told, teller: teller).read()
        let own = told.answer("conf", by: teller)
        var notes = [
            EntryNote(
                .readFromCode,
                "\(teller), loaded here as beat loads it, told its schedule"
                    + (silence.map { "; it was not compared with live workers (\($0))" } ?? "")
                    + ". When an entry ran last it does not tell"
            )
        ]
        if let answers, let own = own.first {
            let comparison = CodeComparison(source: name, teller: teller, code: own, workers: answers.answers)
            comparison.merge(StaticSchedule(source: name, answers: answers.answers).read(), into: &schedule)
            if !comparison.settings.isEmpty {
                notes.append(
                    EntryNote(
                        .codeDiffers,
                        "live workers are configured otherwise than \(teller): \(comparison.settings.joined(separator: ", "))"
                    )
                )
            }
        }
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "celery",
                system: "Celery, by \(teller)"
                    + (answers.map { " and \($0.answers.count) of \($0.asked) workers" } ?? ""),
                address: address,
                found: schedule.found,
                notes: notes
            ),
            entries: schedule.entries,
            unread: schedule.unread
        )
        finish(&reading, tellers: own + (answers?.answers ?? []))
        return reading
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
        finish(&reading, tellers: answers.answers)
        return reading
    }

    /// The zone of entries, and that no switch can move them.
    private func finish(_ reading: inout SourceReading, tellers: [CeleryWorkers.Answer]) {
        let nameless = tellers.filter { $0.timezone == nil }.map(\.worker)
        if !nameless.isEmpty, settings.timezone == nil {
            reading.summary.notes.append(
                EntryNote(
                    .zoneUnknown,
                    "\(nameless.joined(separator: ", ")) read times in the zone of their own machine, which they do not tell; set “timezone” of source \(name) (UTC is assumed)"
                )
            )
        }
        if let zone = settings.timezone {
            let others = Set(tellers.compactMap(\.timezone)).subtracting([zone]).sorted()
            if !others.isEmpty {
                reading.summary.notes.append(
                    EntryNote(
                        .zoneDisagrees,
                        "bailey.yaml says \(zone), but the application says \(others.joined(separator: ", "))"
                    )
                )
            }
            for index in reading.entries.indices { reading.entries[index].timezone = zone }
        }
        let fixed = "no switch can move it while beat keeps its schedule in a file of its own"
        for index in reading.entries.indices {
            if let known = reading.entries[index].notes.firstIndex(where: { $0.code == .staticEntry }) {
                reading.entries[index].notes[known].detail += "; \(fixed)"
            } else {
                reading.entries[index].notes.append(
                    EntryNote(.staticEntry, "it stands in the application's code (beat_schedule); \(fixed)")
                )
            }
        }
        reading.entries.sort { $0.id < $1.id }
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

    public func celery(name: String, now: @Sendable () -> Instant) async throws -> CeleryConfiguration? {
        // What runs counts more than what would.
        try await application.celery(name: name, now: now) ?? remembered.configuration.withLock { $0 }
    }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection { try application.connection(role) }

    public var secrets: [String] { application.secrets }
}
