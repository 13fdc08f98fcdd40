import LosslessJSON
public import Migration
import Postgres
public import Schedules
public import Settings

/// The jobs of pg_cron, which runs SQL inside a PostgreSQL server. Read, planned, generated and observed; who sets a job inactive is a person.
public struct PgCronSystem: LegacySystem {
    private let settings: SourceSettings

    /// The system of a source.
    public init(_ settings: SourceSettings) { self.settings = settings }

    public var name: String { settings.name }

    public func rights() -> [NeededRights] {
        [
            NeededRights(
                commands: "import, doctor, shadow",
                lines: [
                    "GRANT USAGE ON SCHEMA cron TO bailey;",
                    "GRANT SELECT ON cron.job, cron.job_run_details TO bailey;",
                    "GRANT pg_read_all_settings TO bailey;",
                    // Each role sees its own jobs alone.
                    "ALTER ROLE bailey BYPASSRLS;",
                ]
            )
        ]
    }

    private func tables() throws -> PgCronTables {
        PgCronTables(source: name, url: try PostgresURL(settings.url), timezone: settings.timezone)
    }

    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zone = settings.timezone { _ = try zones.zone(zone) }
        return try await tables().read(zones: zones)
    }

    public func histories(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        async throws -> RecordedHistories
    {
        try await PgCronRuns(tables: tables(), entries: entries, zones: zones, now: now).histories()
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        PgCronRuns(tables: try tables(), entries: entries, zones: zones, now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        let notes = inventory.sources.first { $0.name == name }?.notes ?? []
        guard notes.contains(where: { $0.cause == PgCronTables.unlogged }) else { return [:] }
        return unobserved(inventory, "cron.log_run is off in its server, so that pg_cron records no run")
    }

    public var dagSource: DAGSource { .unswitched }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        try SourceConnection(postgres: settings.url, source: name)
    }

    public var secrets: [String] { passwords(of: settings.url) }

    public func byHand(_ entries: [LegacyEntry]) -> String? {
        let calls = entries.compactMap { entry in
            entry.options["jobid"]?.int.map { "SELECT cron.alter_job(\($0), active := false)" }
        }
        return
            "right after a run of it has ended, for one that is under way would be cut off, run \(calls.joined(separator: "; "))"
    }

    // MARK: Discovery

    static let signature = PostgresCatalogue.Signature(
        "pg_cron",
        ["jobid", "schedule", "command", "nodename", "nodeport", "database", "username"]
    )

    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        var found: [DiscoveredSystem] = []
        for table in look.tables where table.marks.first == signature.name {
            var one = DiscoveredSystem(
                what: "pg_cron",
                kind: "pg_cron",
                address: look.url.address,
                place: table.full,
                certainty: .likely,
                evidence: ["\(table.full) has its columns"],
                amount: table.rows,
                unit: "jobs",
                outlook: .readOnly,
                advice:
                    "Its jobs are planned, generated with their SQL and observed; a person sets them inactive when a DAG takes over"
            )
            one.settings = []
            if table.full != "cron.job" {
                one.blocked = "the table is called \(table.full), and pg_cron's own is cron.job"
            } else if !table.isReadable {
                one.blocked = "this role may not read cron.job: GRANT SELECT ON it, and USAGE ON SCHEMA cron"
            } else {
                do {
                    let reading = try await PgCronTables(source: "discovered", url: look.url, timezone: nil).read(
                        zones: look.zones
                    )
                    one.certainty = .certain
                    one.amount = reading.summary.found
                    one.entries = reading.entries.map(\.id.name)
                    one.evidence.append("\(reading.entries.filter(\.enabled).count) of its jobs are active")
                    one.evidence += reading.summary.notes.filter { $0.code == .incompleteReading }.map(\.detail)
                    one.keeps = reading.entries.compactMap { RedBeatSystem.tooOften($0, zones: look.zones) }
                } catch let error as PostgresError {
                    one.blocked = error.found
                } catch let error as UnusableSource {
                    one.blocked = error.description.replacing("source discovered: ", with: "", maxReplacements: 1)
                }
            }
            found.append(one)
        }
        return found
    }
}
