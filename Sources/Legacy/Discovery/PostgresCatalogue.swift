import LosslessJSON
import Postgres
import Settings

/// The tables of a database that are, or look like, somebody's queue or schedule: one statement on the catalogue, which needs no right to any
/// table and sends only those.
struct PostgresCatalogue: Sendable {
    /// Columns by which a table is told from others, whatever it is called.
    struct Signature: Sendable, Hashable {
        let name: String
        let required: [String]
        let forbidden: [String]

        /// One as profiles write it: `!name` excludes.
        init(_ name: String, _ columns: [String]) {
            self.name = name
            required = columns.filter { !$0.hasPrefix("!") }
            forbidden = columns.filter { $0.hasPrefix("!") }.map { String($0.dropFirst()) }
        }

        /// The column that few other tables have: only tables with it are looked at whole.
        var rare: String { required.max { ($0.count, $1) < ($1.count, $0) } ?? "" }
    }

    /// A table that some signature fits, or that looks like a queue.
    struct Table: Sendable, Hashable {
        let schema: String
        let name: String
        /// How many rows the server thinks there are; nil if it never counted.
        let rows: Int?
        /// The names of the signatures that fit, the one that asks for most first.
        let marks: [String]
        /// How much it looks like a job queue, by its columns' names and types, from 0 to 19.
        let score: Int
        /// Which columns made the score.
        let clues: [String]
        /// Whether this role may read all of it.
        let isReadable: Bool
        /// Whether its bare name leads to it.
        let isOnPath: Bool
        /// Rows that were added and changed since the server began to count; nil if it does not say.
        let added: Int?
        let changed: Int?

        /// `schema.table`.
        var full: String { "\(schema).\(name)" }

        /// Whether `table` of a source can name it.
        var canBeNamed: Bool { !(schema + name).contains(".") && full.firstControlCharacter == nil }
    }

    let tables: [Table]

    /// From which score on a table is taken for a possible queue, and from which for a likely one.
    static let (possible, likely) = (9, 12)

    /// Looks.
    ///
    /// - Throws: `PostgresError`.
    init(_ connection: PostgresConnection, signatures: [Signature]) async throws {
        let given = JSON.array(
            signatures.map { signature in
                [
                    "name": .string(signature.name), "rare": .string(signature.rare),
                    "required": .array(signature.required.map { .string($0) }),
                    "forbidden": .array(signature.forbidden.map { .string($0) }),
                ]
            }
        )
        let weights = Dictionary(signatures.map { ($0.name, $0.required.count) }, uniquingKeysWith: { $1 })
        let rows = try await connection.query(PostgresCatalogue.statement, [.text(given.text())])
        tables = try rows.map { row in
            let marks = PostgresCatalogue.texts(row["marks"]).sorted {
                (weights[$1] ?? 0, $0) < (weights[$0] ?? 0, $1)
            }
            let estimate = try row.int("rows")
            return Table(
                schema: try row.text("schema"),
                name: try row.text("name"),
                rows: estimate < 0 ? nil : estimate,
                marks: marks,
                score: try row.int("score"),
                clues: PostgresCatalogue.texts(row["clues"]),
                isReadable: try row.bool("readable"),
                isOnPath: try row.bool("visible"),
                added: row["added"].flatMap { Int($0) },
                changed: row["changed"].flatMap { Int($0) }
            )
        }
    }

    private static func texts(_ json: String?) -> [String] {
        (json.flatMap { try? JSON(parsing: $0) }?.array ?? []).compactMap(\.string)
    }

    /// A role that the columns of a queue play: the SQL condition on `a` (the attribute) and `t` (its type), what it counts, what it is called.
    private static let roles: [(name: String, weight: Int, condition: String)] = [
        (
            "status", 3,
            "a.attname ~* '^(status|state|job_?(status|state)|task_?(status|state)|phase|is_?(done|processed|complete)|processed|done)$'"
        ),
        (
            "type", 2,
            "t.typcategory IN ('S', 'E') AND a.attname ~* '^((job|task|event|message|work)_?(type|name|kind|class)|type|kind|handler|func(tion)?(_name)?|method|action|operation|command|topic|queue(_name)?|worker(_class)?|entrypoint|task|name)$'"
        ),
        (
            "payload", 2,
            "(a.attname ~* '(payload|data|args|arguments|params|kwargs|body|message|input|context|options)$' AND t.typname IN ('json', 'jsonb', 'text', 'bytea', 'hstore', 'varchar') OR t.typname IN ('json', 'jsonb') AND a.attname !~* '(result|error|output|meta)')"
        ),
        ("created", 1, "t.typcategory = 'D' AND a.attname ~* '^(created|inserted|queued|enqueued|submitted)'"),
        (
            "started", 2,
            "t.typcategory = 'D' AND a.attname ~* '^(started|start|picked|claimed|locked|attempted|processing)'"
        ),
        (
            "finished", 2,
            "t.typcategory = 'D' AND a.attname ~* '^(completed|finished|finish|done|ended|end|processed|failed)'"
        ),
        (
            "due", 2,
            "t.typcategory = 'D' AND a.attname ~* '(next_(retry|run|attempt)|run_at|scheduled|execute_after|available_at|visible|not_before|start_after|eta|due)'"
        ),
        ("retries", 3, "t.typcategory = 'N' AND a.attname ~* '(retr(y|ies)|attempt|tries)'"),
    ]

    /// Each pair of a name and a type is judged once, however many tables have it.
    private static let statement: String = {
        let flags = roles.map { "(\($0.condition)) AS \($0.name)" }.joined(separator: ", ")
        let score = roles.map { "\($0.weight) * bool_or(r.\($0.name))::int" }.joined(separator: " + ")
        let clues = roles.map { "'\($0.name) ' || min(a.attname::text) FILTER (WHERE r.\($0.name))" }
        return """
            WITH signature AS MATERIALIZED (
              SELECT s->>'name' AS name, (s->>'rare')::name AS rare, ARRAY(SELECT jsonb_array_elements_text(s->'required')) AS required,
                     ARRAY(SELECT jsonb_array_elements_text(s->'forbidden')) AS forbidden
              FROM jsonb_array_elements($1::jsonb) AS s),
            relation AS MATERIALIZED (
              SELECT c.oid, n.nspname, c.relname, c.reltuples::bigint AS rows
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%'
                AND n.nspname NOT IN ('information_schema', 'bailey')),
            attribute AS MATERIALIZED (
              SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
              WHERE a.attnum > 0 AND NOT a.attisdropped),
            marked AS MATERIALIZED (
              SELECT c.attrelid AS oid, array_agg(s.name) AS marks
              FROM (SELECT DISTINCT a.attrelid, s.name FROM attribute a JOIN signature s ON s.rare = a.attname) c
              JOIN signature s ON s.name = c.name
              JOIN LATERAL (SELECT array_agg(a.attname::text) AS columns FROM pg_attribute a
                            WHERE a.attrelid = c.attrelid AND a.attnum > 0 AND NOT a.attisdropped) t
                ON t.columns @> s.required AND NOT t.columns && s.forbidden
              GROUP BY 1),
            role AS MATERIALIZED (
              SELECT a.attname, a.atttypid, \(flags)
              FROM (SELECT DISTINCT attname, atttypid FROM attribute) a JOIN pg_type t ON t.oid = a.atttypid),
            scored AS MATERIALIZED (
              SELECT a.attrelid AS oid, \(score) AS score, ARRAY[\(clues.joined(separator: ", "))] AS clues
              FROM attribute a JOIN role r ON r.attname = a.attname AND r.atttypid = a.atttypid
              WHERE \(roles.map { "r.\($0.name)" }.joined(separator: " OR ")) GROUP BY 1)
            SELECT r.nspname AS schema, r.relname AS name, r.rows, to_json(coalesce(m.marks, '{}')) AS marks, coalesce(s.score, 0) AS score,
                   to_json(array_remove(s.clues, NULL)) AS clues, has_table_privilege(r.oid, 'SELECT') AS readable,
                   pg_table_is_visible(r.oid) AS visible, pg_stat_get_tuples_inserted(r.oid) AS added,
                   pg_stat_get_tuples_updated(r.oid) AS changed
            FROM relation r LEFT JOIN marked m ON m.oid = r.oid LEFT JOIN scored s ON s.oid = r.oid
            WHERE m.oid IS NOT NULL OR s.score >= \(possible)
            ORDER BY 1, 2
            """
    }()
}
