import LosslessJSON
import Migration
import Postgres
import Schedules

/// What must hold before entries are moved, and why they were not, in words.
extension DjangoBeatEngine {
    /// Everything that must hold, looked at without changing anything.
    ///
    /// - Throws: `PostgresError`, or `Refusal` where another has the switch.
    func checks(_ group: DjangoBeatGroup, _ request: CutoverRequest) async throws -> [Check] {
        var checks = [try await server()]
        if checks[0].refusal?.reason == .unfitTable { return checks }
        if try await connection.installation() != .present { checks.append(try await installable()) }
        let (at, found) = try await found()
        guard found?.state ?? .legacy == .legacy else { return checks }
        checks.append(try await rows(group, at))
        if let asked = found?.asked, Set(asked.map(\.installation)).count > 1, request.installation == nil {
            checks.append(
                Check(
                    "one Airflow asks",
                    "\(asked.count) installations ask",
                    refusal: Refusal(
                        .installations,
                        "the gate of \(pipeline) is asked by \(asked.map(\.installation).joined(separator: ", "))",
                        "Pause the DAG in the others, or name one with --installation"
                    )
                )
            )
        }
        return checks
    }

    private func server() async throws -> Check {
        let rows = try await connection.connection.query(
            """
            SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS readonly,
                (SELECT c.relkind IN ('r', 'p') FROM pg_class c WHERE c.oid = to_regclass($1)) AS plain,
                (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us
            """,
            [.text(DjangoBeatSwitch.table)]
        )
        let name = "the database can keep a switch"
        guard let row = rows.first else { return Check(name, "it gives no answer") }
        func refused(_ reason: Refusal.Reason, _ found: String, _ advice: String) -> Check {
            Check(name, found, refusal: Refusal(reason, found, advice))
        }
        if row["plain"] != "t" {
            return refused(
                .unfitTable,
                "\(DjangoBeatSwitch.table) is no table in the schemas that are searched",
                "Add ?schema=… to the source's URL"
            )
        }
        if try row.int("version") < 130_000 {
            return refused(.oldServer, "the server is older than PostgreSQL 13", "Upgrade the server first")
        }
        if try row.bool("readonly") {
            return refused(
                .readOnly,
                "\(connection.connection.address) takes no writes: a standby, or default_transaction_read_only",
                "Give the source the primary's address"
            )
        }
        let here = Instant(microseconds: Int64(try row.int("us")))
        if abs(now().seconds(since: here)) > 10 {
            return refused(
                .clock,
                "this machine's clock and the database's are more than 10 s apart",
                "Set both by NTP"
            )
        }
        return Check(name, "PostgreSQL, writable")
    }

    private func installable() async throws -> Check {
        let rows = try await connection.connection.query(
            """
            SELECT current_user AS who, has_database_privilege(current_database(), 'CREATE') OR to_regnamespace('bailey_beat') IS NOT NULL AS creates,
                has_table_privilege(to_regclass($1), 'TRIGGER') AS triggers,
                has_table_privilege(to_regclass($1), 'SELECT') AND has_table_privilege(to_regclass($1), 'INSERT')
                    AND has_table_privilege(to_regclass($1), 'UPDATE') AND has_table_privilege(to_regclass($1), 'DELETE') AS writes
            """,
            [.text(DjangoBeatSwitch.table)]
        )
        let name = "the switch can be installed"
        guard let row = rows.first else { return Check(name, "nobody knows") }
        let lacks = [
            try row.bool("creates") ? nil : "CREATE on the database", try row.bool("triggers") ? nil : "TRIGGER",
            try row.bool("writes") ? nil : "SELECT, INSERT, UPDATE, DELETE",
        ].compactMap { $0 }
        guard !lacks.isEmpty else { return Check(name, "it is not there yet; cutover installs it") }
        let found = "\(try row.text("who")) lacks \(lacks.joined(separator: ", ")) on \(DjangoBeatSwitch.table)"
        return Check(
            name,
            found,
            refusal: Refusal(.noRights, found, "bailey doctor --rights prints what is needed")
        )
    }

    /// That the rows are those of the inventory, and that beat runs what is due.
    private func rows(_ group: DjangoBeatGroup, _ at: Instant) async throws -> Check {
        let name = "entries as planned"
        for entry in group.entries {
            let rows = try await connection.connection.query(
                """
                SELECT to_jsonb(jsonb_populate_record(NULL::\(DjangoBeatSwitch.table), $2::jsonb)) - v.those IS NOT DISTINCT FROM to_jsonb(p) - v.those AS same,
                    to_jsonb(c) IS NOT DISTINCT FROM $3::jsonb AS scheduled,
                    (extract(epoch FROM coalesce(p.last_run_at, p.date_changed)) * 1000000)::bigint AS us
                FROM \(DjangoBeatSwitch.table) p
                    LEFT JOIN django_celery_beat_\(entry.kind == "interval" ? "interval" : "crontab")schedule c ON c.id = (to_jsonb(p) ->> $4)::bigint,
                    (SELECT ARRAY['last_run_at', 'total_run_count', 'date_changed']) AS v (those)
                WHERE p.name = $1
                """,
                [
                    .text(entry.id.name), .text(entry.row.text()), .text(entry.scheduleRow.text()),
                    .text(entry.kind + "_id"),
                ]
            )
            guard let row = rows.first else {
                return Check(
                    name,
                    "\(entry.id) is gone",
                    refusal: refusal(["answer": "gone", "entry": .string(entry.id.name)])
                )
            }
            guard try row.bool("same"), try row.bool("scheduled") else {
                return Check(
                    name,
                    "\(entry.id) was changed since the import",
                    refusal: refusal(["answer": "changed", "entry": .string(entry.id.name)])
                )
            }
            let last = Instant(microseconds: Int64(try row.int("us")))
            // Beat writes what it has fired every three minutes, or when it is told to load its schedule.
            if entry.isEnabled, let due = group.overdue(entry, last: last, at: at.adding(seconds: -240)) {
                return Check(
                    name,
                    "beat has not run \(entry.id) at \(due.iso8601)",
                    refusal: Refusal(
                        .notDriven,
                        "\(entry.id) was due at \(due.iso8601), and its row does not show that beat has run it (last run \(last.iso8601))",
                        "Start beat with -S django, let it run the entry, and run the command again"
                    )
                )
            }
        }
        return Check(name, "\(group.entries.count) of \(group.entries.count) rows are those of the inventory")
    }

    /// Why entries were not taken over, by an answer of the switch.
    func refusal(_ answer: JSON) -> Refusal {
        let entry = "\(source)/\(answer["entry"]?.string ?? "?")"
        let again = "Run bailey import and look at the plan again"
        switch answer["answer"]?.string {
        case "held":
            return Refusal(
                .heldByOthers,
                "\(entry) is \(answer["state"]?.string ?? "") for the pipeline \(answer["pipeline"]?.string ?? "")",
                "Run bailey rollback \(answer["pipeline"]?.string ?? "") --execute first"
            )
        case "gone": return Refusal(.gone, "\(entry) is not in the table any more", again)
        case "changed":
            return Refusal(.changed, "\(entry) was changed since it was imported, planned and shadowed", again)
        case "redefined":
            return Refusal(.changed, "the application changed \(entry) while it was being closed", again)
        case "disabled":
            return Refusal(.changed, "the application disabled \(entry) while it was being closed", again)
        case "undriven":
            return Refusal(
                .notDriven,
                "no beat was seen to load the schedule of \(source): perhaps another scheduler runs, or none",
                "Start beat with -S django on this database, then run the command again"
            )
        case "old-beat":
            return Refusal(
                .notDriven,
                "the beat of \(source) is one of django-celery-beat before 2.8, which loses what it has fired where its schedule changes",
                "Upgrade django-celery-beat to 2.8.1 or later (2.9 is what was tried), then run the command again"
            )
        case "shadowed":
            return Refusal(
                .shadowed,
                "legacy was to run the tick \(answer["tick"].instant?.iso8601 ?? "?") of \(pipeline), and its row does not show that it has",
                "See whether a beat is running and what its log says; then run the command again"
            )
        case "uneven":
            return Refusal(
                .uneven,
                "legacy fired some of the entries after they were closed, and not the others",
                "Run the command again"
            )
        case let word:
            return Refusal(
                .disagree,
                "the switch of \(pipeline) answered “\(word ?? "nothing")”",
                "See bailey status; then run the command again"
            )
        }
    }
}
