import Legacy

/// The trigger of a queue's table, and the triggers' conditions.
extension QueueRowSQL {
    /// What precedes the body of each function that changes rows.
    static let acting = "SET lock_timeout = '10s' SET \"bailey.acting\" = 'on'"

    var safe: String {
        "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = \(QueueRowSQL.literal(timezone))"
    }

    /// Holds rows that arrive, or come back, for Airflow; keeps rows that a run has from workers that do not lock them.
    var arrival: String {
        let sameRun =
            column("started", of: "old").map {
                "\(status("old")) IN \(words("running")) AND \($0) IS NOT DISTINCT FROM \(column("started", of: "new") ?? "")"
            }
            ?? "\(status("old")) IN \(words("running"))"
        let ended = "\(status("old")) IN \(words("success")) OR \(status("old")) IN \(words("failed"))"
        return """
            CREATE OR REPLACE FUNCTION \(function("arrival"))() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $bailey$
            DECLARE
                switch bailey.switch;
                claim bailey.claim;
            BEGIN
                IF current_setting('bailey.acting', true) = 'on' THEN
                    RETURN new;
                END IF;
                IF tg_op = 'UPDATE' THEN
                    -- The open claim, or else the latest.
                    SELECT * INTO claim FROM bailey.claim c WHERE c.queue = \(name) AND c.job = \(id("old"))::text
                    ORDER BY c.finished_at DESC NULLS FIRST LIMIT 1;
                    IF \(status("new")) IN \(words("running")) THEN
                        -- A worker that locks rows never begins one that does not wait for it.
                        IF claim.run IS NOT NULL AND (claim.finished_at IS NULL OR \(ended)) THEN
                            RAISE EXCEPTION 'BAILEY: job % was taken by the Airflow run %', \(id("old")), claim.run
                            USING ERRCODE = 'lock_not_available', HINT = 'The worker began a row that it had read before without a row lock.';
                        END IF;
                        IF \(sameRun) THEN
                            RETURN new;
                        END IF;
                        INSERT INTO bailey.sighting (queue, job, job_type, what, application)
                        VALUES (\(name), \(id("old"))::text, \(type("old"))::text, \(status("old"))::text || ' to ' || \(status("new"))::text,
                            current_setting('application_name'));
                        \(freeNew.indented(12))
                        RETURN new;
                    END IF;
                    IF claim.run IS NOT NULL AND claim.finished_at IS NULL THEN
                        -- Queued anew in the middle of a run: it stays the run's.
                        \(claimNew.indented(12))
                        RETURN new;
                    END IF;
                END IF;
                -- So that who reads the switch before it changes is seen to be under way afterwards.
                PERFORM pg_current_xact_id();
                SELECT * INTO switch FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = \(type("new"))::text;
                IF switch.state IS NULL OR switch.state = 'legacy' THEN
                    RETURN new;
                END IF;
                IF tg_op = 'UPDATE' AND \(isOurs("old")) THEN
                    -- Held already, whatever the share is now.
                    \(holdNew.indented(8))
                    RETURN new;
                END IF;
                IF bailey.bucket(\(id("new"))::text) >= switch.share THEN
                    RETURN new;
                END IF;
                IF tg_op = 'UPDATE' THEN
                    -- A job that legacy has begun stays legacy's, all its retries too.
                    IF \(status("old")) IN \(words("running")) OR (\(status("old")) IN \(words("queued")) AND \(begun("new"))) THEN
                        RETURN new;
                    END IF;
                END IF;
                \(holdNew.indented(4))
                RETURN new;
            END $bailey$;
            """
    }

    /// The triggers; a worker's own step from waiting to running does not call them.
    var triggers: String {
        """
        -- Making a trigger locks out writers of the table for an instant.
        DROP TRIGGER IF EXISTS bailey_arrival ON \(table);
        DROP TRIGGER IF EXISTS bailey_change ON \(table);
        CREATE TRIGGER bailey_arrival BEFORE INSERT ON \(table) FOR EACH ROW
        WHEN (\(status("new")) IN \(words("queued"))) EXECUTE FUNCTION \(function("arrival"))();
        CREATE TRIGGER bailey_change BEFORE UPDATE OF \(watched) ON \(table) FOR EACH ROW
        WHEN (\(status("new")) IN \(words("queued")) OR (\(status("new")) IN \(words("running")) AND NOT \(waits("old"))))
        EXECUTE FUNCTION \(function("arrival"))();
        """
    }
}

extension String {
    /// All lines but the first moved to the right.
    func indented(_ spaces: Int) -> String { replacing("\n", with: "\n" + String(repeating: " ", count: spaces)) }
}
