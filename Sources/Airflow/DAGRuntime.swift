public import LosslessJSON

/// Python functions that a DAG file carries along, so that it imports nothing of Bailey's; each only where a task uses it.
public enum DAGRuntime {
    /// Runs a program as a group of its own; its result is the JSON that it prints last.
    static let program = #"""
        def _run_program(arguments, payload, environment=None, directory=None):
            """Run a program, give it JSON text on standard input, and read the JSON it prints last."""
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                text=True,
            )
            before = signal.getsignal(signal.SIGTERM)

            def end(number, frame):
                """Airflow ends a task with SIGTERM, which some versions answer without unwinding: no body must outlive it."""
                if callable(before):
                    before(number, frame)
                raise SystemExit(128 + number)

            is_main = threading.current_thread() is threading.main_thread()
            if is_main:
                signal.signal(signal.SIGTERM, end)
            try:
                output, _ = process.communicate(payload)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            finally:
                if is_main:
                    signal.signal(signal.SIGTERM, before)
            if process.returncode != 0:
                raise RuntimeError(f"{arguments[0]} ended with status {process.returncode}; its messages are in the log")
            lines = [line for line in output.splitlines() if line.strip()]
            return json.loads(lines[-1]) if lines else None
        """#

    /// Fills in what `WorkerVariable` leaves open.
    static let filling = #"""
        def _filled(variables):
            """Put this worker's own variables in the place of ${NAME} and ${NAME:-text}; what they hold is in no file."""

            def value(found):
                if found[0] == "$${":
                    return "${"
                name, has_default, default = found[1].partition(":-")
                value = os.environ.get(name) or (default if has_default else None)
                if value is None:
                    raise RuntimeError(f"the variable {name} is not set on this worker")
                return value

            return {name: re.sub(r"\$\$\{|\$\{([^}]*)\}", value, text) for name, text in variables.items()}
        """#

    static let skipIn2 = "from airflow.exceptions import AirflowSkipException"

    /// The old place warns where there is a new one.
    static let skipIn3 = """
        try:
            from airflow.sdk.exceptions import AirflowSkipException
        except ImportError:
            # Airflow 3.0 keeps it elsewhere.
            \(skipIn2)
        """

    /// Skips a task whose condition on an earlier task's result does not hold.
    static let condition = #"""
        def _require(when):
            """Skip this task unless an earlier task's result is as the condition, which is JSON, wants it."""
            condition = json.loads(when)
            value = get_current_context()["ti"].xcom_pull(task_ids=condition["task"])
            for step in condition["path"]:
                if isinstance(step, str):
                    value = value.get(step) if isinstance(value, dict) else None
                else:
                    value = value[step] if isinstance(value, list) and step < len(value) else None
            number = None if isinstance(value, bool) or not isinstance(value, (int, float)) else value
            tests = {
                "equals": lambda wanted: value == wanted and isinstance(value, bool) == isinstance(wanted, bool),
                "differs": lambda other: value != other or isinstance(value, bool) != isinstance(other, bool),
                "exists": lambda wanted: (value is not None) == wanted,
                "above": lambda bound: number is not None and number > bound,
                "below": lambda bound: number is not None and number < bound,
            }
            if not all(test(condition[name]) for name, test in tests.items() if name in condition):
                raise AirflowSkipException(f"the result of {condition['task']} is not as {when} wants it")
        """#

    /// What an environment's interpreter runs to call a function: reads a `pythonCall`, prints the result last.
    public static let pythonRunner = """
        import importlib, json, sys
        call = json.load(sys.stdin)
        module, name = call["callable"].split(":")
        args = [json.loads(call["payload"])] if "payload" in call else json.loads(call["args"])
        out, sys.stdout = sys.stdout, sys.stderr
        result = getattr(importlib.import_module(module), name)(*args, **json.loads(call["kwargs"]))
        print(json.dumps(result, ensure_ascii=False), file=out)
        """

    /// What `pythonRunner` reads: `args` and `kwargs` (or `payload`, the only argument) are JSON within texts, so that no number changes on
    /// the way and none can be more than a value.
    public static func pythonCall(_ callable: String, args: JSON, kwargs: JSON) -> JSON {
        [
            "callable": .string(callable), "args": .string((args.isNull ? [] : args).text()),
            "kwargs": .string((kwargs.isNull ? [:] : kwargs).text()),
        ]
    }

    /// Sends a message in Celery's protocol 2 and waits for the result in its Redis backend.
    ///
    /// - Parameter lookup: the Python function that finds a connection.
    static func celery(lookup: String) -> String { celery.replacing("LOOKUP", with: lookup) }

    private static let celery = #"""
        def _celery_call(connection_id, task, args, kwargs, options, run_key, attempt, timeout, results_id=None):
            """Send a task to the existing Celery workers and wait for its result.

            The task id follows from the run, so that a repeated attempt first finds out what became of the message of the
            attempt before, and sends another only if that one failed.
            """
            import redis

            client = redis.Redis.from_url(LOOKUP(connection_id).get_uri())
            results = redis.Redis.from_url(LOOKUP(results_id).get_uri()) if results_id else client
            for number in range(1, attempt + 1):
                task_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_key}/{number}"))
                key = f"celery-task-meta-{task_id}"
                stored = results.get(key)
                if not stored or json.loads(stored).get("status") not in ("FAILURE", "REVOKED"):
                    break
            queue = options.get("queue") or options.get("routing_key") or "celery"
            priority = max(step for step in (0, 3, 6, 9) if step <= min(int(options.get("priority") or 0), 9))
            expires = options.get("expires")
            if isinstance(expires, (int, float)):
                moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires)
                expires = moment.isoformat()
            message = {
                "body": base64.b64encode(
                    json.dumps([args, kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()
                ).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {
                    **(options.get("headers") or {}),
                    "lang": "py",
                    "task": task,
                    "id": task_id,
                    "root_id": task_id,
                    "parent_id": None,
                    "group": None,
                    "eta": None,
                    "expires": expires,
                    "retries": 0,
                    "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
                    "argsrepr": repr(args),
                    "kwargsrepr": repr(kwargs),
                    "origin": "airflow",
                    "ignore_result": False,
                },
                "properties": {
                    "correlation_id": task_id,
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": "", "routing_key": queue},
                    "priority": int(options.get("priority") or 0),
                    "body_encoding": "base64",
                    "delivery_tag": task_id,
                },
            }
            if client.set(f"bailey:sent:{task_id}", "1", nx=True, ex=7 * 86400):
                client.lpush(queue if priority == 0 else f"{queue}\x06\x16{priority}", json.dumps(message))
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                stored = results.get(key)
                outcome = json.loads(stored) if stored else {}
                if outcome.get("status") == "SUCCESS":
                    return outcome.get("result")
                if outcome.get("status") in ("FAILURE", "REVOKED"):
                    raise RuntimeError(
                        f"{task} ended as {outcome['status']}: {outcome.get('result')}\n{outcome.get('traceback')}"
                    )
                time.sleep(1)
            raise RuntimeError(f"{task} gave no result within {timeout} s (task id {task_id})")
        """#
}
