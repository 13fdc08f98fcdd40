public import LosslessJSON

/// What a task of a pipeline does.
public indirect enum TaskBody: Sendable, Hashable {
    /// Sends a task to the existing Celery workers and waits for its result.
    case celery(CeleryCall)
    /// Calls a Python function in a named environment.
    case python(PythonCall)
    /// Runs a program.
    case command(CommandLine)
    /// Runs SQL in a PostgreSQL.
    case sql(SQLCall)
    /// Copies rows from one PostgreSQL to another.
    case copy(CopyCall)
    /// Sends a request to an HTTP server.
    case http(HTTPCall)
    /// Waits for another pipeline.
    case wait(PipelineWait)
    /// Takes the due jobs of one job type and runs a body for each.
    case queue(QueueDrain)
    /// What a DAG file that a person has written says of it.
    case own
    /// Could not be translated: the task fails loudly with this reason.
    case untranslatable(reason: String)
}

/// A message to a Celery worker.
public struct CeleryCall: Sendable, Hashable {
    /// The source in `bailey.yaml` whose broker carries the message.
    public var source: String
    /// The registered task name.
    public var task: String
    /// Positional arguments: an array.
    public var args: JSON
    /// Keyword arguments: an object.
    public var kwargs: JSON
    /// Publish options as legacy has them (`queue`, `priority`, `expires`, `headers`, …): an object.
    public var options: JSON
    /// How the message is made, and what is waited for.
    public var sending: CelerySending

    /// Makes a call.
    public init(
        source: String,
        task: String,
        args: JSON,
        kwargs: JSON,
        options: JSON,
        sending: CelerySending = CelerySending()
    ) {
        self.sending = sending
        self.source = source
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.options = options
    }
}

/// A call of a Python function.
public struct PythonCall: Sendable, Hashable {
    /// `package.module:function`.
    public var callable: String
    /// The environment's name in `bailey.yaml`; nil for the engine's own interpreter.
    public var environment: String?
    /// Positional arguments: an array.
    public var args: JSON
    /// Keyword arguments: an object.
    public var kwargs: JSON

    /// Makes a call.
    public init(callable: String, environment: String? = nil, args: JSON = .array([]), kwargs: JSON = .object([:])) {
        self.callable = callable
        self.environment = environment
        self.args = args
        self.kwargs = kwargs
    }
}

/// A program to run. It gets the task's input as JSON on standard input, and its result is the JSON it prints last.
public struct CommandLine: Sendable, Hashable {
    /// Program and arguments; no shell is involved.
    public var arguments: [String]
    /// Variables added to the environment.
    public var environment: [String: String]
    /// The working directory; nil for the engine's.
    public var directory: String?
    /// What it gets on standard input, unless it runs for a job, whose payload it gets.
    public var input: JSON

    /// Makes a command line.
    public init(
        arguments: [String],
        environment: [String: String] = [:],
        directory: String? = nil,
        input: JSON = .null
    ) {
        self.input = input
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
    }
}

/// The taking of jobs of one type from a queue, and what runs for each.
public struct QueueDrain: Sendable, Hashable {
    /// The job type, as an entry of a queue source.
    public var entry: EntryID
    /// What runs for each job: it gets the job's payload as its input. Never itself a `queue`.
    public var runs: TaskBody
    /// How many jobs one run takes at most.
    public var limit: Int

    /// Makes a drain.
    public init(entry: EntryID, runs: TaskBody, limit: Int = 100) {
        self.entry = entry
        self.runs = runs
        self.limit = limit
    }
}

extension TaskBody {
    /// What of it inputs may fill, by name.
    public var input: JSON {
        get {
            switch self {
            case .celery(let call): TaskBody.input(call.args, call.kwargs)
            case .python(let call): TaskBody.input(call.args, call.kwargs)
            case .command(let command): ["input": command.input]
            case .sql(let call): ["params": call.parameters]
            case .copy(let call): ["params": call.parameters, "window": call.window]
            case .http(let call): ["query": call.query, "json": call.body]
            case .wait, .queue, .own, .untranslatable: [:]
            }
        }
        set {
            switch self {
            case .celery(var call):
                (call.args, call.kwargs) = (newValue["args"] ?? call.args, newValue["kwargs"] ?? call.kwargs)
                self = .celery(call)
            case .python(var call):
                (call.args, call.kwargs) = (newValue["args"] ?? call.args, newValue["kwargs"] ?? call.kwargs)
                self = .python(call)
            case .command(var command):
                command.input = newValue["input"] ?? command.input
                self = .command(command)
            case .sql(var call):
                call.parameters = newValue["params"] ?? call.parameters
                self = .sql(call)
            case .copy(var call):
                (call.parameters, call.window) = (
                    newValue["params"] ?? call.parameters, newValue["window"] ?? call.window
                )
                self = .copy(call)
            case .http(var call):
                (call.query, call.body) = (newValue["query"] ?? call.query, newValue["json"] ?? call.body)
                self = .http(call)
            case .wait, .queue, .own, .untranslatable: break
            }
        }
    }

    private static func input(_ args: JSON, _ kwargs: JSON) -> JSON {
        ["args": args.isNull ? [] : args, "kwargs": kwargs.isNull ? [:] : kwargs]
    }
}
