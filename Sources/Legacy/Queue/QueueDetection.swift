public import Migration
public import Postgres
import Schedules
import Settings

/// Queue tables that profiles know, found by their columns: whatever the schema is, and whatever the table is called.
public enum QueueDetection {
    /// A table that a profile fits.
    public struct Table: Sendable, Hashable {
        /// The profile's name.
        public var profile: String
        /// `schema.table`.
        public var table: String
        /// How many rows the server thinks there are; nil if it never counted.
        public var rows: Int?
    }

    /// Those of a database, by profile and name. One look at the catalogue, which needs no right to any table.
    ///
    /// - Throws: `PostgresError`.
    public static func tables(of connection: PostgresConnection) async throws -> [Table] {
        let found = try await PostgresCatalogue(connection, signatures: signatures()).tables
        return found.compactMap { table in
            // Of several that fit, the one that asks for most.
            table.marks.first.map { Table(profile: $0, table: table.full, rows: table.rows) }
        }.sorted { ($0.profile, $0.table) < ($1.profile, $1.table) }
    }

    /// What the shipped profiles ask for.
    static func signatures() throws -> [PostgresCatalogue.Signature] {
        try profiles().values.filter { !$0.detect.isEmpty }.map { PostgresCatalogue.Signature($0.name, $0.detect) }
    }

    private static func profiles() throws -> [String: QueueProfile] {
        var profiles: [String: QueueProfile] = [:]
        for (name, text) in QueueProfile.shipped { profiles[name] = try QueueProfile(yaml: text, file: name) }
        return profiles
    }
}

/// The tables of a database that profiles know, with what is in them.
extension QueueSystem {
    /// A job type of which more than one a minute comes is high-rate; it must have been seen so often, and for so many seconds.
    private static let (mostPerDay, leastRuns, leastSeconds) = (1440.0, 20, 300.0)

    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        var found: [DiscoveredSystem] = []
        for table in look.tables {
            guard let name = table.marks.first, let text = QueueProfile.shipped[name] else { continue }
            let profile = try QueueProfile(yaml: text, file: "profiles/\(name).yaml")
            found.append(await discovered(table, profile, look))
        }
        return found
    }

    private static func discovered(
        _ table: PostgresCatalogue.Table,
        _ known: QueueProfile,
        _ look: PostgresLook
    ) async -> DiscoveredSystem {
        var profile = known
        profile.table = table.full
        var found = DiscoveredSystem(
            what: "a job queue of the profile \(profile.name)",
            kind: "queue",
            address: look.url.address,
            place: table.full,
            certainty: .likely,
            evidence: [
                "\(table.full) has the columns \(profile.detect.filter { !$0.hasPrefix("!") }.joined(separator: ", "))"
            ]
                + look.counted(table),
            amount: table.rows,
            unit: "rows",
            outlook: profile.hold == nil ? .readOnly : .moves,
            advice: profile.hold == nil ? profile.unverified : "Its jobs can be moved to Airflow and given back"
        )
        found.writers = look.writers(of: table)
        guard table.canBeNamed else {
            found.outlook = .notRead
            found.advice = "Its name holds a dot or a character that “table” cannot name"
            return found
        }
        found.settings = [DiscoveredSystem.Setting("profile", profile.name)]
        if table.full != known.table { found.settings?.append(DiscoveredSystem.Setting("table", table.full)) }
        var source = QueueSource(name: "discovered", url: look.url, profile: profile)
        source.statementTimeout = PostgresLook.patience
        do {
            let reading = try await source.read(zones: look.zones)
            found.certainty = .certain
            found.entries = reading.entries.map(\.id.name)
            let jobs = reading.entries.reduce(0) { $0 + ($1.history?.states.values.reduce(0, +) ?? 0) }
            found.amount = jobs
            found.unit = "jobs"
            let types = reading.summary.found
            found.evidence.append(types == 0 ? "it holds no job" : "\(types) job \(types == 1 ? "type" : "types")")
            // That it is empty is said already.
            found.evidence += reading.summary.notes.filter {
                $0.code == .unknownStatus || ($0.code == .incompleteReading && types > 0)
            }.map(\.detail)
            found.keeps = reading.entries.compactMap(highRate)
        } catch let error as PostgresError where error.code == .timeout {
            found.evidence.append(
                "its jobs could not be counted within \(Int(PostgresLook.patience)) s; how much there is is the server's guess"
            )
        } catch {
            found.blocked = "\((error as? PostgresError)?.found ?? "\(error)")"
        }
        return found
    }

    private static func highRate(_ entry: LegacyEntry) -> DiscoveredSystem.Kept? {
        guard let history = entry.history, history.runs >= leastRuns, let first = history.first,
            let last = history.last, last.seconds(since: first) >= leastSeconds
        else { return nil }
        let perDay = Double(history.runs) / last.seconds(since: first) * 86_400
        guard perDay > mostPerDay else { return nil }
        return DiscoveredSystem.Kept(
            name: entry.id.name,
            perDay: perDay,
            seconds: history.p50,
            reason: "more than one job a minute comes, and a DAG takes jobs when it is due, not when they arrive"
        )
    }
}
