import CTexts
public import Postgres

/// A database that history is written to, in a schema of its own.
///
/// What is written is cut into parts: the hours of what Bailey has seen, or one run of a DAG. Beside each the warehouse keeps a digest. A part
/// whose digest is another one is replaced as a whole, in one transaction with its digest: so a repeated export changes nothing, and one that
/// was broken off is continued by the next.
public struct Warehouse: Sendable {
    /// What it is.
    public let server: WarehouseServer
    /// Where it is, without credentials.
    public let address: String
    /// The schema.
    public let schema: String
    /// How its tables lie, or will.
    public let layout: WarehouseLayout
    /// The tables that are not there yet.
    public let missing: [WarehouseTable]
    /// Whether the schema is not there yet.
    public let lacksSchema: Bool
    /// What its user may not do and would have to, each as what grants it.
    public let lacks: [String]
    let lacksView: Bool
    /// The identity that the tables are written under; nil if under none yet.
    let owner: String?
    let connection: PostgresConnection

    /// Whether anything was ever written.
    public var isNew: Bool { missing.contains(.part) }

    /// Connects and looks; changes nothing.
    ///
    /// - Parameters:
    ///   - isMonthly: whether a PostgreSQL's tables are to have a partition a month; of tables that are there, their own layout counts.
    ///   - identity: of the state that will be written from.
    ///   - writes: whether it is to be written to. Otherwise the server refuses every write.
    ///   - statementTimeout: seconds that one statement may take.
    /// - Throws: `PostgresError`, or `WarehouseError`.
    public static func open(
        _ url: PostgresURL,
        schema: String,
        isMonthly: Bool,
        identity: String,
        writes: Bool,
        statementTimeout: Double = 300
    ) async throws -> Warehouse {
        let connection = try await PostgresConnection(to: url, readOnly: !writes, statementTimeout: statementTimeout)
        let text = WarehouseTable.text
        let rows = try await connection.query(text(carried_warehouse_look_sql()), [.text(schema)])
        guard let row = rows.first else {
            throw WarehouseError(
                .server,
                address: connection.address,
                operation: "asking for its version",
                found: "it gave no answer",
                advice: "See what answers there in PostgreSQL's place"
            )
        }
        let server = try WarehouseServer(
            version: row.text("version"),
            number: row.int("number"),
            hasSegments: row.bool("has_segments"),
            address: connection.address
        )
        if isMonthly, server.grammar == .postgres, server.number < 110_000 {
            throw WarehouseError(
                .server,
                address: connection.address,
                operation: "looking at it",
                found: "it is \(server.name), which knows no index of a table with partitions",
                advice: "Leave --monthly out, or take PostgreSQL 11 or later"
            )
        }
        if writes, try row.bool("is_standby") {
            throw WarehouseError(
                .rights,
                address: connection.address,
                operation: "looking at it",
                found: "it is a standby, which takes no writes",
                advice: "Give the address of the primary"
            )
        }
        let path = PostgresConnection.identifier(schema)
        _ = try await connection.query("SELECT set_config('search_path', $1, false)", [.text(path)])
        let relations = try await connection.query(text(carried_warehouse_relations_sql()), [.text(schema)])
        return try await Warehouse(
            connection,
            server,
            row,
            relations,
            schema: schema,
            isMonthly: isMonthly,
            identity: identity
        )
    }

    private init(
        _ connection: PostgresConnection,
        _ server: WarehouseServer,
        _ row: PostgresRow,
        _ relations: [PostgresRow],
        schema: String,
        isMonthly: Bool,
        identity: String
    ) async throws {
        func foreign(_ found: String, _ advice: String) -> WarehouseError {
            WarehouseError(
                .foreign,
                address: connection.address,
                operation: "looking at the schema \(schema)",
                found: found,
                advice: advice
            )
        }
        self.connection = connection
        self.server = server
        self.schema = schema
        address = connection.address
        let names = try Set(relations.map { try $0.text("name") })
        missing = WarehouseTable.allCases.filter { !names.contains($0.rawValue) }
        lacksView = !names.contains(WarehouseView.name)
        lacksSchema = try !row.bool("has_schema")
        lacks = try Warehouse.lacks(row, relations, schema, makes: lacksView || !missing.isEmpty)
        guard names.contains(WarehouseTable.state.rawValue) else {
            if let some = names.min() {
                throw foreign(
                    "it holds \(names.count) tables or views (“\(some)”) and no \(WarehouseTable.state.rawValue), so they are not Bailey's",
                    "Name another schema with --schema; who makes the tables by hand runs all that --sql prints"
                )
            }
            layout = WarehouseLayout(server.grammar, isMonthly: isMonthly)
            owner = nil
            return
        }
        let found = try await connection.query("SELECT name, value FROM export_state")
        let state = try Dictionary(
            found.map { (try $0.text("name"), try $0.text("value")) },
            uniquingKeysWith: { first, _ in first }
        )
        if let version = state["version"], version != "1" {
            throw foreign(
                "its tables have the form \(version), which this version of Bailey does not know",
                "Use the Bailey that wrote them, or name another schema with --schema"
            )
        }
        // What is noted as written would never be written again.
        guard missing.isEmpty else {
            throw foreign(
                "of its tables \(missing.map(\.rawValue).joined(separator: ", ")) are gone",
                "Drop the schema: the next export writes all of it anew, but for runs that Airflow has deleted"
            )
        }
        // A value without a column would be left out, and nobody would know.
        for relation in relations {
            guard let table = try WarehouseTable(rawValue: relation.text("name")) else { continue }
            let there = try Set(relation.text("columns").split { "{},\"".contains($0) }.map(String.init))
            let lost = table.columns.filter { !there.contains($0) }
            guard lost.isEmpty else {
                throw foreign(
                    "its table \(table.rawValue) lacks \(lost.count == 1 ? "the column" : "the columns") \(lost.joined(separator: ", "))",
                    "Add what is missing, with the types that --sql prints; or drop the schema: the next export writes all of it anew, but for runs that Airflow has deleted"
                )
            }
        }
        owner = state["state"]
        if let owner, owner != identity {
            throw foreign(
                "another Bailey's state writes there (\(owner); this one is \(identity)), and would lose what it wrote",
                "Name a schema of this workspace's own with --schema"
            )
        }
        let kept = [
            WarehouseLayout(server.grammar), WarehouseLayout(server.grammar, isMonthly: true),
            WarehouseLayout(.postgres),
        ].first { $0.word == state["layout"] }
        layout = kept ?? WarehouseLayout(.postgres)
    }

    /// What the user would have to be granted.
    private static func lacks(_ row: PostgresRow, _ relations: [PostgresRow], _ schema: String, makes: Bool) throws
        -> [String]
    {
        let (who, name) = (
            PostgresConnection.identifier(try row.text("who")), PostgresConnection.identifier(try row.text("name"))
        )
        let quoted = PostgresConnection.identifier(schema)
        var lacks: [String] = []
        if try !row.bool("has_schema") {
            if try !row.bool("may_make_schema") { lacks.append("GRANT CREATE ON DATABASE \(name) TO \(who)") }
        } else {
            if try !row.bool("may_use") { lacks.append("GRANT USAGE ON SCHEMA \(quoted) TO \(who)") }
            if makes, try !row.bool("may_make_tables") { lacks.append("GRANT CREATE ON SCHEMA \(quoted) TO \(who)") }
        }
        if try !row.bool("may_stage") { lacks.append("GRANT TEMPORARY ON DATABASE \(name) TO \(who)") }
        let tables = Set(WarehouseTable.allCases.map(\.rawValue))
        let closed = try relations.filter { try tables.contains($0.text("name")) && !$0.bool("may_write") }
        if !closed.isEmpty {
            lacks.append("GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA \(quoted) TO \(who)")
        }
        return lacks
    }
}
