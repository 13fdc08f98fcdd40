public import LosslessJSON

/// What `bailey.yaml` says.
public struct WorkspaceSettings: Sendable, Hashable {
    /// The file it was read from.
    public var file: String
    /// The legacy systems, in the file's order.
    public var sources: [SourceSettings] = []
    /// The Airflow to generate for.
    public var airflow = AirflowSettings()
    /// The SQLite file of Bailey's own state, relative to the file's folder.
    public var state = ".bailey/state.sqlite"
    /// The folder of mappings, relative to the file's folder.
    public var mappings = "mappings"
    /// Where Python callables run, by name.
    public var environments: [String: EnvironmentSettings] = [:]
    /// URLs of the connections that bodies name, by name: the embedded engine's, as Airflow has its own.
    public var connections: [String: String] = [:]
    /// How many bodies the embedded engine runs at once.
    public var parallelism = 4
    /// The Airflow pools that are declared, in the file's order.
    public var pools: [PoolSettings] = []
    /// The slots that pools have on this machine's embedded engine, where that is to bear other than what is declared.
    public var enginePools: [String: Int] = [:]
    /// How many seconds a body without a timeout of its own may last on the embedded engine.
    public var bodySeconds = 3600.0
    /// Whether the embedded engine forks Python bodies of interpreters that have started before.
    public var forksBodies = true
    /// What must hold before any pipeline is cut over, as it was written; nil if nothing was. `Planning` reads it.
    public var policy: YAMLNode?
    /// Entries that are set aside, in the file's order.
    public var ignore: [SetAsideRule] = []
    /// What time is worth; nil if nobody says.
    public var savings: SavingsSettings?
    /// Where alerts go, in the file's order.
    public var alerts: [AlertChannelSettings] = []
    /// Those of them that have a name, by which mappings name them.
    public var channels: [String: AlertChannelSettings] = [:]
}

/// Where alerts go.
public enum AlertChannelSettings: Sendable, Hashable {
    /// A URL that takes a Slack-shaped body; the URL itself is a secret.
    case webhook(url: String)
    /// A mail relay that asks for no password.
    case email(host: String, port: Int, from: String, to: [String])
    /// A program and its arguments; the alert comes as JSON on standard input. It gets the variables beside the plain ones.
    case command([String], variables: [String: String])
}

/// A legacy system.
public struct SourceSettings: Sendable, Hashable {
    /// Its name, the first part of its entries' ids.
    public var name: String
    /// What sort of system it is: the name of a `SourceKind`.
    public var kind: String
    /// Its URL; holds credentials.
    public var url: String
    /// RedBeat's key prefix (`redbeat_key_prefix`).
    public var prefix = "redbeat:"
    /// The IANA zone of its schedules or of its columns without a zone; nil to find out.
    public var timezone: String?
    /// The name of a queue profile.
    public var profile: String?
    /// The queue's table, if it is not the profile's.
    public var table: String?
    /// The queue's own status words, by the profile's names for them.
    public var statuses: [String: [String]] = [:]
    /// The files it is read from, relative to the folder of `bailey.yaml`; none of a system that has a URL.
    public var files: [String] = []
    /// The Redis of Celery's results, if it is not that of the schedules.
    public var resultsURL: String?
    /// The broker of Celery's messages, if it is not the Redis of the schedules.
    public var brokerURL: String?
    /// What is known of the Celery application beside what its workers tell.
    public var celery: CelerySettings?
    /// RedBeat's lock (`redbeat_lock_key`) where it is not the usual one; `none` where the application keeps no lock.
    public var lockKey: String?
    /// The longest sleep of beat in seconds (`beat_max_loop_interval`).
    public var maxInterval = 300
    /// The values of keys that only its kind has, as text.
    public var own: [String: String] = [:]
}

/// What a person says of a Celery application.
public struct CelerySettings: Sendable, Hashable {
    /// The application that makes the messages, `module:attribute`; nil where one is made that is configured as its workers are.
    public var app: String?
    /// The environment that holds it.
    public var environment: String?
    /// Settings of Celery's that workers do not tell, or that nobody can be asked for: an object; nil if nothing is said.
    public var settings: JSON?
    /// Seconds that its modules may take to load.
    public var timeout: Double?

    /// Makes settings.
    public init(app: String? = nil, environment: String? = nil, settings: JSON? = nil, timeout: Double? = nil) {
        self.app = app
        self.environment = environment
        self.settings = settings
        self.timeout = timeout
    }
}

/// A sort of legacy system, as `bailey.yaml` knows it.
public struct SourceKind: Sendable, Hashable {
    /// What stands under `kind`.
    public var name: String
    /// Keys that only this kind has, beside those that every source may have.
    public var keys: Set<String>
    /// Keys that must be there, each with an example.
    public var required: [String: String]
    /// Whether it is read from files, which `files` names, and not from a server at a `url`.
    public var isOfFiles: Bool

    /// Makes a kind.
    public init(name: String, keys: Set<String> = [], required: [String: String] = [:], isOfFiles: Bool = false) {
        self.name = name
        self.keys = keys
        self.required = required
        self.isOfFiles = isOfFiles
    }
}

/// The Airflow that DAG files are for.
public struct AirflowSettings: Sendable, Hashable {
    /// `3` or `2.11`.
    public var version = "3"
    /// The folder that DAG files are written to, relative to the file's folder.
    public var dagsFolder = "dags"
    /// Its base address, as people open it in a browser; nil if it is not to be asked.
    public var url: String?
    /// Whom to log in.
    public var user: String?
    /// The user's password.
    public var password: String?
    /// A file of PEM certificates to trust instead of the system's, relative to the file's folder.
    public var authorities: String?
    /// A file with the PEM certificate that Bailey shows, relative to the file's folder.
    public var certificate: String?
    /// The file of that certificate's key.
    public var key: String?
    /// How DAG files reach the DAG processor; nil if `dagsFolder` is where it reads them.
    public var deploy: DeploySettings?
}

/// How DAG files reach Airflow's DAG processor.
public enum DeploySettings: Sendable, Hashable {
    /// A folder that this machine can write to.
    case folder(path: String)
    /// A git repository from which Airflow takes them; files lie in `folder` of `branch`.
    case git(repository: String, branch: String, folder: String, variables: [String: String])
    /// A program, once per file if its arguments have `{file}` (the file's path) or `{name}`, else once with `{folder}`.
    case command([String], variables: [String: String])
}

/// An interpreter and what it needs.
public struct EnvironmentSettings: Sendable, Hashable {
    /// The Python program.
    public var python: String
    /// Folders put in front of the module path.
    public var path: [String] = []
    /// Environment variables.
    public var variables: [String: String] = [:]
    /// The same as they are written, with `${NAME}` for what only the machine that runs a body is to know.
    public var templates: [String: String] = [:]
    /// Modules that the embedded engine imports once for all bodies.
    public var preload: [String] = []

    /// Makes an interpreter.
    public init(python: String, path: [String] = [], variables: [String: String] = [:]) {
        self.python = python
        self.path = path
        self.variables = variables
    }
}
