import LosslessJSON
import Migration

/// What a legacy entry runs by itself, as the body of a task: what a pipeline does for it where no mapping says anything else.
extension LegacyEntry {
    /// The body.
    var ownBody: TaskBody {
        switch kind {
        case .redbeat, .beat, .recurring, .jobType:
            return .celery(
                CeleryCall(
                    source: id.source,
                    task: task,
                    args: args.isNull ? [] : args,
                    kwargs: kwargs.isNull ? [:] : kwargs,
                    options: options
                )
            )
        case .commandLine, .statement:
            guard let command else { return .untranslatable(reason: "the entry holds no command") }
            guard !hidesSecret else {
                return .untranslatable(
                    reason:
                        "its command seems to hold a password or a token, which a DAG file would show; write a mapping whose command takes it from elsewhere"
                )
            }
            return kind == .commandLine ? .command(shell(command)) : statement(command)
        case .container:
            return .untranslatable(
                reason:
                    "it runs in a container of the image \(options["image"]?.string ?? "(none)"), and no mapping says what runs in its place; give the task python, command, sql or http"
            )
        case .workflow:
            return .untranslatable(reason: "a whole pipeline stands for it: write “workflow” beside “tasks”")
        case .pickled:
            return .untranslatable(
                reason:
                    "what it calls is pickled, and Bailey opens no pickles; give the task python, command, sql or http, and the pipeline a schedule"
            )
        case .recurringJob:
            return .untranslatable(
                reason:
                    "it puts a job of type “\(task)” in line, and no mapping says what runs for it; the worker's function is not in the database"
            )
        }
    }

    /// What becomes of its missed ticks in legacy: neither cron nor pg_cron makes up for those that passed while nobody was up.
    var ownMissedTicks: MissedTickPolicy {
        switch kind {
        case .commandLine, .statement: .none
        case .redbeat, .beat, .recurring, .jobType, .workflow, .container, .pickled, .recurringJob: .coalesce
        }
    }

    /// As cron runs it: by the shell of the crontab, with what follows a `%` on standard input, and nothing else on it. Nothing is pasted into
    /// anything.
    private func shell(_ command: String) -> CommandLine {
        let shell = options["shell"]?.string ?? "/bin/sh"
        var arguments = ["/bin/sh", "-c", #"exec "$1" -c "$2" </dev/null"#, "sh", shell, command]
        if let input = options["input"]?.string {
            arguments = ["/bin/sh", "-c", #"printf %s "$3" | "$1" -c "$2""#, "sh", shell, command, input]
        }
        return CommandLine(arguments: arguments, environment: options["path"]?.string.map { ["PATH": $0] } ?? [:])
    }

    /// As pg_cron runs it: several statements are one transaction, one is by itself.
    private func statement(_ command: String) -> TaskBody {
        // What looks like a parameter is none: the text is SQL as it stands.
        let statements = SQLStatement.all(command).map { statement in
            var whole = SQLStatement(
                parts: [
                    statement.parts.enumerated().map { $0.offset % 2 == 1 ? ":" + $0.element : $0.element }.joined()
                ]
            )
            whole.opening = statement.opening
            return whole
        }
        guard !statements.isEmpty else { return .untranslatable(reason: "its command has no statement") }
        return .sql(
            SQLCall(
                connection: connectionName,
                statements: statements,
                isTransaction: statements.count > 1
            )
        )
    }

    /// The connection to the database that its SQL runs in, as `connections` of `bailey.yaml` and Airflow are to name it.
    private var connectionName: String {
        let name = [id.source, options["database"]?.string ?? ""].filter { !$0.isEmpty }.joined(separator: "_")
        return String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
