import Legacy
import Postgres

/// The functions of one queue that change its rows.
extension QueueRowSQL {
    private func set(_ changes: [String]) -> String { changes.joined(separator: ", ") }

    private func identifier(_ meaning: String) -> String? {
        profile.columns[meaning].map(PostgresConnection.identifier)
    }

    private var finished: [String] { [identifier("finished").map { "\($0) = clock_timestamp()" }].compactMap { $0 } }

    private var errorText: [String] { [identifier("error").map { "\($0) = left(the_error, 2000)" }].compactMap { $0 } }

    private var lockedSwitch: String {
        "SELECT * INTO switch FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type"
    }

    /// Holds waiting rows that legacy has not begun.
    var holdBatch: String {
        let picked = """
            SELECT \(id("j")) AS id\(hold.method == .due ? ", \(column("due", of: "j") ?? "NULL")::text AS due" : "") FROM \(table) j
                    WHERE \(type("j")) = the_type AND \(waits("j")) AND NOT \(begun("j")) AND bailey.bucket(\(id("j"))::text) < switch.share
                    LIMIT most FOR UPDATE SKIP LOCKED
            """
        let kept = hold.method == .due ? ", kept AS (\n        \(keep("picked"))\n    )" : ""
        return """
            CREATE OR REPLACE FUNCTION \(function("hold"))(the_type text, most integer) RETURNS integer LANGUAGE plpgsql
            \(safe) \(QueueRowSQL.acting) AS $bailey$
            DECLARE
                switch bailey.switch;
                number integer;
            BEGIN
                \(lockedSwitch) = the_type FOR SHARE;
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
        let attempts = column("attempts", of: "j").map { "coalesce(\($0), 0)" }
        var changes = claiming
        if let started = identifier("started") { changes.append("\(started) = clock_timestamp()") }
        if runs, let column = identifier("attempts"), let attempts { changes.append("\(column) = \(attempts) + 1") }
        // A row that changes nothing else is locked all the same.
        if changes.isEmpty { changes.append("\(bare("status")) = \(status("j"))") }
        let attempt = attempts.map { runs ? $0 : "\($0) + 1" } ?? "1"
        let keys = order.enumerated().map { "j.\($1.column) AS o\($0)" }.joined(separator: ", ")
        let sorted = order.map { "j.\($0.column)\($0.down ? " DESC" : "")" }.joined(separator: ", ")
        let sortedAgain = order.enumerated().map { "t.o\($0)\($1.down ? " DESC" : "")" }.joined(separator: ", ")
        let names = order.indices.map { "p.o\($0)" }.joined(separator: ", ")
        return """
            CREATE OR REPLACE FUNCTION \(function("take"))(the_type text, the_run text, most integer)
            RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
            \(safe) \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                switch bailey.switch;
            BEGIN
                -- Two takes of one run, as after a lost answer, go one after the other.
                PERFORM pg_advisory_xact_lock(hashtextextended('bailey.take ' || the_run || ' ' || the_type, 0));
                \(lockedSwitch) = the_type FOR SHARE;
                IF switch.state = 'airflow' AND NOT EXISTS (
                    SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.run = the_run AND c.job_type = the_type
                ) THEN
                    -- Rows that slipped in as the switch closed; of a worker that does not lock rows they stay legacy's.
                    IF NOT switch.drain THEN
                        PERFORM \(function("hold"))(the_type, most);
                    END IF;
                    WITH picked AS (
                        SELECT \(id("j")) AS id, \(column("started", of: "j").map { "\($0)::text" } ?? "NULL::text") AS was_started,
                            \(status("j"))::text AS was_status, \(keys) FROM \(table) j
                        WHERE \(type("j")) = the_type AND \(isHeld("j")) AND \(due("j"))
                        ORDER BY \(sorted) LIMIT most FOR UPDATE SKIP LOCKED
                    ), taken AS (
                        UPDATE \(table) j SET \(set(changes)) FROM picked p WHERE \(id("j")) = p.id
                        RETURNING p.id, p.was_started, p.was_status, \(names), \(column("payload", of: "j") ?? "NULL")::text AS payload,
                            \(attempt) AS attempt, \(column("key", of: "j") ?? "NULL")::text AS key
                    )
                    INSERT INTO bailey.claim (queue, job, job_type, run, fence, attempt, key, payload, was_started, was_status)
                    SELECT \(name), t.id::text, the_type, the_run, switch.fence, t.attempt, t.key, bailey.parsed(t.payload), t.was_started, t.was_status
                    FROM taken t ORDER BY \(sortedAgain);
                    DELETE FROM bailey.claim c WHERE c.place IN (
                        SELECT d.place FROM bailey.claim d WHERE d.queue = \(name) AND d.finished_at < now() - interval '90 days' LIMIT 200
                    );
                END IF;
                RETURN QUERY SELECT c.job, c.payload, c.attempt, c.key FROM bailey.claim c
                    WHERE c.queue = \(name) AND c.run = the_run AND c.job_type = the_type AND c.finished_at IS NULL ORDER BY c.place;
            END $bailey$;
            """
    }

    /// Settles one job of a run.
    var finish: String {
        let done = set([statusIs(word("success"))] + finished + freeing("j"))
        let failed = set([statusIs(word("failed"))] + finished + errorText + freeing("j"))
        return """
            CREATE OR REPLACE FUNCTION \(function("finish"))(the_job text, the_run text, the_state text, the_error text) RETURNS text LANGUAGE plpgsql
            \(safe) \(QueueRowSQL.acting) AS $bailey$
            DECLARE
                switch bailey.switch;
                claim bailey.claim;
                the_id \(table).\(bare("id"))%TYPE := the_job;
                mine boolean;
                said text;\(hold.retries == nil ? "" : "\n    done integer;\n    most integer;\n    next_due timestamptz;")
            BEGIN
                SELECT * INTO claim FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND c.run = the_run;
                IF NOT FOUND THEN
                    RETURN 'unknown';
                END IF;
                \(lockedSwitch) = claim.job_type FOR SHARE;
                SELECT * INTO claim FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND c.run = the_run FOR UPDATE;
                IF claim.finished_at IS NOT NULL THEN
                    RETURN claim.outcome;
                END IF;
                SELECT \(isClaimed("j"))\(retryColumns) INTO mine\(hold.retries == nil ? "" : ", done, most")
                FROM \(table) j WHERE \(id("j")) = the_id FOR UPDATE;
                IF mine IS NOT TRUE THEN
                    said := 'overtaken';
                ELSIF the_state = 'success' THEN
                    said := 'success';
                    UPDATE \(table) j SET \(done) WHERE \(id("j")) = the_id;
                \(retry.indented(4))ELSE
                    said := 'failed';
                    UPDATE \(table) j SET \(failed) WHERE \(id("j")) = the_id;
                END IF;
                \(forget("said <> 'retry'", job: "the_job").indented(4))UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = said, error = left(the_error, 2000), payload = NULL
                WHERE c.place = claim.place;
                RETURN said;
            END $bailey$;
            """
    }

    private var retryColumns: String {
        guard let retries = hold.retries else { return "" }
        let most = column("max_attempts", of: "j").map { "coalesce(\($0), \(retries.limit))" } ?? "\(retries.limit)"
        return ", coalesce(\(column("attempts", of: "j") ?? "0"), 0), \(most)"
    }

    private var retry: String {
        guard let retries = hold.retries else { return "" }
        // What the attempts column says of runs includes the one that failed.
        let before = retries.counts == .runs ? "greatest(done - 1, 0)" : "done"
        let counted = retries.counts == .runs ? [] : ["\(bare("attempts")) = done + 1"]
        let dueColumn = hold.method == .due ? nil : identifier("due").map { "\($0) = next_due" }
        let common = (counted + [dueColumn].compactMap { $0 } + errorText)
        let heldWord = hold.method == .status ? ["\(bare("status")) = \(QueueRowSQL.literal(hold.held))"] : []
        let freed = hold.method == .due ? ["\(bare("due")) = next_due"] : freeing("j")
        let again = heldWord + common.isEmpty(or: ["\(bare("status")) = \(status("j"))"])
        let keepDue =
            hold.method == .due
            ? "\n        INSERT INTO bailey.held (queue, job, due) VALUES (\(name), the_job, next_due::\(profile.naiveTimestamps ? "timestamp" : "timestamptz")::text)\n        ON CONFLICT (queue, job) DO UPDATE SET due = excluded.due;"
            : ""
        return """
            ELSIF done < most THEN
                next_due := clock_timestamp() + least(\(retries.delay) * \(retries.backoff)::float8 ^ \(before), \(retries.maximumDelay)) * interval '1 second';
                IF switch.state IN ('closing', 'airflow') THEN
                    said := 'retry';
                    UPDATE \(table) j SET \(set(again)) WHERE \(id("j")) = the_id;\(keepDue)
                ELSE
                    said := 'released';
                    UPDATE \(table) j SET \(set([statusIs(word("queued"))] + freed + common)) WHERE \(id("j")) = the_id;
                END IF;

            """
    }

    private func statusIs(_ word: String) -> String { "\(bare("status")) = \(word)" }

    /// Forgets the due time that was kept of a row that is deferred no longer.
    private func forget(_ condition: String, job: String) -> String {
        guard hold.method == .due else { return "" }
        return """
            IF \(condition) THEN
                DELETE FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(job);
            END IF;

            """
    }

    /// Gives held rows of a type back as they were.
    var release: String {
        let forgotten =
            hold.method == .due
            ? """

                DELETE FROM bailey.held h WHERE h.queue = \(name) AND NOT EXISTS (
                    SELECT FROM \(table) j WHERE \(id("j"))::text = h.job AND \(isOurs("j"))
                );
            """ : ""
        return """
            CREATE OR REPLACE FUNCTION \(function("release"))(the_type text) RETURNS bigint LANGUAGE plpgsql
            \(safe) \(QueueRowSQL.acting) AS $bailey$
            DECLARE
                number bigint;
            BEGIN
                -- A row whose type was changed while it was held goes with the first giving back.
                UPDATE \(table) j SET \(set(releasing("j")))
                WHERE \(isHeld("j")) AND (\(type("j")) IS NOT DISTINCT FROM the_type OR NOT EXISTS (
                    SELECT FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = \(type("j")) AND s.state <> 'legacy'
                ));
                GET DIAGNOSTICS number = ROW_COUNT;\(forgotten)
                RETURN number;
            END $bailey$;
            """
    }

    /// Returns the claims of runs that a person calls dead.
    var giveUp: String {
        let started =
            identifier("started").map {
                ["\($0) = claim.was_started::\(profile.naiveTimestamps ? "timestamp" : "timestamptz")"]
            } ?? []
        let attempts = hold.retries?.counts == .runs ? ["\(bare("attempts")) = claim.attempt - 1"] : []
        let heldAgain = hold.method == .status ? ["\(bare("status")) = claim.was_status"] : []
        let nothing = ["\(bare("status")) = \(status("j"))"]
        return """
            CREATE OR REPLACE FUNCTION \(function("give_up"))(the_type text, the_runs text[], the_operator text) RETURNS bigint LANGUAGE plpgsql
            \(safe) \(QueueRowSQL.acting) AS $bailey$
            DECLARE
                switch bailey.switch;
                claim bailey.claim;
                the_id \(table).\(bare("id"))%TYPE;
                number bigint := 0;
            BEGIN
                \(lockedSwitch) = the_type FOR UPDATE;
                FOR claim IN SELECT * FROM bailey.claim c
                    WHERE c.queue = \(name) AND c.job_type = the_type AND c.run = ANY (the_runs) AND c.finished_at IS NULL ORDER BY c.place FOR UPDATE
                LOOP
                    the_id := claim.job;
                    UPDATE \(table) j SET \(set((heldAgain + started + attempts).isEmpty(or: nothing)))
                    WHERE \(id("j")) = the_id AND \(isClaimed("j"));
                    UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = 'returned', error = 'returned by ' || the_operator, payload = NULL
                    WHERE c.place = claim.place;
                    IF switch.state IS DISTINCT FROM 'airflow' AND switch.state IS DISTINCT FROM 'closing' THEN
                        UPDATE \(table) j SET \(set(releasing("j"))) WHERE \(id("j")) = the_id AND \(isHeld("j"));
                        \(forget("FOUND", job: "claim.job").indented(12))
                    END IF;
                    number := number + 1;
                END LOOP;
                RETURN number;
            END $bailey$;
            """
    }

    /// How many rows of a type are where.
    var look: String {
        let started = column("started", of: "j")
        return """
            CREATE OR REPLACE FUNCTION \(function("look"))(the_type text)
            RETURNS TABLE (waiting bigint, outside bigint, retries bigint, held bigint, due bigint, claimed bigint, running bigint, stuck bigint, last_begun timestamptz)
            LANGUAGE sql STABLE \(safe) AS $bailey$
                WITH switch AS (
                    SELECT coalesce((SELECT s.share FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = the_type AND s.state <> 'legacy'), 100) AS share
                ), row AS (
                    SELECT bailey.bucket(\(id("j"))::text) < switch.share AS ours, \(waits("j")) AS waits, \(begun("j")) AS begun,
                        \(isHeld("j")) AS held, \(isClaimed("j")) AS claimed, \(status("j")) IN \(words("running")) AS running, \(due("j")) AS due,
                        \(started.map { "coalesce(\($0) < now() - interval '\(hold.stuckAfter) seconds', false)" } ?? "false") AS old,
                        \(started.map { "\($0)::timestamptz" } ?? "NULL::timestamptz") AS started
                    FROM \(table) j, switch WHERE \(type("j")) = the_type
                )
                SELECT count(*) FILTER (WHERE waits AND NOT begun AND ours), count(*) FILTER (WHERE waits AND NOT begun AND NOT ours),
                    count(*) FILTER (WHERE waits AND begun), count(*) FILTER (WHERE held), count(*) FILTER (WHERE held AND due),
                    count(*) FILTER (WHERE claimed), count(*) FILTER (WHERE running AND ours AND NOT old),
                    count(*) FILTER (WHERE running AND ours AND old), max(started) FILTER (WHERE ours AND isfinite(started))
                FROM row
            $bailey$;
            """
    }
}

extension [String] {
    /// These, or others if there are none.
    fileprivate func isEmpty(or others: [String]) -> [String] { isEmpty ? others : self }
}
