/// The function of one queue that tells whether a run would find a job.
extension QueueRowSQL {
    /// Whether a row is there that `take` would take. One that somebody has locked is passed over, as `take` does, so that nobody begins to take for it
    /// again and again; this locks the row that it finds for as long as its transaction lasts.
    var isDue: String {
        let slipped = "\(waits("j")) AND NOT \(begun("j")) AND bailey.bucket(\(id("j"))::text) < switch.share"
        return """
            CREATE OR REPLACE FUNCTION \(function("due"))(the_type text) RETURNS boolean LANGUAGE plpgsql
            \(safeForWriting) \(QueueRowSQL.acting) AS $bailey$
            #variable_conflict use_column
            DECLARE
                bailey_type ALIAS FOR the_type;
                switch bailey.switch;
            BEGIN
                SELECT * INTO switch FROM bailey.switch s WHERE s.queue = \(name) AND s.job_type = bailey_type;
                IF switch.state IS DISTINCT FROM 'airflow' THEN
                    RETURN false;
                END IF;
                PERFORM FROM \(table) j WHERE \(type("j")) = bailey_type AND \(isHeld("j")) AND \(due("j"))
                    LIMIT 1 FOR UPDATE SKIP LOCKED;
                IF FOUND THEN
                    RETURN true;
                END IF;
                IF switch.drain THEN
                    RETURN false;
                END IF;
                PERFORM FROM \(table) j WHERE \(type("j")) = bailey_type AND \(slipped) AND \(due("j"))
                    LIMIT 1 FOR UPDATE SKIP LOCKED;
                RETURN FOUND;
            END $bailey$;
            """
    }
}
