import Legacy
import Postgres

/// The triggers of a queue's table, and their functions. They depend on no column, so that the application may change every one of them; and
/// an error in them never stops the application: the row passes as it is, and the error is kept in `bailey.sighting`.
extension QueueRowSQL {
    /// What precedes the body of each function that changes rows.
    static let acting = "SET lock_timeout = '10s'"

    var safe: String { safe(path: "pg_catalog, pg_temp") }

    /// The same of a function that writes rows, on which the application's own triggers fire.
    var safeForWriting: String { safe(path: path) }

    /// Where what writes rows finds what has no schema in its name: PostgreSQL's own first.
    var path: String {
        hold.hasSearchPath ? "pg_catalog, \(PostgresConnection.identifier(schema)), pg_temp" : "pg_catalog, pg_temp"
    }

    private func safe(path: String) -> String {
        "SECURITY DEFINER SET search_path = \(path) SET datestyle = 'ISO' SET timezone = \(QueueRowSQL.literal(timezone))"
    }

    /// Whether a row has begun anew, as far as the table tells.
    private var sameRun: String {
        let running = "\(status("old")) IN \(words("running"))"
        guard let old = value("started", of: "old"), let new = value("started", of: "new") else { return running }
        return "\(running) AND \(old) IS NOT DISTINCT FROM \(new)"
    }

    /// Whether an update changes nothing that matters here.
    private var unchanged: String {
        var same = [
            "\(status("new")) IS NOT DISTINCT FROM \(status("old"))",
            "\(type("new")) IS NOT DISTINCT FROM \(type("old"))",
        ]
        if hold.method != .status {
            same.append("new.\(bare(hold.method.rawValue)) IS NOT DISTINCT FROM old.\(bare(hold.method.rawValue))")
        }
        return "(\(same.joined(separator: " AND "))) AND \(status("new")) NOT IN \(words("running"))"
    }

    /// Whether a row that is nobody's but legacy's ends, or becomes something that is none of this switch's.
    private var isOver: String {
        let mark = hold.method == .status ? isOurs("old") : marked("old")
        return
            "NOT (\(mark)) AND \(status("new")) NOT IN \(words("queued")) AND \(status("new")) NOT IN \(words("running"))"
    }

    private func sight(_ what: String) -> String {
        "INSERT INTO bailey.sighting (queue, job, job_type, what, application)\n"
            + "VALUES (\(name), the_job, the_type, \(what), current_setting('application_name'));"
    }

    /// Ends the claims of rows that are gone.
    private func former(_ which: String, _ why: String) -> String {
        """
        UPDATE bailey.claim c SET former = true, payload = NULL, stored = NULL, finished_at = coalesce(c.finished_at, clock_timestamp()),
            outcome = coalesce(c.outcome, 'overtaken'), error = CASE WHEN c.finished_at IS NULL THEN '\(why)' ELSE c.error END
        WHERE c.queue = \(name) AND \(which) AND NOT c.former;
        """
    }

    /// Holds rows that arrive, or come back, for Airflow; keeps rows that a run has from workers that do not lock them.
    var arrival: String {
        let ended = "\(status("old")) IN \(words("success")) OR \(status("old")) IN \(words("failed"))"
        let keeps =
            hold.method == .due
            ? """
                IF kept IS NOT NULL THEN
                    INSERT INTO bailey.held (queue, job, due) VALUES (\(name), the_job, nullif(kept, ''))
                    ON CONFLICT (queue, job) DO UPDATE SET due = excluded.due;
                END IF;

            """ : ""
        let free = inTrigger(releasing("new"))
        return """
            CREATE OR REPLACE FUNCTION \(function("arrival"))() RETURNS trigger LANGUAGE plpgsql
            \(safe) AS $bailey$
            #variable_conflict use_column
            DECLARE
                switch bailey.switch;
                claim bailey.claim;
                the_job text;
                the_type text;
                taken_by text;
                seen text;
                gone boolean := false;
                again boolean := false;\(hold.method == .due ? "\n    kept text;" : "")
            BEGIN
                IF current_setting('bailey.acting', true) = 'on' THEN
                    RETURN new;
                END IF;
                -- What is decided is decided here, and nothing is written; what goes wrong is the switch's trouble and not the application's.
                <<deciding>>
                LOOP BEGIN
                    IF tg_op = 'UPDATE' THEN
                        -- A worker's own step, and changes of what does not matter here.
                        IF (\(status("new")) IN \(words("running")) AND \(waits("old"))) OR (\(unchanged))
                            OR (\(isOver)) THEN
                            RETURN new;
                        END IF;
                        the_job := \(id("old"))::text;
                        the_type := \(type("old"));
                        -- The open claim, or else the latest.
                        SELECT * INTO claim FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND NOT c.former
                        ORDER BY c.finished_at DESC NULLS FIRST, c.place DESC LIMIT 1;
                        IF \(status("new")) IN \(words("running")) THEN
                            \(besides.indented(20))-- A worker that locks rows never begins one that does not wait for it.
                            IF claim.run IS NOT NULL AND (claim.finished_at IS NULL OR \(ended)) THEN
                                taken_by := claim.run;
                            ELSIF NOT (\(sameRun)) THEN
                                seen := \(status("old")) || ' to ' || \(status("new"));
                                \(freeNew.indented(20))
                            END IF;
                            EXIT deciding;
                        END IF;
                        IF claim.run IS NOT NULL AND claim.finished_at IS NULL AND \(isOurs("old")) THEN
                            IF \(status("new")) IN \(words("queued")) THEN
                                -- Queued anew in the middle of a run: it stays the run's.
                                \(requeued.indented(20))
                            ELSIF \(status("new")) IS DISTINCT FROM \(status("old")) THEN
                                seen := 'taken: ' || coalesce(\(status("old")), 'null') || ' to ' || coalesce(\(status("new")), 'null');
                                \(freeNew.indented(20))
                            END IF;
                            EXIT deciding;
                        END IF;
                        IF \(isOurs("old")) AND NOT (\(status("new")) IN \(words("queued")) OR \(isOurs("new"))) THEN
                            -- The application has ended or cancelled a held job; a worker that has run it did not lock it.
                            IF \(status("new")) IN \(words("success")) OR \(status("new")) IN \(words("failed")) THEN
                                seen := 'held: ' || \(status("old")) || ' to ' || \(status("new"));
                            END IF;
                            EXIT deciding;
                        END IF;\(cancelled)
                    ELSE
                        the_job := \(id("new"))::text;
                        -- A claim belongs to its row, not to another one that has got its id.
                        gone := EXISTS (SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.job = the_job AND NOT c.former)
                            AND NOT EXISTS (SELECT FROM \(table) j WHERE \(id("j")) = \(id("new")));
                    END IF;
                    IF NOT (\(status("new")) IN \(words("queued")) OR \(isOurs("new"))) THEN
                        EXIT deciding;
                    END IF;
                    the_type := \(type("new"));
                    -- So that who reads the switch before it changes is seen to be under way afterwards.
                    PERFORM pg_current_xact_id();
                    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = the_type;
                    IF switch.state IS NULL OR switch.state = 'legacy' THEN
                        -- One that was held for Airflow and whose type is legacy's now.
                        IF tg_op = 'UPDATE' AND \(isHeld("new")) THEN
                            \(free.indented(16))
                        END IF;
                        EXIT deciding;
                    END IF;
                    IF tg_op = 'UPDATE' THEN
                        IF \(isOurs("old")) THEN
                            -- Held already, whatever the share is now.
                            \(holdNew.indented(16))
                            EXIT deciding;
                        END IF;
                        -- A job that legacy has begun stays legacy's, all its retries too.
                        IF \(status("old")) IN \(words("running")) OR (\(status("old")) IN \(words("queued")) AND \(begun("new"))) THEN
                            EXIT deciding;
                        END IF;
                    END IF;
                    IF bailey.bucket(the_job) < switch.share THEN
                        \(holdNew.indented(12))
                    END IF;
                    EXIT deciding;
                EXCEPTION WHEN OTHERS THEN
                    -- What asks for the transaction to be tried again is the application's to hear.
                    IF sqlstate LIKE '40%' THEN
                        RAISE;
                    END IF;
                    -- A column has got another type since this session planned what reads it.
                    IF sqlstate = '42804' AND NOT again THEN
                        again := true;
                        EXECUTE 'DISCARD PLANS';
                        CONTINUE deciding;
                    END IF;
                    PERFORM bailey.trouble(\(name), sqlerrm);
                    RETURN new;
                END; END LOOP deciding;
                IF taken_by IS NOT NULL THEN
                    RAISE EXCEPTION 'BAILEY: job % was taken by the Airflow run %', the_job, taken_by
                    USING ERRCODE = 'lock_not_available', HINT = 'The worker began a row that it had read before without a row lock.';
                END IF;
                IF seen IS NOT NULL THEN
                    \(sight("seen").indented(8))
                END IF;
                IF gone THEN
                    \(former("c.job = the_job", "its row is gone; another one has its id").indented(8))
                END IF;
            \(keeps)    RETURN new;
            END $bailey$;

            CREATE OR REPLACE FUNCTION \(function("gone"))() RETURNS trigger LANGUAGE plpgsql
            \(safe) AS $bailey$
            #variable_conflict use_column
            DECLARE
                the_job text;
                the_type text;
            BEGIN
                IF tg_op = 'TRUNCATE' THEN
                    \(former("true", "the table was emptied").indented(8))
                    INSERT INTO bailey.sighting (queue, job, what, application)
                    SELECT \(name), '', 'emptied', current_setting('application_name')
                    WHERE EXISTS (SELECT FROM bailey.switch s WHERE s.queue = \(name) AND s.state <> 'legacy');
                    DELETE FROM bailey.held h WHERE h.queue = \(name);
                    RETURN NULL;
                END IF;
                BEGIN
                    IF NOT \(isOurs("old"))\(hold.deletes.isEmpty ? "" : " OR current_setting('bailey.acting', true) = 'on'") THEN
                        RETURN old;
                    END IF;
                    the_job := \(id("old"))::text;
                    the_type := \(type("old"));
                    \(sight("CASE WHEN \(isHeld("old")) THEN 'deleted while held' ELSE 'deleted while a run had it' END").indented(8))
                    \(former("c.job = the_job", "its row was deleted").indented(8))
                    DELETE FROM bailey.held h WHERE h.queue = \(name) AND h.job = the_job;
                EXCEPTION WHEN OTHERS THEN
                    IF sqlstate LIKE '40%' THEN
                        RAISE;
                    END IF;
                    IF sqlstate = '42804' THEN
                        EXECUTE 'DISCARD PLANS';
                    END IF;
                    PERFORM bailey.trouble(\(name), sqlerrm);
                END;
                RETURN old;
            END $bailey$;
            """
    }

    /// What is let pass of a row that a run has and that shows as running: whatever begins no run.
    private var besides: String {
        guard profile.showsRunning else { return "" }
        return """
            IF claim.run IS NOT NULL AND claim.finished_at IS NULL AND \(isOurs("old")) AND \(marked("new")) AND \(sameRun) THEN
                EXIT deciding;
            END IF;

            """
    }

    /// What becomes of a row that a run has and that somebody lets wait again, as a queue does with jobs whose worker it believes dead.
    private var requeued: String {
        guard profile.showsRunning else { return claimNew }
        return """
            seen := 'taken: ' || coalesce(\(status("old")), 'null') || ' to ' || coalesce(\(status("new")), 'null');
            new := old;
            """
    }

    /// What is done where the application has ended or cancelled a held job whose status is not what it is held by.
    private var cancelled: String {
        guard hold.method != .status else { return "" }
        return """

                        IF \(isOurs("old")) AND \(status("new")) NOT IN \(words("queued")) THEN
                            IF \(status("new")) IN \(words("success")) OR \(status("new")) IN \(words("failed")) THEN
                                seen := 'held: ' || \(status("old")) || ' to ' || \(status("new"));
                            END IF;
                            \(freeNew.indented(16))
                            EXIT deciding;
                        END IF;
            """
    }

    /// The triggers: without conditions, which would keep the application from changing the columns that they name.
    var triggers: String {
        """
        -- Making a trigger locks out writers of the table for an instant.
        \(dropTriggers)
        CREATE TRIGGER bailey_arrival BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function("arrival"))();
        CREATE TRIGGER bailey_change BEFORE UPDATE ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function("arrival"))();
        CREATE TRIGGER bailey_gone BEFORE DELETE ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function("gone"))();
        CREATE TRIGGER bailey_emptied AFTER TRUNCATE ON \(table) FOR EACH STATEMENT EXECUTE FUNCTION \(function("gone"))();
        """
    }

    var dropTriggers: String {
        ["arrival", "change", "gone", "emptied"].map { "DROP TRIGGER IF EXISTS bailey_\($0) ON \(table);" }
            .joined(separator: "\n")
    }
}

extension String {
    /// All lines but the first moved to the right.
    func indented(_ spaces: Int) -> String { replacing("\n", with: "\n" + String(repeating: " ", count: spaces)) }
}
