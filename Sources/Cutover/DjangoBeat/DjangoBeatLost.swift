import LosslessJSON
public import Migration
import Postgres
import Schedules
import Store

/// Rows that are closed although no switch holds them: schema `bailey_beat` was dropped, or is not in the backup that came back.
extension DjangoBeatBridge {
    public func lost(_ dags: [DAGDefinition], _ inventory: Inventory?, journaled: [String: JournaledOwnership])
        async throws
        -> [LostWork]
    {
        let mine = journaled.filter { $0.value.source == source && $0.value.isAirflows }
        guard !mine.isEmpty else { return [] }
        let connection = try await connected()
        let status = try await connection.status(nil, claims: 0)
        var found: [LostWork] = []
        for (pipeline, known) in mine.sorted(by: { $0.key < $1.key }) where status.pipelines[pipeline]?.record == nil {
            for name in try await DjangoBeatLost(bridge: self, pipeline: pipeline, known: known).closed(connection) {
                let text =
                    "\(name) in \(source) is closed and no switch is there: nobody runs it; bailey rollback \(pipeline) --execute gives it to legacy"
                found.append(LostWork(source: source, key: name, pipeline: pipeline, text: text))
            }
        }
        return found
    }

    public func lost(of pipeline: String, _ dag: DAGDefinition?, _ inventory: Inventory?, taken: (any Crossing)?)
        async throws
        -> (any LostCrossing)?
    {
        // A journal that cannot be read is an error: without it nobody knows what was closed.
        guard let known = try surroundings.known.value?.journaledOwnership(pipeline), known.isAirflows,
            known.source == source
        else { return nil }
        let connection = try await connected()
        guard try await connection.status([pipeline], claims: 0).pipelines[pipeline]?.record == nil else { return nil }
        var lost = DjangoBeatLost(bridge: self, pipeline: pipeline, known: known)
        lost.members = try await lost.closed(connection)
        return lost.members.isEmpty ? nil : lost
    }
}

/// What is lost of one pipeline.
struct DjangoBeatLost: LostCrossing {
    let bridge: DjangoBeatBridge
    let pipeline: String
    let known: JournaledOwnership
    var members: [String] = []

    var source: String { bridge.source }

    var notes: [String] {
        members.map {
            "\($0) would be enabled as the journal knows it, and go on from now: who ran the ticks since the switch was lost is not known"
        }
    }

    /// Rows that were enabled before, by the journal, and are closed.
    func closed(_ connection: DjangoBeatSwitch) async throws -> [String] {
        let enabled = known.kept.filter { $0.value.row?["enabled"]?.bool == true }.keys
        let rows = try await connection.connection.query(
            """
            SELECT p.name FROM \(DjangoBeatSwitch.table) p
            WHERE p.name = ANY($1::text[]) AND (NOT p.enabled OR p.start_time = '2100-01-01T00:00:00Z') ORDER BY p.name
            """,
            [.texts(enabled.map { String(decoding: $0, as: UTF8.self) })]
        )
        return rows.compactMap { $0["name"] }
    }

    func restore(_ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { return report }
        let (bridge, known, members) = (bridge, known, members)
        try await bridge.surroundings.session(pipeline, "rollback").run { journal in
            let connection = try await bridge.connected()
            try await journal.step(
                .restore,
                outcome: { (_: Void) in ["restored_at": .string(bridge.surroundings.around.now().iso8601)] }
            ) {
                try await connection.connection.transaction { connection in
                    _ = try await connection.query(
                        """
                        INSERT INTO django_celery_beat_periodictasks AS m (ident, last_update) VALUES (1, clock_timestamp()) ON CONFLICT (ident)
                        DO UPDATE SET last_update = greatest(clock_timestamp(), m.last_update + interval '1 microsecond')
                        """
                    )
                    for name in members {
                        let start = known.kept[Array(name.utf8)]?.row?["start_time"]?.string
                        _ = try await connection.query(
                            """
                            UPDATE \(DjangoBeatSwitch.table) SET enabled = true, start_time = $2::timestamptz, last_run_at = clock_timestamp()
                            WHERE name = $1
                            """,
                            [.text(name), start.map { .text($0) } ?? .null]
                        )
                    }
                }
            }
        }
        report.outcome = "restored"
        report.notes += members.map {
            "\($0) is enabled as the journal knows it, and goes on from now: who ran the ticks since the switch was lost is not known"
        }
        return .ticks(report)
    }
}

extension JournaledOwnership.Kept {
    /// The row as it was closed.
    fileprivate var row: JSON? { definition.flatMap { try? JSON(parsing: $0) } }
}
