import Legacy
import Postgres

/// Whether the switch is, or can be, installed on a queue. Found by reading alone.
public struct QueueReadiness: Sendable, Hashable {
    /// Whether the switch is there.
    public enum Installation: Sendable, Hashable {
        case absent, present
        /// It is there, but for another profile or zone than the present one.
        case outdated
    }

    /// Whether the switch is there.
    public var installation: Installation
    /// The rights that installing it needs and that the user has not; empty if there is nothing to install.
    public var missingRights: [String]
    /// The user that Bailey connects as.
    public var user: String
    /// What stands against moving anything, as errors with their advice.
    public var refusals: [Refusal]
    /// What else looks at the column that holding changes, and may see its values.
    public var notes: [String] = []
}

extension QueueSwitch {
    /// Finds out whether the switch is, or can be, installed.
    ///
    /// - Throws: `PostgresError` if the server cannot be asked.
    public func readiness() async throws -> QueueReadiness {
        var found = QueueReadiness(installation: .absent, missingRights: [], user: "", refusals: [])
        let rows = try await connection.query(
            """
            SELECT current_user AS who, current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby,
                current_setting('transaction_read_only') = 'on' AS readonly, to_regclass($1) IS NOT NULL AS here,
                to_regnamespace('bailey') IS NOT NULL AS bailey, has_database_privilege(current_database(), 'CREATE') AS creates,
                current_setting('fsync') = 'on' AS lasts, (SELECT count(*) FROM pg_stat_replication) AS standbys,
                current_setting('synchronous_standby_names') <> '' AS waits
            """,
            [.text(sql.quotedTable)]
        )
        guard let row = rows.first else { return found }
        found.user = try row.text("who")
        if try row.int("version") < 130_000 {
            found.refusals.append(
                refusal(.oldServer, "the server is older than PostgreSQL 13", "Upgrade the server first")
            )
        }
        if try row.bool("standby") {
            found.refusals.append(
                refusal(.readOnly, "\(connection.address) is a standby", "Give the source the primary's address")
            )
        } else if try row.bool("readonly") {
            found.refusals.append(
                refusal(
                    .readOnly,
                    "transactions are read-only by default for \(found.user) in \(connection.address)",
                    "Connect to the primary, or have default_transaction_read_only set to off for this user"
                )
            )
        }
        if try !row.bool("lasts") {
            found.notes.append(
                "fsync is off: a crash of the machine may forget what was moved, or break the database"
            )
        }
        let standbys = try row.int("standbys")
        if standbys > 0, try !row.bool("waits") {
            found.notes.append(
                "\(standbys) \(standbys == 1 ? "standby follows" : "standbys follow") and none is waited for (synchronous_standby_names is empty): a failover may forget the newest moves, which watch and the next command notice by the journal"
            )
        }
        // The switch is looked for first: that the table has changed does not make it another's, or nobody's.
        if try row.bool("bailey") { try await installed(&found) }
        guard try row.bool("here") else {
            found.refusals.append(
                refusal(
                    .missingColumn,
                    "there is no table \(sql.table)",
                    "Correct “table” of source \(queue) or of profile \(profile.name)"
                )
            )
            return found
        }
        let before = found.refusals.count
        try await found.refusals += columns()
        guard found.refusals.count == before else { return found }
        try await examine(&found)
        if found.refusals.isEmpty { found.refusals += try await obstacles("checking") }
        if found.installation != .present {
            found.missingRights = try await missingRights(schema: row.bool("bailey"), creates: row.bool("creates"))
        }
        return found
    }

    /// Whether the switch is there, for whatever profile; the table is not looked at.
    ///
    /// - Throws: `Refusal` if schema `bailey` is another's or may not be read, or `PostgresError`.
    func isSwitchThere() async throws -> Bool {
        var found = QueueReadiness(installation: .absent, missingRights: [], user: try await user(), refusals: [])
        let rows = try await connection.query("SELECT to_regnamespace('bailey') IS NOT NULL AS bailey")
        if try rows.first?.bool("bailey") == true { try await installed(&found) }
        if let refusal = found.refusals.first { throw refusal }
        return found.installation != .absent
    }

    /// Whether the table has the switch's triggers and they are on, as it is found now.
    ///
    /// - Throws: `PostgresError`.
    public func isGuarded() async throws -> Bool {
        try await isGuarded("(SELECT on_table FROM bailey.located($1))", [])
    }

    private func isGuarded(_ table: String, _ values: [PostgresValue]) async throws(PostgresError) -> Bool {
        let rows = try await connection.query(
            """
            SELECT \(table) IS NULL OR (
                SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                WHERE t.tgrelid = \(table) AND p.pronamespace = 'bailey'::regnamespace AND NOT t.tgisinternal
                    AND p.proname IN ('arrival:' || $1, 'gone:' || $1) AND t.tgenabled IN ('O', 'A')
            ) >= 4 AS is
            """,
            [.text(queue)] + values
        )
        return try rows.first?.bool("is") ?? true
    }

    /// Whether the table of the settings lacks the switch's triggers. Of one that may not be looked at that is not said: the right that is
    /// missing is named where rights are looked at.
    private func isUnguardedHere() async throws(PostgresError) -> Bool {
        do { return try await !isGuarded("to_regclass($2)", [.text(sql.quotedTable)]) } catch let error {
            if error.code == .rights { return false }
            throw error
        }
    }

    func refusal(_ code: Refusal.Reason, _ text: String, _ advice: String) -> Refusal {
        Refusal(code, queue: queue, operation: "checking", found: text, advice: advice)
    }

    /// Whether schema `bailey` is Bailey's own, of this version, and for this queue.
    private func installed(_ found: inout QueueReadiness) async throws {
        let foreign = refusal(
            .foreignSchema,
            "schema bailey in \(connection.address) was not made by this version of Bailey",
            "Use the version of Bailey that made it to roll back and uninstall, or rename the schema if it is not Bailey's"
        )
        do {
            guard
                try await connection.query("SELECT to_regclass('bailey.version') IS NOT NULL AS here").first?.bool(
                    "here"
                ) == true
            else {
                let objects = try await connection.query(
                    "SELECT count(*) AS n FROM pg_class WHERE relnamespace = 'bailey'::regnamespace"
                )
                // An empty schema, as an administrator may have made for Bailey.
                if try objects.first?.int("n") != 0 { found.refusals.append(foreign) }
                return
            }
            let version = try await connection.query("SELECT version FROM bailey.version WHERE part = 'queue'")
            if let row = version.first, try row.int("version") != QueueSwitchSchema.version {
                found.refusals.append(foreign)
                return
            }
            if version.isEmpty { return }
            let here = try await connection.query(
                "SELECT queue, on_table, digest FROM bailey.queue WHERE queue = $1 OR on_table = $2",
                [
                    .text(queue), .text(sql.table),
                ]
            )
            if let other = here.first(where: { $0["queue"] != queue }) {
                found.refusals.append(
                    refusal(
                        .foreignSchema,
                        "\(sql.table) has the switch of queue \(try other.text("queue"))",
                        "Call the source \(try other.text("queue")), or uninstall that switch first"
                    )
                )
            } else if let own = here.first {
                let isOurs = own["digest"] == sql.digest && own["on_table"] == sql.table
                found.installation = isOurs ? .present : .outdated
                // A table that was put in the place of the first has none, and then every row passes to legacy.
                if isOurs, try await isUnguardedHere() { found.installation = .outdated }
            }
        } catch {
            switch error.code {
            case .missing: found.refusals.append(foreign)
            case .rights:
                found.refusals.append(
                    refusal(
                        .noRights,
                        "\(found.user) may not use schema bailey in \(connection.address)",
                        "Give the output of bailey cutover --sql to the database's administrator: it grants what is needed"
                    )
                )
            default: throw error
            }
        }
    }

    /// Columns that the profile names and the table has not, or that have types it cannot use.
    private func columns() async throws -> [Refusal] {
        let rows = try await connection.query(
            """
            SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
            """,
            [.text(sql.quotedTable)]
        )
        let types = Dictionary(rows.map { ($0["name"] ?? "", $0["type"] ?? "") }, uniquingKeysWith: { $1 })
        var refusals: [Refusal] = []
        for (meaning, column) in profile.columns.sorted(by: { $0.key < $1.key }) {
            guard let type = types[column] else {
                refusals.append(
                    refusal(
                        .missingColumn,
                        "\(sql.table) has no column \(column), which the profile names as \(meaning)",
                        "Correct “columns” of profile \(profile.name)"
                    )
                )
                continue
            }
            let wanted: [String] =
                switch profile.kind(meaning) {
                case .epoch, .epochMilliseconds: ["bigint", "numeric", "double precision"]
                case .date: ["date"]
                default: [profile.naiveTimestamps ? "timestamp without time zone" : "timestamp with time zone"]
                }
            if ["started", "finished", "due"].contains(meaning), !wanted.contains(type) {
                refusals.append(
                    refusal(
                        .badProfile,
                        "\(sql.table).\(column) is \(type), not \(wanted.joined(separator: " or "))",
                        "Correct “naive_timestamps” or the column's “kind” in profile \(profile.name); times of other types cannot be held"
                    )
                )
            }
        }
        guard refusals.isEmpty else { return refusals }
        do {
            _ = try await connection.query(sql.probe)
            if let proof = sql.proof { _ = try await connection.query(proof) }
        } catch {
            guard ["42", "22"].contains(error.state?.prefix(2) ?? ""), error.code != .rights else { throw error }
            refusals.append(
                refusal(
                    error.code == .missing ? .missingColumn : .badProfile,
                    "\(sql.table) cannot be read as profile \(profile.name) says: \(error.found)",
                    "Correct its “columns” and “writes”"
                )
            )
        }
        return refusals
    }

    func cannotHold(_ why: String) -> Refusal {
        Refusal(
            .forbiddenStatus,
            queue: queue,
            operation: "checking",
            found: why,
            advice: profile.columns["due"] == nil || sql.mark.method == .due
                ? "Allow it in the table, or say another way under “hold” of profile \(profile.name)"
                : "Write “by: due” under “hold” of profile \(profile.name): rows are then deferred, not renamed"
        )
    }

    private func missingRights(schema: Bool, creates: Bool) async throws -> [String] {
        var missing: [String] = []
        if schema {
            let rows = try await connection.query(
                """
                SELECT has_schema_privilege('bailey', 'CREATE') AND has_schema_privilege('bailey', 'USAGE') AS may,
                    coalesce((SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE relnamespace = 'bailey'::regnamespace), true) AS owns
                """
            )
            if try rows.first?.bool("may") != true { missing.append("CREATE in schema bailey") }
            if try rows.first?.bool("owns") != true { missing.append("ownership of what is in schema bailey") }
        } else if !creates {
            missing.append("CREATE in the database")
        }
        let rows = try await connection.query(
            "SELECT p, t, has_table_privilege(to_regclass(t), p) AS may FROM unnest($1::text[], $2::text[]) AS wanted (p, t)",
            [
                .texts(["TRIGGER", "SELECT", "UPDATE"] + sql.endingRights.map(\.right)),
                .texts(Array(repeating: sql.quotedTable, count: 3) + sql.endingRights.map(\.table)),
            ]
        )
        for row in rows where row["may"] != "t" {
            let table = try row.text("t")
            missing.append("\(try row.text("p")) on \(table == sql.quotedTable ? sql.table : table)")
        }
        return missing
    }
}
