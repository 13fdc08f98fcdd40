public import Migration
import Postgres
public import Schedules
public import Settings

/// A Celery application whose schedule `django_celery_beat` keeps in PostgreSQL. Read, planned, generated and shadowed; what will move its
/// entries lies in `Cutover/DjangoBeat`, and tests alone may use it yet.
public struct DjangoBeatSystem: LegacySystem {
    private let settings: SourceSettings
    /// Broker and results, where they are no tables, are those of any Celery application.
    private let application: RedBeatSystem

    /// The system of a source.
    public init(_ settings: SourceSettings) {
        self.settings = settings
        var celery = settings
        // What a DAG keeps count of lies in the application's Redis.
        celery.url = settings.brokerURL.flatMap { $0.hasPrefix("redis") ? $0 : nil } ?? settings.resultsURL ?? ""
        application = RedBeatSystem(celery)
    }

    public var name: String { settings.name }

    public func rights() -> [NeededRights] {
        let names = DjangoBeatRow.Kind.allCases.map { "django_celery_beat_\($0.rawValue)schedule" }
        let tables = [DjangoBeatTables.tasks] + names + [DjangoBeatTables.results]
        // Where Django puts them; nobody is asked whether this one did.
        let lines =
            ["GRANT USAGE ON SCHEMA public TO bailey;"] + tables.map { "GRANT SELECT ON public.\($0) TO bailey;" }
        return [NeededRights(commands: "import, doctor, shadow", lines: lines)]
    }

    private func tables() throws -> DjangoBeatTables {
        DjangoBeatTables(source: name, url: try PostgresURL(settings.url), timezone: settings.timezone)
    }

    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zone = settings.timezone { _ = try zones.zone(zone) }
        return try await tables().read(zones: zones)
    }

    public func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        async throws -> RecordedHistories
    {
        guard settings.resultsURL == nil else {
            return try await application.histories(of: entries, zones: zones, now: now)
        }
        return try await DjangoRuns(tables: tables(), entries: entries, zones: zones, now: now).histories()
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        guard settings.resultsURL == nil else { return try application.runs(of: entries, zones: zones, now: now) }
        return DjangoRuns(tables: try tables(), entries: entries, zones: zones, now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        if settings.resultsURL != nil { return application.observerDefects(in: inventory) }
        let notes = inventory.sources.first { $0.name == name }?.notes ?? []
        guard notes.contains(where: { $0.cause == "nameless" }) else { return [:] }
        let silent = inventory.entries.filter { $0.id.source == name && $0.history == nil }
        let reason =
            "the results of \(name) name no periodic task, so that no run can be told: set result_extended in the Celery application, then run bailey import"
        return Dictionary(silent.map { ($0.id, [reason]) }, uniquingKeysWith: { first, _ in first })
    }

    public var dagSource: DAGSource {
        guard case .redbeat(_, let ownResults, let ownBroker) = application.dagSource else {
            return application.dagSource
        }
        return .djangoBeat(ownResults: ownResults, ownBroker: ownBroker)
    }

    public func celery(name: String, now: @Sendable () -> Instant) async throws -> CeleryConfiguration? {
        guard settings.brokerURL != nil else { return nil }
        return try await application.celery(name: name, now: now)
    }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        if role == .schedule { return try SourceConnection(postgres: settings.url, source: name) }
        guard settings.brokerURL != nil || settings.resultsURL != nil else {
            throw UnusableSource(
                "source \(name): the broker of its messages is not known; write it as “broker_url” in bailey.yaml"
            )
        }
        return try application.connection(role)
    }

    public var secrets: [String] {
        [settings.url, settings.resultsURL, settings.brokerURL].compactMap { $0 }.flatMap(passwords(of:))
    }
}
