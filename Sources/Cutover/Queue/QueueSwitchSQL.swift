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
    /// - Throws: `QueueSwitchError` with the code `no-hold` if the profile does not say how to hold, or `bad-profile`.
    public init(queue: String, profile: QueueProfile, timezone: String) throws(QueueSwitchError) {
        guard let hold = profile.hold else {
            throw QueueSwitchError(
                .noHold,
                queue: queue,
                operation: "making the switch",
                found: "profile \(profile.name) does not say how a row is held",
                advice: "Add “hold” to mappings/profiles/\(profile.name).yaml; see docs/configuration.md"
            )
        }
        let texts =
            [queue, profile.table, timezone] + profile.columns.values + profile.statuses.values.joined() + hold.order
        let parts = profile.table.split(separator: ".", omittingEmptySubsequences: false)
        guard !(texts + [hold.held, hold.claimed]).contains(where: { $0.contains("$bailey$") || $0.contains("\0") }),
            parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), queue.utf8.count <= 40
        else {
            throw QueueSwitchError(
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
    public var digest: String { StableDigest(QueueSwitchSchema.all + own).description }

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
            "release(text)",
            "give_up(text, text[], text)", "arrival()",
        ]
        let drops = functions.map { function in
            let (verb, arguments) = (function.prefix { $0 != "(" }, function.drop { $0 != "(" })
            return "DROP FUNCTION IF EXISTS \(rows.function(String(verb)))\(arguments);"
        }
        return """
            SET LOCAL lock_timeout = '2s';
            DROP TRIGGER IF EXISTS bailey_arrival ON \(rows.table);
            DROP TRIGGER IF EXISTS bailey_change ON \(rows.table);
            -- Dropping a trigger has locked the table, so nothing arrives any more.
            DO $bailey$ BEGIN
                IF EXISTS (SELECT FROM bailey.switch WHERE queue = \(rows.name) AND state <> 'legacy')
                    OR EXISTS (SELECT FROM bailey.claim WHERE queue = \(rows.name) AND finished_at IS NULL)
                    OR EXISTS (SELECT FROM \(rows.table) j WHERE \(rows.isOurs("j"))) THEN
                    RAISE EXCEPTION 'BAILEY: jobs are held or claimed still' USING ERRCODE = 'object_in_use';
                END IF;
            END $bailey$;
            \(drops.joined(separator: "\n"))
            DELETE FROM bailey.switch WHERE queue = \(rows.name);
            DELETE FROM bailey.claim WHERE queue = \(rows.name);
            DELETE FROM bailey.held WHERE queue = \(rows.name);
            DELETE FROM bailey.sighting WHERE queue = \(rows.name);
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

    /// The status words that holding writes, and the status column; none if it leaves the status alone.
    var newWords: (column: String, words: [String]) { (rows.profile.columns["status"] ?? "", rows.newWords) }

    /// Statements that hold and claim one row, a waiting one if there is any; to be rolled back.
    var trial: [String] {
        let pick = """
            (SELECT \(rows.id("p")) FROM \(rows.table) p ORDER BY \(rows.waits("p")) DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
            """
        return ["\(rows.bare("status")) = \(rows.word("queued"))", rows.holding("r").joined(separator: ", ")].map {
            change in
            "UPDATE \(rows.table) r SET \(change) WHERE \(rows.id("r")) = \(pick)"
        } + rows.claiming.map { "UPDATE \(rows.table) r SET \($0) WHERE \(rows.id("r")) = \(pick)" }
    }

    private var own: String {
        [
            "-- The functions and triggers of one queue.", rows.arrival, rows.holdBatch, rows.look, rows.take,
            rows.finish,
            rows.release, rows.giveUp, rows.triggers,
        ]
        .joined(separator: "\n\n")
    }

    private var register: String {
        """
        INSERT INTO bailey.queue (queue, on_table, digest) VALUES (\(rows.name), \(QueueRowSQL.literal(table)), \(QueueRowSQL.literal(digest)))
        ON CONFLICT (queue) DO UPDATE SET on_table = excluded.on_table, digest = excluded.digest, installed_at = now(), installed_by = session_user;
        """
    }
}

extension QueueSwitchSchema {
    /// All of it.
    static var all: String { [tables, helpers, moving, running, retiring].joined(separator: "\n\n") }
}
