import Foundation
public import Legacy
import LosslessJSON
public import Migration
import Postgres
import Schedules
import Store

/// The bridge of a `django_celery_beat` source: rows of its entries are disabled in the application's database, a trigger keeps them so, and a switch
/// in schema `bailey_beat` says who runs their ticks.
public struct DjangoBeatBridge: Bridge {
    public let source: String
    /// Where the application's database is; read by whoever needs it, so that a wrong one is said there.
    let url: String
    /// How long a loop of beat's takes at most, in seconds.
    public var longest: Double
    let surroundings: BridgeSurroundings

    /// The bridge of a source.
    ///
    /// - Parameter loop: `beat_max_loop_interval`, in seconds.
    public init(source: String, url: String, loop: Int, surroundings: BridgeSurroundings) {
        self.source = source
        self.url = url
        longest = Double(loop) + 2
        self.surroundings = surroundings
    }

    public var cargo: Cargo { .ticks }

    /// The switch.
    func connected() async throws -> DjangoBeatSwitch {
        try await DjangoBeatSwitch(source: source, url: try PostgresURL(url), sleep: surroundings.around.sleep)
    }

    private var database: String {
        get throws {
            let last = try PostgresURL(url).address.split(separator: "/", omittingEmptySubsequences: false).last
            return String(last ?? "").removingPercentEncoding ?? ""
        }
    }

    public func rights() throws -> [NeededRights] {
        let tables = ["periodictask", "periodictasks", "intervalschedule"].map { "public.django_celery_beat_\($0)" }
        return [
            NeededRights(
                commands: "cutover (of a first pipeline: as the owner of the tables, or with these)",
                lines: ["GRANT CREATE ON DATABASE \(PostgresConnection.identifier(try database)) TO bailey;"]
                    + tables.map { "GRANT SELECT, INSERT, UPDATE, DELETE ON \($0) TO bailey;" }
                    + ["GRANT TRIGGER ON \(tables[0]) TO bailey;"]
                    + [tables[0], tables[2]].map { "GRANT USAGE ON SEQUENCE \($0)_id_seq TO bailey;" }
            ),
            NeededRights(
                commands: "the gate, as another role (airflow) than the one that installed the switch",
                lines: [
                    "GRANT USAGE ON SCHEMA bailey_beat TO airflow;",
                    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bailey_beat TO airflow;",
                ]
            ),
        ]
    }

    public func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)? {
        try DjangoBeatGroup(dag, inventory: inventory, source: source, zones: surroundings.zones).map {
            DjangoBeatCrossing(bridge: self, pipeline: dag.id, members: $0.entries.map(\.id.name), group: $0)
        }
    }

    public func crossing(of pipeline: String, journaled: JournaledOwnership) -> (any Crossing)? {
        guard journaled.isAirflows, journaled.source == source else { return nil }
        let members = journaled.keys.map { String(decoding: $0, as: UTF8.self) }
        return DjangoBeatCrossing(bridge: self, pipeline: pipeline, members: members, group: nil)
    }

    public func taken(by pipeline: String) async throws -> (any Crossing)? { try await taken([pipeline])[pipeline] }

    public func taken() async throws -> [String: any Crossing] { try await taken(nil) }

    private func taken(_ pipelines: [String]?) async throws -> [String: any Crossing] {
        let status = try await connected().status(pipelines, claims: 0)
        return status.pipelines.filter { $0.value.record != nil && !$0.value.entries.isEmpty }.reduce(into: [:]) {
            $0[$1.key] = DjangoBeatCrossing(
                bridge: self,
                pipeline: $1.key,
                members: $1.value.entries.map(\.name),
                group: nil
            )
        }
    }

    public func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>] {
        guard let claims = looks.map(\.claims).max() else { return [] }
        let connection = try await connected()
        let isGuarded = try await connection.installation() != .outdated
        let status = try await connection.status(looks.map(\.crossing.pipeline), claims: claims)
        return looks.map { look in
            .success(standing(look.crossing.pipeline, status, timetable: look.timetable, isGuarded: isGuarded))
        }
    }

    func standing(_ pipeline: String, _ status: DjangoBeatStatus, timetable: AirflowTimetable?, isGuarded: Bool)
        -> CrossingStanding
    {
        let found = status.pipelines[pipeline]
        var standing = CrossingStanding(
            now: status.now,
            state: found?.state ?? .legacy,
            isLegacys: (found?.state ?? .legacy) == .legacy,
            fence: found?.record.map { "\($0.fence)" } ?? ""
        )
        standing.gate = status.installedAt == nil ? .none : .asked(found?.asked.compactMap(\.tick).max())
        guard let found, let record = found.record else { return standing }
        standing.record = record
        standing.lastRun = record.state == .legacy ? found.entries.first?.lastRun : record.lastLegacy
        standing.isReopened = found.isStarted
        standing.isHealable = record.state == .closing || found.isStarted || found.isOver || record.isOver
        standing.isRetiring = record.isRetiring
        for entry in found.entries where record.state == .legacy && entry.isDisabled {
            let text =
                "\(entry.name) of \(pipeline) was disabled after it was given back: by the application's will, or because it saved what it had read while Airflow owned it. Nobody runs it; enable it in the application if it is to run."
            let at = record.givenBackAt?.iso8601 ?? ""
            standing.troubles.append(BridgeNotice("disabled", "\(pipeline) \(entry.name) \(at)", .urgent, text))
        }
        do {
            // Without a journal nothing can have been forgotten; one that is there and cannot be read is said.
            if let known = try surroundings.known.value?.journaledOwnership(pipeline) {
                standing.journaledAt = known.at
                if known.isRollbackForgotten(by: record) {
                    standing.forgotten = .rollback
                    standing.isHealable = true
                } else if known.isCutoverForgotten(by: record) {
                    standing.forgotten = .cutover
                }
            }
        } catch {
            let text =
                "The journal of \(pipeline) cannot be read (\(error)): whether the database of \(source) has forgotten a rollback is not known. Mend Bailey’s own state, then look again."
            standing.troubles.append(BridgeNotice("journal", "\(pipeline) \(record.fence)", .urgent, text))
        }
        guard record.state != .legacy else { return standing }
        let settled = record.settledAt?.iso8601 ?? ""
        for entry in found.entries where entry.isRedefined || !entry.exists {
            let what = entry.exists ? "has changed" : "has deleted"
            let text =
                "The application \(what) \(entry.name) while Airflow owns it; the DAG goes on as it was planned. Run bailey import and look at the plan."
            standing.troubles.append(BridgeNotice("redefined", "\(pipeline) \(entry.name) \(what)", .warning, text))
        }
        if !isGuarded {
            let text =
                "The trigger that keeps the entries of \(source) closed is missing, disabled or another Bailey's: what the application saves may start legacy's clock, which the next gate ends. Run bailey cutover \(pipeline) --execute, which installs it."
            standing.troubles.append(BridgeNotice("unguarded", "\(pipeline) \(settled)", .urgent, text))
        }
        if record.state == .airflow, let timetable, let since = record.settledAt,
            let due = timetable.next(
                after: max(since, found.asked.compactMap(\.tick).max() ?? since),
                anchor: record.windows.last?.from
            ), status.now.seconds(since: due) > 300
        {
            let text =
                "No gate has asked for the tick \(due.iso8601) of \(pipeline), which is Airflow's: it is run by nobody. See whether the DAG is unpaused, or run bailey rollback \(pipeline) --execute."
            standing.troubles.append(BridgeNotice("unasked", "\(pipeline) \(settled)", .urgent, text))
        }
        return standing
    }

    public func tend() async throws -> [BridgeNotice] {
        let connection = try await connected()
        if try await connection.installation() == .present {
            _ = try await connection.call("sweep", [.text(source)])
            // What somebody gave back and did not live to tell beat of.
            _ = try await connection.tell()
        }
        return []
    }

    public func durability() async throws -> PolicyEvidence.Durability? {
        let rows = try await connected().connection.query("SELECT current_setting('fsync') AS fsync")
        return rows.first?["fsync"] == "on"
            ? .enough("PostgreSQL keeps what it has committed (fsync)")
            : .missing("fsync is off: a crash of the machine may forget what was moved. Set it on")
    }
}
