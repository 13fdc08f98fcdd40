public import Migration
import Postgres

/// A table of stages that refers to one of runs, as their columns look: each stage has a place, a status, and the name of who does it.
struct WorkflowTables: Sendable, Hashable {
    let runs: String
    let stages: String
    /// The stages' columns for the run, the order, the agent and the status.
    let columns: [String]
    /// How many runs the server thinks there are; nil if it never counted.
    let rows: Int?

    /// Those of a database: one statement on the catalogue, which needs no right to any table.
    ///
    /// - Throws: `PostgresError`.
    static func all(_ connection: PostgresConnection) async throws(PostgresError) -> [WorkflowTables] {
        try await connection.query(statement).map { row throws(PostgresError) in
            let rows = try row.int("rows")
            return WorkflowTables(
                runs: try row.text("runs"),
                stages: try row.text("stages"),
                columns: [try row.text("run"), try row.text("place"), try row.text("agent"), try row.text("status")],
                rows: rows < 0 ? nil : rows
            )
        }
    }

    private static let statement = """
        SELECT * FROM (
          SELECT rn.nspname || '.' || r.relname AS runs, sn.nspname || '.' || s.relname AS stages, r.reltuples::bigint AS rows,
                 k.attname::text AS run,
                 (SELECT min(a.attname::text) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory = 'N'
                  AND a.attname ~* '(^|_)(order|position|seq|sequence|step_?(no|number|index)|stage_?(no|number|index)|ordinal|idx|index)$')
                 AS place,
                 (SELECT min(a.attname::text) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory IN ('S', 'E')
                  AND a.attname ~* '(^|_)(agent|handler|service|worker|executor|endpoint|action|activity)(_?(name|type|id))?$')
                 AS agent,
                 (SELECT min(a.attname::text) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory IN ('S', 'E')
                  AND a.attname ~* '(^|_)(status|state)$') AS status,
                 EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                         AND a.attname ~* '(^|_)(status|state)$') AS has_status
          FROM pg_constraint f
          JOIN pg_class s ON s.oid = f.conrelid AND NOT s.relispartition JOIN pg_namespace sn ON sn.oid = s.relnamespace
          JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
          JOIN pg_attribute k ON k.attrelid = s.oid AND k.attnum = f.conkey[1]
          WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conrelid <> f.confrelid
            AND sn.nspname NOT LIKE 'pg\\_%' AND sn.nspname NOT IN ('information_schema', 'bailey')) AS found
        WHERE place IS NOT NULL AND agent IS NOT NULL AND status IS NOT NULL AND has_status ORDER BY runs, stages
        """
}

/// The tables of a database that look like a workflow's.
extension WorkflowSystem {
    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        return look.workflows.map { tables in
            var found = DiscoveredSystem(
                what: "a workflow of ordered stages",
                kind: "workflow",
                address: look.url.address,
                place: tables.runs,
                certainty: .possible,
                evidence: [
                    "\(tables.stages) has rows of \(tables.runs) (\(tables.columns[0])) with the columns \(tables.columns.dropFirst().joined(separator: ", "))"
                ],
                amount: tables.rows,
                unit: "runs",
                outlook: .readOnly,
                advice:
                    "With a profile that says what the columns mean, its runs are read and compared with a DAG's, which people start; it goes on taking requests"
            )
            let name = tables.runs.split(separator: ".").last.map(String.init) ?? tables.runs
            found.settings = [DiscoveredSystem.Setting("profile", name)]
            found.blocked = "it needs a profile of its tables (docs/configuration.md says how one looks)"
            return found
        }
    }
}
