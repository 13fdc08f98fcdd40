import Foundation
import LosslessJSON
public import Migration
import Postgres
public import Schedules
public import Settings

/// A job queue in a table of PostgreSQL.
public struct QueueSystem: LegacySystem {
    private let settings: SourceSettings
    private let profiles: QueueProfiles

    /// The system of a source.
    public init(_ settings: SourceSettings, profiles: QueueProfiles) {
        self.settings = settings
        self.profiles = profiles
    }

    public var name: String { settings.name }

    /// The table, with its profile read.
    ///
    /// - Throws: `UnusableSource`, `SettingsError` or `PostgresError` for what cannot be used.
    public func source() throws -> QueueSource {
        var profile = try profiles.profile(settings.profile ?? "")
        if let table = settings.table { profile.table = table }
        for (meaning, words) in settings.statuses { profile.statuses[meaning] = words }
        return QueueSource(
            name: settings.name,
            url: try PostgresURL(settings.url),
            profile: profile,
            timezone: settings.timezone
        )
    }

    public func rights() throws -> [NeededRights] {
        let queue = try source()
        // A profile's query may read more tables of the schema.
        let tables =
            queue.layout.view == nil ? queue.quotedTable : "ALL TABLES IN SCHEMA \(queue.quotedSchema ?? "public")"
        return [
            NeededRights(
                commands: "import, doctor, shadow, status before a cutover",
                lines: queue.entryRights + ["GRANT SELECT ON \(tables) TO bailey;"]
            )
        ]
    }

    /// Why its jobs are not taken over; nil where its profile says how, or cannot be read.
    public var unverified: String? {
        guard let layout = try? source().layout, layout.hold == nil else { return nil }
        return layout.unverified
    }

    public func read(zones: ZoneDatabase) async throws -> SourceReading { try await source().read(zones: zones) }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        QueueRuns(source: try source(), types: entries.filter { $0.kind == .jobType }.map(\.id.name), now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        let recurring = inventory.entries.filter { $0.id.source == name && $0.kind == .recurringJob }
        let reason = "what it puts in line are jobs, which are observed as those of their type"
        return Dictionary(recurring.map { ($0.id, [reason]) }, uniquingKeysWith: { first, _ in first })
    }

    public var dagSource: DAGSource { .queue(try? source().layout.statements(timezone: settings.timezone)) }

    public func checkSettings() throws { _ = try source() }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        try SourceConnection(postgres: settings.url, source: settings.name)
    }

    public var secrets: [String] { passwords(of: settings.url) }
}
