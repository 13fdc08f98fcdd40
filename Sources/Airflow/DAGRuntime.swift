public import LosslessJSON
import Migration

/// Python functions that a DAG file carries along, so that it imports nothing of Bailey's; each only where a task uses it.
public enum DAGRuntime {
    /// Runs a program as a group of its own; its result is the JSON that it prints last.
    static let program = #"""
        def _run_program(arguments, payload, environment=None, directory=None, fails=True):
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
            if process.returncode != 0 and (fails or not output.strip()):
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

    /// Skips a task whose conditions on earlier tasks' results do not all hold.
    static let condition = #"""
        def _require(when):
            """Skip this task unless earlier tasks' results are as the condition, or the list of them, wants it; it is JSON."""
            wanted = json.loads(when)
            for choice in wanted if isinstance(wanted, list) else [wanted]:
                instance = get_current_context()["ti"]
                some = choice.get("any", [choice])
                if not any(_holds(one, instance.xcom_pull(task_ids=one["task"])) for one in some):
                    raise AirflowSkipException(f"no earlier result is as {json.dumps(choice)} wants it")


        def _holds(condition, value):
            """Tell whether a condition holds for a result; null and a value that is not there are one."""
            for step in condition["path"]:
                if isinstance(step, str):
                    value = value.get(step) if isinstance(value, dict) else None
                else:
                    value = value[step] if isinstance(value, list) and step < len(value) else None
            number = None if isinstance(value, bool) or not isinstance(value, (int, float)) else value

            def same(other):
                return value == other and isinstance(value, bool) == isinstance(other, bool)

            tests = {
                "equals": same,
                "differs": lambda other: not same(other),
                "in": lambda others: any(same(other) for other in others),
                "exists": lambda wanted: (value is not None) == wanted,
                "above": lambda bound: number is not None and number > bound,
                "below": lambda bound: number is not None and number < bound,
            }
            return all(test(condition[name]) for name, test in tests.items() if name in condition)
        """#

    /// Lists the items for each of which a task runs once.
    static let items = #"""
        def _items(items):
            """List the items at a path of an earlier task's result, each as the arguments of the function that is mapped over them."""
            part = json.loads(items)
            found = _at(part, get_current_context()["ti"].xcom_pull(task_ids=part["from"]))
            if not isinstance(found, list) or len(found) > MOST:
                where = f"the result of “{part['from']}” at {json.dumps(part['path'])}"
                raise RuntimeError(f"{where} is no list of at most MOST items")
            return [[item] for item in found]
        """#.replacing("MOST", with: "\(TaskItems.most)")

    /// Fills in what a body's input takes from earlier results, the tick and the run's parameters.
    static let inputs = #"""
        def _given(template, inputs, item=None):
            """Put what is known only now into the input of a body; both are JSON."""
            context = get_current_context()
            given = json.loads(template)
            for part in json.loads(inputs):
                if "from" in part:
                    value = _at(part, context["ti"].xcom_pull(task_ids=part["from"]))
                elif "item" in part:
                    value = _at({"from": "item", "path": part["item"]}, item)
                elif "param" in part:
                    value = context["params"][part["param"]]
                else:
                    value = _instant(part, context["dag_run"].logical_date)
                *way, last = part["at"]
                place = given
                for step in way:
                    place = place[step]
                place[last] = value
            return given


        def _at(part, value):
            """Find what lies at a path of an earlier task's result."""
            way = "$"
            for step in part["path"]:
                kind = dict if isinstance(step, str) else list
                if not isinstance(value, kind) or (step not in value if kind is dict else step >= len(value)):
                    raise RuntimeError(f"the result of “{part['from']}” has nothing at {way} for {json.dumps(step)}")
                value = value[step]
                way += f".{step}" if kind is dict else f"[{step}]"
            return value


        def _instant(part, tick):
            """Write the run's tick, or the one before it, as an instant or a date."""
            if tick is None:
                raise RuntimeError("this run has no tick: start it with a logical date, or let its schedule start it")
            if "window" in part:
                ends = {"from": {"previous_tick": part["window"]}, "until": {"tick": part["window"]}}
                rest = {"zone": part["zone"], "schedule": part["schedule"]}
                return {end: _instant({**one, **rest}, tick) for end, one in ends.items()}
            at = tick if "tick" in part else previous_tick(part, tick)
            if (part.get("tick") or part.get("previous_tick")) == "date":
                return pendulum.instance(at).in_timezone(part["zone"]).to_date_string()
            at = at.astimezone(datetime.timezone.utc)
            digits = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
            return at.strftime("%Y-%m-%dT%H:%M:%S") + digits + "Z"
        """#

    /// What an environment's interpreter runs to call a function: reads a `pythonCall`, prints the result last.
    public static let pythonRunner = """
        import importlib, json, sys
        call = json.load(sys.stdin)
        module, name = call["callable"].split(":")
        args = [json.loads(call["payload"])] if "payload" in call else json.loads(call["args"])
        out, sys.stdout = sys.stdout, sys.stderr
        target = importlib.import_module(module)
        for part in name.split("."): target = getattr(target, part)
        result = target(*args, **json.loads(call["kwargs"]))
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

    /// Sends a message as beat would and waits for the result, in a program of its own: Celery's, or the application's.
    ///
    /// - Parameter lookup: the Python function that finds a connection.
    static func celery(lookup: String) -> String { celery.replacing("LOOKUP", with: lookup) }

    /// The program. It is that of gated files, word for word; its text holds no three quotes in a row.
    static let celeryProgram =
        "_CELERY = r'''\n" + CeleryText.sending + "'''"

    private static let celery = #"""
        def _celery_call(interpreter, request, places, environment):
            """Send a task to the existing Celery workers as beat would, and wait for its result.

            The task id follows from the run, so that a repeated attempt first finds out what became of the message of the
            attempt before, and sends another only if that one failed.
            """
            context = get_current_context()
            run_key = f"{context['dag'].dag_id}/{context['run_id']}/{context['ti'].task_id}"
            numbers = range(1, context["ti"].try_number + 1)
            request.update(do="call", ids=[str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_key}/{number}")) for number in numbers])
            for role, name in places.items():
                connection = LOOKUP(name)
                fields = ("conn_type", "host", "port", "login", "password", "schema")
                request[role] = {field: getattr(connection, field) for field in fields}
                request[role]["extra"] = connection.extra_dejson
            reply = _run_program([interpreter, "-c", _CELERY], json.dumps(request), environment)
            if "failed" in reply:
                raise RuntimeError(reply["words"])
            error = reply.get("state", {}).get("error")
            if error:
                raise RuntimeError(f"{error['type']}: {error['message']}\n{error['detail']}")
            return reply.get("returned")
        """#
}
