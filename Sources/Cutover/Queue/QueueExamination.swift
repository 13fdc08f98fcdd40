import Legacy
import Postgres

/// What of a queue's table looks at the column that holding changes: found in the catalogue before anything is changed. A held row must be a row
/// that the table takes, that the application can still write, and that can be given back.
extension QueueSwitch {
    func examine(_ found: inout QueueReadiness) async throws {
        let (method, column) = sql.mark
        let rows = try await connection.query(
            QueueExamination.catalogue,
            [.text(sql.quotedTable), .text(column)]
        )
        let harmless = try await indexesOfOthers()
        for row in rows {
            let (kind, text) = (try row.text("kind"), row["text"] ?? "")
            if kind == "index", harmless.contains(where: { text.hasPrefix("is looked at by the unique index \($0): ") })
            {
                continue
            }
            switch kind {
            case "note": found.notes.append("\(text) sees held rows as they are marked")
            case "relation", "rule", "security":
                found.refusals.append(
                    refusal(
                        .unfitTable,
                        "\(sql.table) \(text)",
                        "Name the table that the rows are in as “table” of source \(queue), and have it without such things"
                    )
                )
            default: found.refusals.append(cannotHold("\(column) \(text)"))
            }
        }
        do {
            // A row is found again by a value of its id's type, made of an empty row.
            _ = try await connection.query("SELECT jsonb_populate_record(NULL::\(sql.quotedTable), '{}') IS NULL")
        } catch {
            guard error.state?.hasPrefix("23") == true else { throw error }
            let text = "has a column that cannot even be empty in a row that is not stored: \(error.found)"
            found.refusals.append(
                refusal(.unfitTable, "\(sql.table) \(text)", "Let the column forbid NULL, and not its domain")
            )
        }
        guard found.refusals.isEmpty else { return }
        if let why = try await type(method, column) { found.refusals.append(cannotHold(why)) }
        if found.refusals.isEmpty, let why = try await checks(column) { found.refusals.append(cannotHold(why)) }
        if found.refusals.isEmpty, let why = try await triggers(column) { found.refusals.append(cannotHold(why)) }
    }

    /// Unique indexes that never have a row that waits, as the server itself proves by their conditions: holding one changes nothing for them.
    private func indexesOfOthers() async throws -> [String] {
        guard sql.mark.method != .status, let waiting = sql.waitingConditions, !waiting.isEmpty else { return [] }
        let rows = try await connection.query(
            """
            SELECT i.indexrelid::regclass::text AS name, pg_get_expr(i.indpred, i.indrelid) AS condition FROM pg_index i
            WHERE i.indrelid = to_regclass($1) AND (i.indisunique OR i.indisexclusion) AND i.indpred IS NOT NULL
            """,
            [.text(sql.quotedTable)]
        )
        var found: [String] = []
        for row in rows {
            let (name, condition) = (try row.text("name"), try row.text("condition"))
            var isRefuted = true
            for waits in waiting where isRefuted {
                // The condition stands in the catalogue as PostgreSQL itself writes it; the planner says where it and the other exclude each other.
                let plan = try await connection.transaction { connection in
                    _ = try await connection.query("SET LOCAL constraint_exclusion = on")
                    return try await connection.query(
                        "EXPLAIN (COSTS OFF) SELECT FROM \(sql.quotedTable) j WHERE \(waits) AND (\(condition))"
                    )
                }
                isRefuted = plan.contains { $0["QUERY PLAN"]?.contains("One-Time Filter: false") == true }
            }
            if isRefuted { found.append(name) }
        }
        return found
    }

    /// Why the column's type does not take what a held row has in it.
    private func type(_ method: QueueHold.Method, _ column: String) async throws -> String? {
        let rows = try await connection.query(
            """
            SELECT format_type(a.atttypid, NULL) AS name, t.typtype AS sort, t.typcategory AS category,
                CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 0 THEN a.atttypmod - 4 END AS most
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass($1) AND a.attname = $2
            """,
            [.text(sql.quotedTable), .text(column)]
        )
        guard let row = rows.first else { return nil }
        let type = try row.text("name")
        for value in sql.markValues {
            if let most = row["most"].flatMap(Int.init), method == .status, value.count > most {
                return "'\(value)' is longer than the column"
            }
            do {
                // The type stands in the catalogue as PostgreSQL itself writes it.
                _ = try await connection.query("SELECT $1::text::\(type)", [.text(value)])
            } catch {
                guard ["22", "23"].contains(error.state?.prefix(2) ?? "") else { throw error }
                return try row.text("sort") == "e"
                    ? "'\(value)' is not in enum \(type)" : "'\(value)' is no value of \(type): \(error.found)"
            }
        }
        guard method == .queue else { return nil }
        if try row.text("category") != "S" { return "\(column) is \(type), which takes no mark before a name" }
        guard let most = row["most"].flatMap(Int.init), let mark = sql.markValues.first else { return nil }
        let longest = try await connection.query(
            "SELECT coalesce(max(length(\(PostgresConnection.identifier(column))::text)), 0) AS n FROM \(sql.quotedTable)"
        )
        let length = try longest.first?.int("n") ?? 0
        return length + mark.count > most
            ? "the mark before a name of \(length) letters is longer than the column" : nil
    }

    /// Why a CHECK of this column alone forbids what a held row has in it: each is asked about a row that has nothing else.
    private func checks(_ column: String) async throws -> String? {
        let rows = try await connection.query(
            """
            SELECT (SELECT string_agg('SELECT ' || quote_literal(c.conname || ': ' || pg_get_constraintdef(c.oid))
                        || ' AS name, (' || pg_get_expr(c.conbin, c.conrelid) || ') AS holds FROM r', ' UNION ALL ')
                    FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY (c.conkey)) AS checks,
                (SELECT string_agg(CASE WHEN o.attnum = a.attnum THEN '$1::text::' || format_type(o.atttypid, NULL)
                        ELSE 'NULL::' || format_type(o.atttypid, o.atttypmod) END || ' AS ' || quote_ident(o.attname), ', ')
                    FROM pg_attribute o WHERE o.attrelid = a.attrelid AND o.attnum > 0 AND NOT o.attisdropped) AS row
            FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attname = $2
            """,
            [.text(sql.quotedTable), .text(column)]
        )
        guard let row = rows.first, let checks = row["checks"], let copy = row["row"] else { return nil }
        for value in sql.markValues {
            let answers = try await connection.query("WITH r AS (SELECT \(copy)) \(checks)", [.text(value)])
            if let no = answers.first(where: { $0["holds"] == "f" }) {
                return "“\(value)” is forbidden by \(no["name"] ?? "a constraint")"
            }
        }
        return nil
    }

    /// Why it is not known whether the application's triggers let a held row be: they look at the column, and no row is there to try them on.
    private func triggers(_ column: String) async throws -> String? {
        let rows = try await connection.query(
            """
            SELECT t.tgname AS name FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attname = $2
            WHERE t.tgrelid = to_regclass($1) AND NOT t.tgisinternal AND t.tgname !~ '^bailey_' AND t.tgenabled <> 'D'
                AND (p.prosrc ~* ('\\m' || regexp_replace($2, '(\\W)', '\\\\\\1', 'g') || '\\M') OR EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refobjid = t.tgrelid AND d.refobjsubid = a.attnum))
            """,
            [.text(sql.quotedTable), .text(column)]
        )
        guard let name = rows.first?["name"] else { return nil }
        let any = try await connection.query("SELECT EXISTS (SELECT FROM \(sql.quotedTable)) AS any")
        return try any.first?.bool("any") == true
            ? nil : "the trigger \(name) looks at \(column), and there is no row yet to try it on"
    }
}

enum QueueExamination {
    /// What stands against changing a column, by kind and in words.
    static let catalogue = """
        WITH me AS (
            SELECT c.oid, c.relkind, c.relrowsecurity, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2
            WHERE c.oid = to_regclass($1)
        )
        SELECT 'relation' AS kind, 'is ' || CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table'
            ELSE 'no table' END || ', which takes no trigger that could hold its rows' AS text FROM me WHERE relkind NOT IN ('r', 'p')
        UNION ALL SELECT 'relation', 'has tables that inherit from it, whose rows its triggers do not see'
            FROM me WHERE relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = me.oid)
        UNION ALL SELECT 'security', 'hides rows from this user by row security' FROM me WHERE relkind IN ('r', 'p') AND row_security_active(oid)
        UNION ALL SELECT 'rule', 'has the rule ' || r.rulename || ', which changes what is written' FROM me JOIN pg_rewrite r ON r.ev_class = me.oid
            WHERE r.rulename <> '_RETURN'
        UNION ALL SELECT 'partition', 'is what ' || k.partrelid::regclass || ' is partitioned by' FROM me
            JOIN pg_partitioned_table k ON k.partrelid IN (SELECT me.oid UNION SELECT relid FROM pg_partition_ancestors(me.oid))
            JOIN pg_attribute o ON o.attrelid = k.partrelid AND o.attname = $2
            WHERE o.attnum = ANY (k.partattrs::int2[]) OR pg_get_partkeydef(k.partrelid) ~ ('\\m' || regexp_replace($2, '(\\W)', '\\\\\\1', 'g') || '\\M')
        UNION ALL SELECT 'index', 'is looked at by the unique index ' || i.indexrelid::regclass || ': ' || pg_get_indexdef(i.indexrelid)
                || ', which would let through while rows are held what forbids to give them back'
            FROM me JOIN pg_index i ON i.indrelid = me.oid
            WHERE (i.indisunique OR i.indisexclusion) AND (me.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = me.oid AND d.refobjsubid = me.attnum))
        UNION ALL SELECT 'reference', 'refers to another table: ' || c.conname || ' ' || pg_get_constraintdef(c.oid)
            FROM me JOIN pg_constraint c ON c.conrelid = me.oid AND c.contype = 'f' AND me.attnum = ANY (c.conkey)
        UNION ALL SELECT 'reference', 'is referred to by ' || c.conrelid::regclass || ': ' || pg_get_constraintdef(c.oid)
            FROM me JOIN pg_constraint c ON c.confrelid = me.oid AND c.contype = 'f' AND me.attnum = ANY (c.confkey)
        UNION ALL SELECT 'check', 'is compared with other columns by ' || c.conname || ': ' || pg_get_constraintdef(c.oid)
            FROM me JOIN pg_constraint c ON c.conrelid = me.oid AND c.contype = 'c' AND me.attnum = ANY (c.conkey) AND array_length(c.conkey, 1) > 1
        UNION ALL SELECT 'generated', 'is what the column ' || g.attname || ' is generated from' FROM me
            JOIN pg_attribute g ON g.attrelid = me.oid AND g.attgenerated <> '' AND NOT g.attisdropped
            LEFT JOIN pg_attrdef e ON e.adrelid = me.oid AND e.adnum = g.attnum
            WHERE EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = me.oid AND d.refobjsubid = me.attnum AND (
                d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
                OR d.classid = 'pg_class'::regclass AND d.objid = me.oid AND d.objsubid = g.attnum))
        UNION ALL SELECT 'policy', 'is looked at by the row security policy ' || p.polname FROM me JOIN pg_policy p ON p.polrelid = me.oid
            WHERE EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = me.oid
                AND d.refobjsubid = me.attnum)
        UNION ALL SELECT CASE WHEN v.reloptions::text ~ 'check_option' THEN 'view' ELSE 'note' END,
                CASE WHEN v.reloptions::text ~ 'check_option' THEN 'is checked by the view ' || v.oid::regclass || ', through which nothing could be added'
                ELSE CASE v.relkind WHEN 'm' THEN 'the materialized view ' ELSE 'the view ' END || v.oid::regclass END
            FROM me JOIN pg_class v ON v.relkind IN ('v', 'm') AND EXISTS (SELECT FROM pg_rewrite r
                JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid = me.oid AND d.refobjsubid = me.attnum
                WHERE r.ev_class = v.oid)
        """
}
