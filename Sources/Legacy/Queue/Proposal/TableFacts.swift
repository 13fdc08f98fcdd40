import LosslessJSON
import Postgres
import Settings

/// What a database tells of a table of which nothing is known: its columns, its rules, and a sample of its rows. Only read.
struct TableFacts: Sendable {
    /// A column.
    struct Column: Sendable, Hashable {
        let name: String
        /// The type in words: `character varying(50)`.
        let type: String
        /// The type's own name: `varchar`.
        let base: String
        /// The category as PostgreSQL has it: `S` texts, `N` numbers, `D` times, `B` booleans, `E` enums.
        let category: String
        /// The words of an enum.
        let labels: [String]
        /// Whether it alone is the primary key.
        let isKey: Bool
        /// Whether it is one of the primary key's.
        let isInKey: Bool
        /// Whether it alone is unique.
        let isUnique: Bool
        /// Whether NULL is refused.
        let isRequired: Bool
        /// What the owner wrote about it.
        let comment: String?
        /// The table and column that it points to, where it alone is a foreign key, with the texts of that table's columns that name things.
        let target: Target?

        var isText: Bool { category == "S" }
        var isNumber: Bool { category == "N" }
        var isTime: Bool { ["timestamp", "timestamptz", "date"].contains(base) }
        var isJSON: Bool { base == "json" || base == "jsonb" }
    }

    /// Where a foreign key leads.
    struct Target: Sendable, Hashable {
        let schema: String
        let table: String
        let column: String
        /// The target's column that names things; nil if none is known.
        let naming: String?
    }

    /// A sampled row, as PostgreSQL makes JSON of it.
    typealias Row = JSON

    let schema: String
    let name: String
    /// How many rows the server thinks there are.
    let estimate: Int?
    let columns: [Column]
    /// The table's CHECK constraints, as SQL.
    let checks: [String]
    /// Some of its rows.
    let rows: [Row]
    /// Distinct values of columns that may be statuses or types, with how often each was seen, the most frequent first.
    let values: [String: [(text: String?, count: Int)]]
    /// Statements about it that the server or its sessions remember.
    let statements: [String]
    /// Why no statements are known; nil if they are.
    let unseenStatements: String?

    var full: String { "\(schema).\(name)" }

    /// Rows that are looked at for values, and rows that are read.
    private static let (mostCounted, mostRead) = (200_000, 400)

    /// Reads them.
    ///
    /// - Throws: `PostgresError`; `UnusableSource` if there is no such table, or its name cannot stand in a profile.
    init(_ table: String, _ connection: PostgresConnection) async throws {
        let parts = table.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }), table.firstControlCharacter == nil
        else {
            throw UnusableSource("“\(table)” names no table: write schema.table")
        }
        let found = try await connection.query(
            """
            SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.reltuples::bigint AS rows
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND CASE WHEN $2 = '' THEN pg_table_is_visible(c.oid) ELSE n.nspname = $2 END
            """,
            [.text(parts.last ?? ""), .text(parts.count == 2 ? parts[0] : "")]
        )
        guard let row = found.first else { throw try await TableFacts.absent(table, connection) }
        schema = try row.text("schema")
        name = try row.text("name")
        guard !schema.contains("."), !name.contains(".") else {
            throw UnusableSource("the name of \(table) holds a dot, which “table” of a profile cannot say")
        }
        let oid = PostgresValue.integer(Int64(try row.int("oid")))
        let estimate = try row.int("rows")
        self.estimate = estimate < 0 ? nil : estimate
        columns = try await TableFacts.columns(oid, connection)
        guard !columns.isEmpty else { throw UnusableSource("\(schema).\(name) has no columns") }
        checks = try await connection.query(
            "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = $1::bigint::oid AND contype = 'c'",
            [oid]
        ).compactMap { $0["text"] }
        let quoted = PostgresConnection.identifier(schema) + "." + PostgresConnection.identifier(name)
        rows = try await TableFacts.sample(quoted, columns, connection)
        var values: [String: [(text: String?, count: Int)]] = [:]
        let counted = columns.filter {
            $0.isText || $0.category == "E" || $0.category == "B" || ["int2", "int4", "int8"].contains($0.base)
        }
        for column in counted.prefix(60) {
            let name = PostgresConnection.identifier(column.name)
            let rows = try await connection.query(
                """
                SELECT left(v::text, 200) AS value, count(*) AS n FROM (SELECT \(name) AS v FROM \(quoted) LIMIT \(TableFacts.mostCounted)) s
                GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 60
                """
            )
            values[column.name] = try rows.map { (text: $0["value"], count: try $0.int("n")) }
        }
        self.values = values
        (statements, unseenStatements) = try await TableFacts.statements(name, connection)
    }

    private static func absent(_ table: String, _ connection: PostgresConnection) async throws -> UnusableSource {
        let tables = try await connection.query(
            """
            SELECT schemaname || '.' || tablename AS name FROM pg_tables
            WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 20
            """
        ).compactMap { $0["name"] }
        let shown = tables.isEmpty ? "no table that this user can see" : tables.joined(separator: ", ")
        return UnusableSource("there is no table \(table) in \(connection.address); it has \(shown)")
    }

    private static func columns(_ oid: PostgresValue, _ connection: PostgresConnection) async throws -> [Column] {
        let rows = try await connection.query(
            """
            SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, coalesce(b.typname, t.typname) AS base,
                   coalesce(b.typcategory, t.typcategory) AS category, a.attnotnull AS required, col_description(a.attrelid, a.attnum) AS comment,
                   (SELECT to_json(array_agg(e.enumlabel ORDER BY e.enumsortorder)) FROM pg_enum e WHERE e.enumtypid = coalesce(b.oid, t.oid)) AS labels,
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS key,
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)) AS inkey,
                   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
                           AND i.indpred IS NULL) AS uniq,
                   f.nspname AS target_schema, f.relname AS target, f.attname AS target_column, f.naming
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
            LEFT JOIN LATERAL (
              SELECT n.nspname, r.relname, ra.attname,
                     (SELECT na.attname FROM pg_attribute na JOIN pg_type nt ON nt.oid = na.atttypid
                      WHERE na.attrelid = r.oid AND na.attnum > 0 AND NOT na.attisdropped AND nt.typcategory IN ('S', 'E')
                        AND na.attname ~* '(name|identifier|type|kind|label|title|code|slug|key)' ORDER BY na.attnum LIMIT 1) AS naming
              FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
              JOIN pg_attribute ra ON ra.attrelid = r.oid AND ra.attnum = k.confkey[1]
              WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND cardinality(k.conkey) = 1 AND k.conkey[1] = a.attnum LIMIT 1) f ON true
            WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """,
            [oid]
        )
        return try rows.map { row in
            let target = row["target"].map {
                Target(
                    schema: row["target_schema"] ?? "",
                    table: $0,
                    column: row["target_column"] ?? "",
                    naming: row["naming"]
                )
            }
            return Column(
                name: try row.text("name"),
                type: try row.text("type"),
                base: try row.text("base"),
                category: try row.text("category"),
                labels: (row["labels"].flatMap { try? JSON(parsing: $0) }?.array ?? []).compactMap(\.string),
                isKey: try row.bool("key"),
                isInKey: try row.bool("inkey"),
                isUnique: try row.bool("uniq"),
                isRequired: try row.bool("required"),
                comment: row["comment"],
                target: target
            )
        }
    }

    /// Some rows, long values left out.
    private static func sample(_ quoted: String, _ columns: [Column], _ connection: PostgresConnection) async throws
        -> [Row]
    {
        let parts = columns.map { column -> String in
            let name = PostgresConnection.identifier(column.name)
            // What is text to us comes as text, so that one odd value spoils no row.
            let isPlain = column.isNumber || column.category == "B"
            let value =
                isPlain
                ? "to_jsonb(t.\(name))"
                : column.isTime
                    ? "to_jsonb(CASE WHEN isfinite(t.\(name)) THEN extract(epoch FROM t.\(name)) END)"
                    : "to_jsonb(CASE WHEN octet_length(t.\(name)::text) < 20000 THEN t.\(name)::text END)"
            return "\(PostgresConnection.literal(column.name)), \(value)"
        }
        // A function takes at most a hundred arguments.
        let objects = stride(from: 0, to: parts.count, by: 40).map {
            "jsonb_build_object(\(parts[$0..<min($0 + 40, parts.count)].joined(separator: ", ")))"
        }
        let found = try await connection.query(
            "SELECT (\(objects.joined(separator: " || ")))::text AS row FROM \(quoted) t LIMIT \(mostRead)"
        )
        return try found.map { try JSON(parsing: $0.text("row")) }
    }

    /// Statements that name the table: those that the server counts, and those that sessions have just run.
    private static func statements(_ name: String, _ connection: PostgresConnection) async throws -> (
        [String], unseen: String?
    ) {
        let pattern = PostgresValue.text("%" + name.replacing("_", with: "\\_").replacing("%", with: "\\%") + "%")
        let sessions = try await connection.query(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE $1 LIMIT 50",
            [pattern]
        ).compactMap { $0["query"] }
        guard
            try await connection.query("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'").first != nil
        else {
            return (
                sessions, sessions.isEmpty ? "pg_stat_statements is not installed, and no session works on it" : nil
            )
        }
        do {
            let counted = try await connection.query(
                "SELECT query FROM pg_stat_statements WHERE query ILIKE $1 ORDER BY calls DESC LIMIT 100",
                [pattern]
            ).compactMap { $0["query"] }
            return (counted + sessions, nil)
        } catch {
            return (sessions, "pg_stat_statements cannot be read: \(error.found)")
        }
    }
}
