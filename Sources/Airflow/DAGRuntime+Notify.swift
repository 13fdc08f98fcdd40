import CTexts

/// Telling people, in files that import nothing of Bailey's: the program is that of gated files, word for word.
extension DAGRuntime {
    /// Sends a text to channels.
    static let notifyProgram = "_NOTIFY = " + program(carried_notify_program_py())

    /// Makes the callback of a task.
    ///
    /// - Parameter lookup: the Python function that finds a connection.
    static func notify(lookup: String) -> String { notifying.replacing("LOOKUP", with: lookup) }

    private static let notifying = #"""
        def _notify(event, *channels):
            """Make a callback that tells alert channels of a task; each is a connection, and what goes wrong is a line of the log."""
            log = logging.getLogger("bailey.notify")

            def place(channel):
                connection = LOOKUP(f"bailey_alert_{channel}")
                extra = connection.extra_dejson
                return {
                    "name": channel,
                    "type": connection.conn_type,
                    "host": connection.host or "localhost",
                    "port": connection.port,
                    "url": connection.password or "",
                    "from": extra.get("from") or "",
                    "to": extra.get("to") or [],
                }

            def callback(context):
                places = []
                for channel in channels:
                    try:
                        places.append(place(channel))
                    except Exception:
                        log.warning("“%s” was not told: there is no connection bailey_alert_%s", channel, channel)
                ti = context["ti"]
                attempts = int(context["task"].retries or 0) + 1
                what = "has failed" if event == "failed" else "failed and is tried again"
                error = context.get("exception")
                why = f": {type(error).__name__}: {' '.join(str(error).split())[:500]}" if error else ""
                why = re.sub(r"://[^/\s@]*@", "://…@", why).removesuffix(".")
                tick = context.get("logical_date")
                text = f"Bailey: {ti.dag_id}: the task {ti.task_id} {what}, attempt {min(ti.try_number, attempts)} of {attempts}{why}. "
                text += f"Run {ti.run_id}, tick {tick.isoformat() if tick else 'none'}."
                request = {"text": text, "subject": f"{ti.dag_id}: {ti.task_id} {what}", "places": places}
                try:
                    words = [sys.executable, "-c", _NOTIFY]
                    done = subprocess.run(words, input=json.dumps(request), capture_output=True, text=True, timeout=60)
                    for line in done.stdout.splitlines():
                        log.warning("%s", line)
                except Exception as error:
                    log.warning("nobody could be told: %s", type(error).__name__)

            return callback
        """#
}
