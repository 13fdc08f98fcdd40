import LosslessJSON
import Migration
import Postgres
import Schedules

/// The tables of pg_cron in the database that its server is told to keep them in. Only reads, by read-only sessions.
struct PgCronTables: Sendable {
    let source: String
    let url: PostgresURL
    /// The zone that `bailey.yaml` says; nil for what the server says.
    let timezone: String?

    /// The cause of a note: nothing is recorded of runs.
    static let unlogged = "unlogged"

    /// A session.
    func connect() async throws(PostgresError) -> PostgresConnection { try await PostgresConnection(to: url) }

    /// Reads every job in one statement.
    ///
    /// - Throws: `PostgresError`, or `UnusableSource` where pg_cron is not at work.
    func read(zones: ZoneDatabase) async throws -> SourceReading {
        let connection = try await connect()
        let server = try await connection.serverVersion(atLeast: 10)
        let state = try await state(connection)
        guard let version = state["version"] else { throw absent(state) }
        var reading = SourceReading(
            summary: SourceSummary(
                name: source,
                kind: "pg_cron",
                system: "pg_cron \(version) in PostgreSQL \(server)",
                address: url.address,
                found: 0
            ),
            entries: [],
            unread: []
        )
        let zone = timezone ?? PgCronTables.zone(state["zone"])
        _ = try zones.zone(zone)
        let rows = try await connection.query("SELECT jobid, to_jsonb(j)::text AS job FROM cron.job j ORDER BY jobid")
        let jobs = try rows.map { try JSON(parsing: $0.text("job")) }
        let names = jobs.reduce(into: [String: Int]()) { $0[$1["jobname"]?.string ?? "", default: 0] += 1 }
        for job in jobs {
            reading.summary.found += 1
            let record = PgCronRecord(
                source: source,
                job: job,
                version: PgCronTables.number(version),
                zone: zone,
                isNamedOnce: names[job["jobname"]?.string ?? ""] == 1
            )
            switch record.read() {
            case .success(let entry): reading.entries.append(entry)
            case .failure(let unread): reading.unread.append(unread.record)
            }
        }
        reading.entries.sort { $0.id < $1.id }
        reading.summary.notes = notes(state, found: reading.summary.found, zone: zone)
        return reading
    }

    /// What the server says of itself: nothing of what it does not know.
    private func state(_ connection: PostgresConnection) async throws(PostgresError) -> [String: String] {
        // Settings of pg_cron are shown to few.
        func setting(_ name: String) -> String {
            "CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('cron.\(name)', true) END"
        }
        let row = try await connection.query(
            """
            SELECT pg_has_role('pg_read_all_settings', 'USAGE')::text AS open, (SELECT extversion FROM pg_extension WHERE extname = 'pg_cron') AS version,
                   to_regclass('cron.job')::text AS jobs, current_database() AS database,
                   \(setting("timezone")) AS zone, \(setting("log_run")) AS logged, \(setting("use_background_workers")) AS workers,
                   \(setting("database_name")) AS home, \(setting("launch_active_jobs")) AS launches,
                   CASE WHEN to_regclass('cron.job') IS NOT NULL THEN row_security_active('cron.job'::regclass)::text END AS hidden,
                   pg_is_in_recovery()::text AS standby
            """
        ).first
        var state: [String: String] = [:]
        for name in [
            "open", "version", "jobs", "database", "zone", "logged", "workers", "home", "launches", "hidden", "standby",
        ] {
            state[name] = row?[name]
        }
        return state
    }

    private func absent(_ state: [String: String]) -> UnusableSource {
        let database = state["database"] ?? ""
        let home = state["home"] ?? database
        return UnusableSource(
            state["jobs"] == nil
                ? "source \(source): the database \(database) has no pg_cron, which stands in one database of a server"
                    + (home == database ? "" : "; this server's settings name \(home)")
                : "source \(source): the database \(database) has a table cron.job and no extension pg_cron, so nobody runs what stands in it. Is it a copy?"
        )
    }

    /// The zone of its schedules: GMT where the server has no setting (before 1.5).
    private static func zone(_ setting: String?) -> String {
        guard let setting, !setting.isEmpty, setting.uppercased() != "GMT" else { return "UTC" }
        return setting
    }

    /// `1.4-1` as (1, 4).
    private static func number(_ version: String) -> (Int, Int)? {
        let parts = version.split { !$0.isNumber }.compactMap { Int($0) }
        return parts.count > 1 ? (parts[0], parts[1]) : nil
    }

    private func notes(_ state: [String: String], found: Int, zone: String) -> [EntryNote] {
        var notes = [
            EntryNote(
                .noSwitch,
                "no switch moves the jobs of pg_cron: they can be planned, generated and observed, and are moved by hand"
            )
        ]
        if state["hidden"] == "true" {
            notes.append(
                EntryNote(
                    .incompleteReading,
                    "row security of cron.job is in force for this role, so it sees its own jobs alone (\(found) were seen). Use a role with BYPASSRLS"
                )
            )
        }
        if state["open"] != "true", let version = state["version"].flatMap(PgCronTables.number), version >= (1, 5),
            timezone == nil
        {
            notes.append(
                EntryNote(
                    .zoneUnknown,
                    "this role may not see cron.timezone, in which its schedules are read: grant it pg_read_all_settings, or set “timezone” of source \(source) (UTC is assumed)"
                )
            )
        }
        if let said = state["zone"], timezone != nil, PgCronTables.zone(said) != zone {
            notes.append(
                EntryNote(.zoneDisagrees, "bailey.yaml says \(zone), but cron.timezone of the server is \(said)")
            )
        }
        if state["launches"] == "off" || state["standby"] == "true" {
            let why = state["standby"] == "true" ? "it is a standby" : "cron.launch_active_jobs is off"
            notes.append(EntryNote(.neverFires, "nothing of it runs in this server: \(why)"))
        }
        if state["logged"] == "off" {
            notes.append(
                EntryNote(
                    .historyBiased,
                    "cron.log_run is off, so that no run is recorded and nothing can be compared",
                    cause: PgCronTables.unlogged
                )
            )
        } else if state["workers"] == "on" {
            notes.append(
                EntryNote(
                    .historyBiased,
                    "cron.use_background_workers is on: the end of a run is written when the launcher gets to it, which may be many seconds later"
                )
            )
        }
        return notes
    }
}
