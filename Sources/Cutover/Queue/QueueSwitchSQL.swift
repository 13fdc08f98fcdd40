public import Legacy
import Migration
import Postgres

/// The SQL that installs the switch on one queue's table, and removes it. Every decision about a job is a function of it.
public struct QueueSwitchSQL: Sendable {
    /// The source's name.
    public let queue: String
    /// `schema.table`.
    public let table: String
    let rows: QueueRowSQL

    /// The SQL of a queue.
    ///
    /// - Parameter timezone: the IANA zone in which the application reads and writes columns that have none.
    /// - Throws: `Refusal` with the code `no-hold` if the profile does not say how to hold, or `bad-profile`.
    public init(queue: String, profile: QueueProfile, timezone: String) throws(Refusal) {
        let profile = profile.ofTable
        guard let hold = profile.hold else {
            throw Refusal(
                .noHold,
                queue: queue,
                operation: "making the switch",
                found: profile.unverified,
                advice: profile.view == nil
                    ? "Add “hold” to mappings/profiles/\(profile.name).yaml; see docs/configuration.md"
                    : "Leave its jobs on legacy, or write a profile of your own for the table alone that says “hold”; see docs/queues.md"
            )
        }
        let texts =
            [queue, profile.table, timezone] + profile.columns.values + profile.expressions.values
            + profile.statuses.values.joined() + hold.order + [hold.ready ?? "", hold.log?.table ?? ""]
            + (hold.log?.columns.flatMap { [$0.name, $0.sql] } ?? [])
        let parts = profile.table.split(separator: ".", omittingEmptySubsequences: false)
        guard
            !(texts + [hold.held, hold.claimed]).contains(where: {
                $0.contains("$bailey$") || $0.contains("$sql$") || $0.contains("\0")
            }),
            parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), queue.utf8.count <= 40
        else {
            throw Refusal(
                .badProfile,
                queue: queue,
                operation: "making the switch",
                found: "a name is too long, or the table is not written schema.table",
                advice: "Correct “table” of profile \(profile.name), or give the source a name of at most 40 letters"
            )
        }
        self.queue = queue
        table = profile.table
        rows = QueueRowSQL(queue: queue, profile: profile, hold: hold, timezone: timezone)
    }

    /// Tells the installed functions from those of another profile or version.
    public var digest: String { StableDigest(QueueSwitchSchema.all + own + rows.layout).description }

    /// The whole installation, to be run in one transaction.
    ///
    /// - Parameter roles: who may call the functions: Bailey's own user and Airflow's.
    public func install(roles: [String]) -> String {
        let grants = roles.map { role in
            let role = PostgresConnection.identifier(role)
            return """
                GRANT USAGE ON SCHEMA bailey TO \(role);
                GRANT SELECT ON ALL TABLES IN SCHEMA bailey TO \(role);
                GRANT EXECUTE ON FUNCTION \(QueueSwitchSchema.callable.map { "bailey.\($0)" }.joined(separator: ", ")) TO \(role);
                """
        }
        let parts =
            [QueueSwitchSchema.all, own, register, "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bailey FROM PUBLIC;"] + grants
        // Where a profile needs no statement, its line is left out.
        let lines = parts.joined(separator: "\n\n").split(separator: "\n", omittingEmptySubsequences: false)
        return lines.filter { $0.isEmpty || !$0.allSatisfy { $0 == " " } }.joined(separator: "\n") + "\n"
    }

    /// Removes the switch from this queue, and schema `bailey` with the last one. Only for a queue of which nothing is held or claimed.
    public var uninstall: String {
        let functions = [
            "hold(text, integer)", "look(text)", "take(text, text, integer)", "finish(text, text, text, text)",
            "release(text)", "give_up(text, text[], text)", "due(text)", "arrival()", "gone()",
        ]
        let drops = functions.map { function in
            let (verb, arguments) = (function.prefix { $0 != "(" }, function.drop { $0 != "(" })
            return "DROP FUNCTION IF EXISTS \(rows.function(String(verb)))\(arguments);"
        }
        return """
            SET LOCAL lock_timeout = '2s';
            \(rows.dropTriggers)
            -- Dropping a trigger has locked the table, so nothing arrives any more.
            DO $bailey$ BEGIN
                IF EXISTS (SELECT FROM bailey.switch WHERE queue = \(rows.name) AND state <> 'legacy')
                    OR EXISTS (SELECT FROM bailey.claim WHERE queue = \(rows.name) AND finished_at IS NULL)
                    OR EXISTS (SELECT FROM \(rows.table) j WHERE \(rows.isOurs("j"))) THEN
                    RAISE EXCEPTION 'BAILEY: jobs are held or claimed still' USING ERRCODE = 'object_in_use';
                END IF;
            END $bailey$;
            \((drops + rows.guardDrops).joined(separator: "\n"))
            DELETE FROM bailey.switch WHERE queue = \(rows.name);
            DELETE FROM bailey.claim WHERE queue = \(rows.name);
            DELETE FROM bailey.held WHERE queue = \(rows.name);
            DELETE FROM bailey.sighting WHERE queue = \(rows.name);
            DO $bailey$ BEGIN
                IF to_regclass('bailey.named') IS NOT NULL THEN
                    DELETE FROM bailey.named WHERE queue = \(rows.name);
                END IF;
            END $bailey$;
            DELETE FROM bailey.queue WHERE queue = \(rows.name);
            DO $bailey$ BEGIN
                IF NOT EXISTS (SELECT FROM bailey.queue) THEN
                    DROP SCHEMA bailey CASCADE;
                END IF;
            END $bailey$;

            """
    }

    /// The table, quoted.
    var quotedTable: String { rows.table }

    /// The ways that a job goes, each as what is written into its row, of which `$1` is the id: held, taken, then ended, failed, or held again; or
    /// given back. To be tried and rolled back.
    var trials: [[String]] {
        let profile = rows.profile
        let at = "clock_timestamp()"
        let held = rows.holding("j")
        let taken = rows.taking
        let again =
            rows.hold.method == .status
            ? ["\(rows.bare("status")) = \(QueueRowSQL.literal(rows.hold.held))"]
            : rows.profile.showsRunning ? profile.writing("queued", at: at) : []
        let back = rows.hold.method == .status ? rows.releasing("j") : []
        let ways = [
            [held, taken, profile.writing("success", at: at)],
            [held, taken, profile.writing("failed", at: at) + profile.writingError("'BAILEY'")], [held, taken, again],
            [held, back],
        ]
        let here = "WHERE \(rows.id("j"))::text = $1"
        let ends = ["success", "failed"].map { state in
            [rows.logging(state, error: "'BAILEY'", from: "\(rows.table) j \(here)")].compactMap { $0 }
                + (rows.hold.deletes.contains(state) ? ["DELETE FROM \(rows.table) j \(here)"] : [])
        }
        return ways.map { way in
            way.filter { !$0.isEmpty }.map { changes in
                "UPDATE \(rows.table) j SET \(changes.joined(separator: ", ")) \(here)"
            }
        } + ends.filter { !$0.isEmpty }
    }

    /// What must not be true of the database, as queries that answer `holds`, with why.
    var obstacles: [(query: String, obstacle: QueueObstacle)] {
        rows.hold.obstacles.map { ("SELECT coalesce((\(rows.profile.filled($0.condition))), false) AS holds", $0) }
    }

    /// The rights on tables that the switch acts with beyond reading and changing the queue's own.
    var endingRights: [(right: String, table: String)] {
        (rows.hold.deletes.isEmpty ? [] : [("DELETE", rows.table)]) + (rows.logTable.map { [("INSERT", $0)] } ?? [])
    }

    /// The conditions that a row waits under a word of the table, one each; nil where the status is no column.
    var waitingConditions: [String]? {
        rows.column("status").map { column in
            (rows.profile.statuses["queued"] ?? []).map { "j.\(column) = \(QueueRowSQL.literal($0))" }
        }
    }

    /// Where the switch's functions look for what has no schema in its name, for a trial to find what they find.
    var setPath: String { "SET LOCAL search_path = \(rows.path)" }

    /// The id of a row, one that waits if there is any, which is locked.
    var pick: String {
        "SELECT \(rows.id("p"))::text AS id FROM \(rows.table) p ORDER BY \(rows.waits("p")) DESC LIMIT 1 FOR UPDATE SKIP LOCKED"
    }

    /// The column by which a row is held, and how.
    var mark: (method: QueueHold.Method, column: String) {
        (rows.hold.method, rows.profile.columns[rows.hold.method.rawValue] ?? "")
    }

    /// What a held row has in that column: words, a moment far away, or the name of a queue with its mark.
    var markValues: [String] {
        switch rows.hold.method {
        case .status: rows.newWords
        case .due: [rows.far.replacing("'", with: "")]
        case .queue: [rows.hold.held + "="]
        }
    }

    /// Reads every column and expression of the profile, and no row.
    var probe: String {
        let profile = rows.profile
        let read = QueueProfile.meanings.filter { profile.has($0) }.map { profile.text($0, of: "j") }
        let written = profile.writes.values.joined().map { "j.\(PostgresConnection.identifier($0.column))::text" }
        return "SELECT \((read + written).joined(separator: ", ")) FROM \(rows.table) j LIMIT 0"
    }

    /// Reads what taking reads of each row that waits; nil where only columns are read.
    var proof: String? { rows.proof }

    /// Whether any row has ended, any says when it began, and any is run now; by all types of the table.
    var history: String {
        let (ended, started) = (
            "\(rows.status("j")) IN \(rows.words("success")) OR \(rows.status("j")) IN \(rows.words("failed"))",
            rows.value("started", of: "j").map { "\($0) IS NOT NULL" }
        )
        func any(_ condition: String) -> String { "EXISTS (SELECT FROM \(rows.table) j WHERE \(condition))" }
        return
            "SELECT \(any(ended)) AS ended, \(started.map(any) ?? "NULL::boolean") AS started, \(any("\(rows.status("j")) IN \(rows.words("running"))")) AS running"
    }

    /// Rows with the mark of held or taken ones, by type, where no switch says whose they are; a deferred row is told by its due time alone.
    var marked: String {
        let condition =
            switch rows.hold.method {
            case .status: rows.isOurs("j")
            case .due: "j.\(rows.bare("due")) > '\(rows.floor)'"
            case .queue: rows.marked("j")
            }
        let taken =
            rows.hold.method == .status
            ? rows.isClaimed("j")
            : rows.profile.showsRunning ? "\(rows.status("j")) IN \(rows.words("running"))" : "false"
        return """
            SELECT \(rows.type("j")) AS job_type, count(*) FILTER (WHERE NOT (\(taken))) AS held, count(*) FILTER (WHERE \(taken)) AS taken
            FROM \(rows.table) j WHERE \(condition) GROUP BY 1 ORDER BY 1
            """
    }

    /// SQL for an administrator that frees held rows, in one transaction.
    ///
    /// - Parameters:
    ///   - types: of which types; of all if the table does not say any more what type a row has.
    ///   - names: the table and its columns as they are called now: `table`, `id`, `type`, and the column of the mark; those of the profile if nil.
    ///   - isInstalled: whether schema `bailey` is there.
    func freeing(_ types: [String], names: [String: String]?, isInstalled: Bool) -> String {
        let name = rows.name
        let column = mark.column
        let place = names?["table"] ?? rows.table
        let bare = names.map { $0[mark.method.rawValue] } ?? PostgresConnection.identifier(column)
        let id = names.map { $0["id"] } ?? rows.bare("id")
        let type = names.map { $0["type"].map { "\($0)::text" } } ?? rows.type("j")
        let list = types.map(QueueRowSQL.literal).joined(separator: ", ")
        // What a run has is its own to finish, or a person's to return.
        let isFree =
            isInstalled && mark.method != .status
            ? id.map {
                " AND NOT EXISTS (SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.job = j.\($0)::text AND c.finished_at IS NULL)"
            } ?? "" : ""
        let ofTypes = types.isEmpty ? "" : type.map { " AND \($0) IN (\(list))" } ?? ""
        var lines = ["BEGIN;"]
        if isInstalled, !types.isEmpty {
            lines.append(
                "UPDATE bailey.switch SET state = 'legacy', fence = fence + 1, given_back_at = now(), since = NULL, since_at = NULL, quiet_since = NULL, swept = false WHERE queue = \(name) AND job_type IN (\(list)) AND state <> 'legacy';"
            )
        }
        lines.append("SET LOCAL \"bailey.acting\" = 'on';")
        if let bare {
            switch mark.method {
            case .status:
                lines += rows.pairs.map {
                    "UPDATE \(place) j SET \(bare) = \(QueueRowSQL.literal($0.word)) WHERE j.\(bare)::text = \(QueueRowSQL.literal($0.held))\(ofTypes);"
                }
            case .due where isInstalled && id != nil:
                let kept = "FROM bailey.held h WHERE h.queue = \(name) AND h.job = j.\(id ?? "")::text"
                lines.append(
                    "UPDATE \(place) j SET \(bare) = (SELECT h.due::\(rows.momentType(rows.profile.kind("due"))) \(kept)) WHERE j.\(bare) > '\(rows.floor)' AND EXISTS (SELECT \(kept))\(isFree)\(ofTypes);"
                )
            case .due:
                // When they had been due went with schema bailey.
                let due = rows.profile.expressions["due"] == nil ? "NULL" : rows.moment("now()", of: "due")
                lines.append("UPDATE \(place) j SET \(bare) = \(due) WHERE j.\(bare) > '\(rows.floor)'\(ofTypes);")
            case .queue:
                let lane = "j.\(bare)::text"
                let length = rows.hold.held.unicodeScalars.count
                lines.append(
                    "UPDATE \(place) j SET \(bare) = CASE WHEN length(\(lane)) > \(length) THEN substr(\(lane), \(length + 2)) END WHERE starts_with(\(lane), \(QueueRowSQL.literal(rows.hold.held)))\(isFree)\(ofTypes);"
                )
            }
        }
        return (lines + ["COMMIT;"]).joined(separator: "\n") + "\n"
    }

    private var own: String {
        let many = rows.guarding
        return [
            "-- The functions and triggers of one queue.", rows.guards, rows.arrival, many.holdBatch, many.look,
            many.take, many.isDue, many.finish, many.giveUp, rows.triggers,
        ]
        .filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private var register: String {
        """
        DROP FUNCTION IF EXISTS \(rows.function("release"))(text);
        -- Rows that are held would not be known by another mark.
        DO $bailey$ BEGIN
            IF EXISTS (SELECT FROM bailey.queue q, (SELECT \(rows.layout.replacing("t.oid", with: "0::oid")) AS layout) n
                WHERE q.queue = \(rows.name) AND q.layout <> '{}'
                    AND q.layout - 'columns' - 'zone' - 'floor' - 'due_type' - 'path' IS DISTINCT FROM n.layout - 'columns' - 'zone' - 'floor' - 'due_type' - 'path')
                AND EXISTS (SELECT FROM bailey.switch s WHERE s.queue = \(rows.name) AND s.state <> 'legacy') THEN
                RAISE EXCEPTION 'BAILEY: jobs are held in another way' USING ERRCODE = 'object_in_use';
            END IF;
        END $bailey$;
        INSERT INTO bailey.queue (queue, on_table, digest, relation, layout)
        SELECT \(rows.name), \(QueueRowSQL.literal(table)), \(QueueRowSQL.literal(digest)), t.oid, \(rows.layout)
        FROM (SELECT \(QueueRowSQL.literal(rows.table))::regclass::oid AS oid) t
        ON CONFLICT (queue) DO UPDATE SET on_table = excluded.on_table, digest = excluded.digest, relation = excluded.relation,
            layout = excluded.layout, installed_at = now(), installed_by = session_user;
        """
    }
}
