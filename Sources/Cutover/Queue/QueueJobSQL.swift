import Legacy
import Postgres

/// The functions of one queue that change its rows. Where a name could be a column's and a variable's it is the column's, because a profile's
/// expressions name columns; so a variable that stands beside them has a name that no table's column has.
extension QueueRowSQL {
    private func set(_ changes: [String]) -> String { changes.joined(separator: ", ") }

    private func now(_ meaning: String) -> String { moment("clock_timestamp()", of: meaning) }

    private func lockedSwitch(_ strength: String) -> String {
        "SELECT * INTO switch FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = bailey_type FOR \(strength)"
    }

    /// A row's attempts; nil where the table does not say.
    private var attempts: String? { profile.count("attempts", of: "j") }

    /// An assignment that changes nothing.
    private var nothing: String { "\(bare(hold.method.rawValue)) = j.\(bare(hold.method.rawValue))" }

    /// Holds waiting rows that legacy has not begun.
    var holdBatch: String {
        let picked = """
            SELECT \(id("j")) AS id\(hold.method == .due ? ", j.\(bare("due"))::text AS due" : "") FROM \(table) j
                    WHERE \(type("j")) = bailey_type AND \(waits("j")) AND NOT \(begun("j")) AND bailey.bucket(\(id("j"))::text) < switch.share
                    LIMIT bailey_most FOR UPDATE SKIP LOCKED
            """
        let kept = hold.method == .due ? ", kept AS (\n        \(keep("picked"))\n    )" : ""
        return """
            CREATE OR REPLACE FUNCTION \(function("hold"))(the_type text, most integer) RETURNS integer LANGUAGE plpgsql
            \(safeForWriting) \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                bailey_type ALIAS FOR the_type;
                bailey_most ALIAS FOR most;
                switch bailey.switch;
                number integer;
            BEGIN
                \(lockedSwitch("KEY SHARE"));
                IF switch.state IS NULL OR switch.state = 'legacy' THEN
                    RETURN 0;
                END IF;
                WITH picked AS (
                    \(picked)
                )\(kept)
                UPDATE \(table) j SET \(set(holding("j"))) FROM picked p WHERE \(id("j")) = p.id;
                GET DIAGNOSTICS number = ROW_COUNT;
                RETURN number;
            END $bailey$;
            """
    }

    /// Takes held rows that are due.
    var take: String {
        let runs = hold.retries?.counts == .runs
        var changes = taking
        if runs, let column = column("attempts"), let counted = profile.countedUp("attempts", of: "j") {
            changes.append("\(column) = \(counted)")
        }
        // A row that changes nothing else is locked all the same.
        if changes.isEmpty { changes.append(nothing) }
        let attempt = attempts.map { runs ? $0 : "\($0) + 1" } ?? "1"
        let keys = order.enumerated().map { "j.\($1.column) AS o\($0)" }.joined(separator: ", ")
        let sorted = order.map { "j.\($0.column)\($0.down ? " DESC" : "")" }.joined(separator: ", ")
        let sortedAgain = order.enumerated().map { "t.o\($0)\($1.down ? " DESC" : "")" }.joined(separator: ", ")
        let names = order.indices.map { "p.o\($0)" }.joined(separator: ", ")
        // Nothing in a row tells then that another run has it, so what runs take goes one after the other.
        let alone =
            hold.method != .status && !profile.showsRunning
            ? "\n    PERFORM pg_advisory_xact_lock(hashtextextended('bailey.takes ' || \(name) || ' ' || the_type, 0));"
            : ""
        let logged =
            logging("running", error: "NULL", from: "\(table) j JOIN picked p ON \(id("j")) = p.id")
            .map { ", logged AS (\n            \($0)\n        )" } ?? ""
        return """
            CREATE OR REPLACE FUNCTION \(function("take"))(the_type text, the_run text, most integer)
            RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
            \(safeForWriting) SET bytea_output = 'hex' \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                bailey_type ALIAS FOR the_type;
                bailey_most ALIAS FOR most;
                switch bailey.switch;
            BEGIN
                -- Two takes of one run, as after a lost answer, go one after the other.
                PERFORM pg_advisory_xact_lock(hashtextextended('bailey.take ' || the_run || ' ' || the_type, 0));\(alone)
                \(lockedSwitch("KEY SHARE"));
                IF switch.state = 'airflow' AND NOT EXISTS (
                    SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.run = the_run AND c.job_type = the_type
                ) THEN
                    -- Rows that slipped in as the switch closed; of a worker that does not lock rows they stay legacy's.
                    IF NOT switch.drain THEN
                        PERFORM \(function("hold"))(the_type, most);
                    END IF;
                    WITH picked AS (
                        SELECT \(id("j")) AS id, \(profile.text("started", of: "j")) AS was_started,
                            \(status("j")) AS was_status, \(keys) FROM \(table) j
                        WHERE \(type("j")) = bailey_type AND \(isHeld("j")) AND \(due("j"))
                        ORDER BY \(sorted) LIMIT bailey_most FOR UPDATE SKIP LOCKED
                    ), taken AS (
                        UPDATE \(table) j SET \(set(changes)) FROM picked p WHERE \(id("j")) = p.id
                        RETURNING p.id, p.was_started, p.was_status, \(names), \(profile.text("payload", of: "j")) AS payload,
                            \(attempt) AS attempt, \(profile.text("key", of: "j")) AS key
                    )\(logged)
                    INSERT INTO bailey.claim (queue, job, job_type, run, fence, attempt, key, payload, stored, was_started, was_status)
                    SELECT \(name), t.id::text, bailey_type, the_run, switch.fence, t.attempt, t.key, bailey.parsed(t.payload), t.payload, t.was_started, t.was_status
                    FROM taken t ORDER BY \(sortedAgain);
                    DELETE FROM bailey.claim c WHERE c.place IN (
                        SELECT d.place FROM bailey.claim d WHERE d.queue = \(name) AND d.finished_at < now() - interval '90 days' LIMIT 200
                    );
                END IF;
                RETURN QUERY SELECT c.job, c.payload, c.attempt, c.key FROM bailey.claim c
                    WHERE c.queue = \(name) AND c.run = the_run AND c.job_type = bailey_type AND c.finished_at IS NULL ORDER BY c.place;
            END $bailey$;
            """
    }

    /// A row by its id's text: of the column's own type, whatever that is when it is asked.
    private var theRow: String { "\(id("j")) = \(typed("id", "bailey_job"))" }

    /// Settles one job of a run.
    var finish: String {
        let at = "clock_timestamp()"
        let done = ending("success", profile.writing("success", at: at) + freeing("j"))
        let failed = ending(
            "failed",
            profile.writing("failed", at: at) + profile.writingError("bailey_error") + freeing("j")
        )
        return """
            CREATE OR REPLACE FUNCTION \(function("finish"))(the_job text, the_run text, the_state text, the_error text) RETURNS text LANGUAGE plpgsql
            \(safeForWriting) \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                bailey_job ALIAS FOR the_job;
                bailey_error ALIAS FOR the_error;
                switch bailey.switch;
                claim bailey.claim;
                bailey_type text;
                mine boolean;
                said text;\(hold.retries == nil ? "" : "\n    bailey_done integer;\n    bailey_most integer;\n    bailey_next timestamptz;")
            BEGIN
                SELECT c.job_type INTO bailey_type FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND c.run = the_run;
                IF NOT FOUND THEN
                    RETURN 'unknown';
                END IF;
                \(lockedSwitch("KEY SHARE"));
                SELECT * INTO claim FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND c.run = the_run FOR UPDATE;
                IF claim.finished_at IS NOT NULL THEN
                    RETURN claim.outcome;
                END IF;
                SELECT \(isClaimed("j"))\(retryColumns) INTO mine\(hold.retries == nil ? "" : ", bailey_done, bailey_most")
                FROM \(table) j WHERE \(theRow) FOR UPDATE;
                IF mine IS NOT TRUE THEN
                    said := 'overtaken';
                ELSIF the_state = 'success' THEN
                    said := 'success';
                    \(done.indented(8))
                \(retry.indented(4))ELSE
                    said := 'failed';
                    \(failed.indented(8))
                END IF;
                \(forget("said <> 'retry'", job: "the_job").indented(4))UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = said, error = left(the_error, 2000), payload = NULL, stored = NULL
                WHERE c.place = claim.place;
                RETURN said;
            END $bailey$;
            """
    }

    /// What writes the end of a job's row, and tells of it.
    private func ending(_ state: String, _ changes: [String]) -> String {
        let log = logging(state, error: "bailey_error", from: "\(table) j WHERE \(theRow)").map { "\($0);\n" } ?? ""
        return log
            + (hold.deletes.contains(state)
                ? "DELETE FROM \(table) j WHERE \(theRow);" : "UPDATE \(table) j SET \(set(changes)) WHERE \(theRow);")
    }

    private var retryColumns: String {
        guard let retries = hold.retries else { return "" }
        let most =
            profile.count("max_attempts", of: "j").map {
                "CASE WHEN \(value("max_attempts", of: "j") ?? "NULL") IS NULL THEN \(retries.limit) ELSE \($0) END"
            } ?? "\(retries.limit)"
        return ", \(attempts ?? "0"), \(most)"
    }

    private var retry: String {
        guard let retries = hold.retries else { return "" }
        // What the attempts column says of runs includes the one that failed.
        let before = retries.counts == .runs ? "greatest(bailey_done - 1, 0)" : "bailey_done"
        let counted =
            retries.counts == .runs
            ? [] : profile.countedUp("attempts", of: "j").map { ["\(bare("attempts")) = \($0)"] } ?? []
        let next = moment("bailey_next", of: "due")
        let dueColumn = hold.method == .due ? [] : column("due").map { ["\($0) = \(next)"] } ?? []
        let common = counted + dueColumn + profile.writingError("bailey_error")
        let queued = profile.writing("queued", at: "clock_timestamp()")
        let heldWord = hold.method == .status ? ["\(bare("status")) = \(QueueRowSQL.literal(hold.held))"] : queued
        let freed = hold.method == .due ? ["\(bare("due")) = \(next)"] : freeing("j")
        let again = (heldWord + common).isEmpty(or: [nothing])
        let keepDue =
            hold.method == .due
            ? "\n        INSERT INTO bailey.held (queue, job, due) VALUES (\(name), bailey_job, (\(next))::\(momentType(profile.kind("due")))::text)\n        ON CONFLICT (queue, job) DO UPDATE SET due = excluded.due;"
            : ""
        let told =
            logging("queued", error: "bailey_error", from: "\(table) j WHERE \(theRow)").map { "\n    \($0);" } ?? ""
        return """
            ELSIF bailey_done < bailey_most THEN\(told)
                bailey_next := clock_timestamp() + \(retries.wait(after: before)) * interval '1 second';
                IF switch.state IN ('closing', 'airflow') THEN
                    said := 'retry';
                    UPDATE \(table) j SET \(set(again)) WHERE \(theRow);\(keepDue)
                ELSE
                    said := 'released';
                    UPDATE \(table) j SET \(set(queued + freed + common)) WHERE \(theRow);
                END IF;

            """
    }

    /// Forgets the due time that was kept of a row that is deferred no longer.
    private func forget(_ condition: String, job: String) -> String {
        guard hold.method == .due else { return "" }
        return """
            IF \(condition) THEN
                DELETE FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(job);
            END IF;

            """
    }

    /// Returns the claims of runs that a person calls dead.
    var giveUp: String {
        let started =
            column("started").map { ["\($0) = claim.was_started::\(momentType(profile.kind("started")))"] } ?? []
        let attempts =
            hold.retries?.counts == .runs ? column("attempts").map { ["\($0) = claim.attempt - 1"] } ?? [] : []
        let heldAgain =
            hold.method == .status
            ? ["\(bare("status")) = \(wordAgain)"]
            : profile.showsRunning ? profile.writing("queued", at: "clock_timestamp()") : []
        return """
            CREATE OR REPLACE FUNCTION \(function("give_up"))(the_type text, the_runs text[], the_operator text) RETURNS bigint LANGUAGE plpgsql
            \(safeForWriting) \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                bailey_type ALIAS FOR the_type;
                switch bailey.switch;
                claim bailey.claim;
                bailey_job text;
                number bigint := 0;
            BEGIN
                \(lockedSwitch("NO KEY UPDATE"));
                FOR claim IN SELECT * FROM bailey.claim c
                    WHERE c.queue = \(name) AND c.job_type = bailey_type AND c.run = ANY (the_runs) AND c.finished_at IS NULL ORDER BY c.place FOR UPDATE
                LOOP
                    bailey_job := claim.job;
                    UPDATE \(table) j SET \(set((heldAgain + started + attempts).isEmpty(or: [nothing])))
                    WHERE \(theRow) AND \(isClaimed("j"));
                    UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = 'returned', error = 'returned by ' || the_operator, payload = NULL, stored = NULL
                    WHERE c.place = claim.place;
                    IF switch.state IS DISTINCT FROM 'airflow' AND switch.state IS DISTINCT FROM 'closing' THEN
                        UPDATE \(table) j SET \(set(releasing("j"))) WHERE \(theRow) AND \(isHeld("j"));
                        \(forget("FOUND", job: "claim.job").indented(12))
                    END IF;
                    number := number + 1;
                END LOOP;
                RETURN number;
            END $bailey$;
            """
    }

    /// The word that a claimed row was held under.
    private var wordAgain: String {
        profile.kind("status") == .text ? "claim.was_status" : typed("status", "claim.was_status")
    }

    /// How many rows of a type are where.
    var look: String {
        let started = value("started", of: "j").map { _ in profile.instant("started", of: "j") }
        // A row that shows as running may be a run's.
        let running =
            "\(status("j")) IN \(words("running"))" + (profile.showsRunning ? " AND NOT \(isOurs("j"))" : "")
        // Of what has ended only a start could say something, and a table may keep it for ever.
        let open =
            started == nil
            ? " AND (\(waits("j")) OR \(isOurs("j")) OR \(status("j")) IN \(words("running")))" : ""
        return """
            CREATE OR REPLACE FUNCTION \(function("look"))(the_type text)
            RETURNS TABLE (waiting bigint, outside bigint, retries bigint, held bigint, due bigint, claimed bigint, running bigint, stuck bigint, last_begun timestamptz)
            LANGUAGE sql STABLE \(safe) AS $bailey$
                WITH switch AS (
                    SELECT coalesce((SELECT s.share FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = the_type AND s.state <> 'legacy'), 100) AS share
                ), row AS (
                    SELECT bailey.bucket(\(id("j"))::text) < switch.share AS ours, \(waits("j")) AS waits, \(begun("j")) AS begun,
                        \(isHeld("j")) AS held, \(isClaimed("j")) AS claimed, \(running) AS running, \(due("j")) AS due,
                        \(started.map { "coalesce(\($0) < now() - interval '\(hold.stuckAfter) seconds', false)" } ?? "false") AS old,
                        \(started ?? "NULL::timestamptz") AS started
                    FROM \(table) j, switch WHERE \(type("j")) = the_type\(open)
                )
                SELECT count(*) FILTER (WHERE waits AND NOT begun AND ours), count(*) FILTER (WHERE waits AND NOT begun AND NOT ours),
                    count(*) FILTER (WHERE waits AND begun), count(*) FILTER (WHERE held), count(*) FILTER (WHERE held AND due),
                    count(*) FILTER (WHERE claimed), count(*) FILTER (WHERE running AND ours AND NOT old),
                    count(*) FILTER (WHERE running AND ours AND old), max(started) FILTER (WHERE ours)
                FROM row
            $bailey$;
            """
    }
}

extension [String] {
    /// These, or others if there are none.
    fileprivate func isEmpty(or others: [String]) -> [String] { isEmpty ? others : self }
}
