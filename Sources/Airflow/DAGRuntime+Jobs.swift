extension DAGRuntime {
    /// What `pythonRunner` reads for a job: the payload stays the text that it is.
    static let callWithPayload = #"""
        def _call_of(callable, payload, kwargs):
            """What is written to an interpreter that calls a function with a job's payload; both are JSON text."""
            return json.dumps({"callable": callable, "payload": payload, "kwargs": kwargs})
        """#

    /// Lists, claims and settles jobs of a queue whose job types the DAG has to itself.
    static let jobs = #"""
        def _ask_queue(queue, names, **values):
            """Run statements until one finds something, in a transaction of its own; the rows."""
            from airflow.providers.postgres.hooks.postgres import PostgresHook

            rows = []
            with contextlib.closing(PostgresHook(postgres_conn_id=queue["connection"]).get_conn()) as connection:
                with contextlib.closing(connection.cursor()) as cursor:
                    for name in names:
                        if name in queue and not rows:
                            cursor.execute(queue[name], values)
                            rows = cursor.fetchall()
                connection.commit()
            return rows


        def _due_jobs(queue, job_type, limit):
            """List the due jobs of a type; each is claimed when its turn comes."""
            rows = _ask_queue(queue, ["due"], type=job_type, limit=limit)
            return [{"job": job, "attempts": attempts, "key": key} for job, attempts, key in rows]


        def _run_job(queue, job, body):
            """Claim a job, run the body with its payload, and write down how it ended."""
            context = get_current_context()
            instance = context["ti"]
            context["job_name"] = job["key"] or job["job"]
            values = {"job": job["job"], "attempts": job["attempts"]}
            # An attempt before this one may have claimed it, and have died with its worker.
            rows = _ask_queue(queue, ["own", "claim"] if instance.try_number > 1 else ["claim"], **values)
            if not rows:
                raise AirflowSkipException(f"the job {job['job']} does not wait any more: somebody else has begun it")
            try:
                result = body(_payload(rows[0][0]))
            except BaseException as error:
                # An attempt that Airflow repeats is not the job's end.
                if instance.try_number > (instance.max_tries or 0):
                    _settle_job(queue, ["retry", "failure"], error=f"{type(error).__name__}: {error}", **values)
                raise
            _settle_job(queue, ["success"], **values)
            return result


        def _payload(stored):
            """A payload as JSON text; a text that is no JSON, or nests deeper than 512 levels, is handed on as a JSON string."""

            def refuse(word):
                raise ValueError(f"{word} is no number of JSON's")

            def flat(pairs):
                return [part for pair in pairs for part in pair]

            if stored is None:
                return "null"
            try:
                level = [json.loads(stored, parse_constant=refuse, parse_int=str, object_pairs_hook=flat)]
                # A character of which only one half is written has no bytes.
                json.dumps(level, ensure_ascii=False).encode()
                for _ in range(513):
                    level = [part for value in level if isinstance(value, list) for part in value]
            except (ValueError, RecursionError):
                return json.dumps(stored)
            return json.dumps(stored) if level else stored


        def _settle_job(queue, names, **values):
            """Write down how a job ended; a database that is away for a moment must not make it run again."""
            for pause in (1, 5, 20, None):
                try:
                    if not _ask_queue(queue, names, **values):
                        print(f"the job {values['job']} is not as this task had left it, so it was left alone")
                    return
                except Exception:
                    if pause is None:
                        raise
                    time.sleep(pause)
        """#

    /// Waits for a job that is due; it looks after a pause, so that one which cannot be taken starts no run after the other.
    static let waitingForJobs = #"""
        def _await_jobs(types, every, limit):
            """Wait, in seconds, until a job of a type is due; whether one is."""
            until = time.monotonic() + limit
            while time.monotonic() < until:
                time.sleep(every)
                if any(_due_jobs(_QUEUES[queue], job_type, limit=1) for queue, job_type in types):
                    return True
            return False
        """#
}
