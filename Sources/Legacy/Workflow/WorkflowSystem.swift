import Foundation
public import Migration
import Postgres
public import Schedules
public import Settings

/// A workflow that an application keeps in two tables and runs itself, on request.
public struct WorkflowSystem: LegacySystem {
    private let settings: SourceSettings
    private let profiles: QueueProfiles

    /// The system of a source.
    ///
    /// - Parameter profiles: where profiles are found.
    public init(_ settings: SourceSettings, profiles: QueueProfiles) {
        self.settings = settings
        self.profiles = profiles
    }

    public var name: String { settings.name }

    private func source() throws -> WorkflowSource {
        WorkflowSource(
            name: settings.name,
            url: try PostgresURL(settings.url),
            profile: try profiles.workflow(settings.profile ?? ""),
            timezone: settings.timezone
        )
    }

    public func read(zones: ZoneDatabase) async throws -> SourceReading { try await source().read(zones: zones) }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        WorkflowRuns(source: try source(), entries: entries, now: now)
    }

    /// No DAG file asks it for anything: its runs are nobody's ticks.
    public var dagSource: DAGSource { .unswitched }

    public func checkSettings() throws { _ = try source() }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        try SourceConnection(postgres: settings.url, source: settings.name)
    }

    public var secrets: [String] { passwords(of: settings.url) }

    public func rights() throws -> [NeededRights] {
        let profile = try source().profile
        return [
            NeededRights(
                commands: "import, shadow",
                lines: [profile.runs, profile.stages].map { "GRANT SELECT ON \(WorkflowProfile.quoted($0)) TO bailey;" }
            )
        ]
    }
}
