public import LosslessJSON

/// Statements that run in a PostgreSQL, in one transaction or each by itself.
public struct SQLCall: Sendable, Hashable {
    /// The connection by its name, in Airflow and among `connections` of `bailey.yaml`.
    public var connection: String
    /// What runs, in order.
    public var statements: [SQLStatement]
    /// The values of its parameters by name: an object. They are bound, never pasted.
    public var parameters: JSON
    /// Whether all of them are one transaction; else each is one of its own, as `VACUUM` needs it.
    public var isTransaction: Bool
    /// The environment whose interpreter has psycopg; nil for the engine's own.
    public var environment: String?

    /// Makes a call.
    public init(
        connection: String,
        statements: [SQLStatement],
        parameters: JSON = [:],
        isTransaction: Bool = true,
        environment: String? = nil
    ) {
        (self.connection, self.statements, self.parameters) = (connection, statements, parameters)
        (self.isTransaction, self.environment) = (isTransaction, environment)
    }
}

/// A query's rows of one PostgreSQL that take the place of a window of a table in another.
public struct CopyCall: Sendable, Hashable {
    /// The connection that is read from.
    public var source: String
    /// The query whose rows are taken.
    public var query: SQLStatement
    /// The values of the query's parameters by name: an object.
    public var parameters: JSON
    /// The connection that is written to.
    public var target: String
    /// The table, with its schema if it has one.
    public var table: [String]
    /// The columns that are written; empty for the query's.
    public var columns: [String]
    /// The column that says whether a row lies in the window; nil where all rows of the table are replaced.
    public var column: String?
    /// `{"from", "until"}` of the window, half open; null where all rows are replaced.
    public var window: JSON
    /// The environment whose interpreter has psycopg; nil for the engine's own.
    public var environment: String?

    /// Makes a call.
    public init(
        source: String,
        query: SQLStatement,
        parameters: JSON = [:],
        target: String,
        table: [String],
        columns: [String] = [],
        column: String? = nil,
        window: JSON = .null,
        environment: String? = nil
    ) {
        (self.source, self.query, self.parameters) = (source, query, parameters)
        (self.target, self.table, self.columns) = (target, table, columns)
        (self.column, self.window, self.environment) = (column, window, environment)
    }
}

/// One request to an HTTP server.
public struct HTTPCall: Sendable, Hashable {
    /// The method.
    public var method: String
    /// The URL; where there is a connection, the path below it.
    public var url: String
    /// The connection by its name, in Airflow and among `connections` of `bailey.yaml`; nil where the URL is whole.
    public var connection: String?
    /// Headers that hold no secrets.
    public var headers: [String: String]
    /// The query's parameters: an object.
    public var query: JSON
    /// The body; null for none.
    public var body: JSON
    /// The statuses that are a success; empty for 200 to 299.
    public var expected: [Int]
    /// The statuses that a repetition may mend.
    public var repeated: [Int]

    /// Makes a call.
    public init(
        method: String = "GET",
        url: String,
        connection: String? = nil,
        headers: [String: String] = [:],
        query: JSON = [:],
        body: JSON = .null,
        expected: [Int] = [],
        repeated: [Int] = [429, 502, 503, 504]
    ) {
        (self.method, self.url, self.connection, self.headers) = (method, url, connection, headers)
        (self.query, self.body, self.expected, self.repeated) = (query, body, expected, repeated)
    }
}

/// What a connection that a mapping names must be, by its type in Airflow.
public enum ConnectionNeed: String, Sendable, Hashable {
    case postgres, http

    /// What it must lead to.
    public var words: String {
        switch self {
        case .postgres: "a PostgreSQL"
        case .http: "an HTTP server"
        }
    }
}

extension TaskBody {
    /// The named connections that it needs.
    public var namedConnections: [String: ConnectionNeed] {
        switch self {
        case .sql(let call): [call.connection: .postgres]
        // Both may be one.
        case .copy(let call):
            Dictionary([call.source, call.target].map { ($0, .postgres) }, uniquingKeysWith: { first, _ in first })
        case .http(let call): call.connection.map { [$0: .http] } ?? [:]
        case .celery, .python, .command, .wait, .queue, .own, .untranslatable: [:]
        }
    }

    /// Whether it is shown as skipped where it was only observed.
    public var isSkippedWhereObserved: Bool {
        switch self {
        case .sql, .copy, .http, .wait: true
        case .celery, .python, .command, .queue, .own, .untranslatable: false
        }
    }

    /// The other pipeline that it waits for.
    public var wait: PipelineWait? { if case .wait(let wait) = self { wait } else { nil } }

    /// Whether it moves data: by a program that the gated and the ungated file share.
    public var movesData: Bool { isSkippedWhereObserved && wait == nil }

    /// The environment of `bailey.yaml` that its program runs in; nil for the engine's own interpreter, or where it is no such program.
    public var environment: String? {
        switch self {
        case .python(let call): call.environment
        case .sql(let call): call.environment
        case .copy(let call): call.environment
        case .celery, .command, .http, .wait, .queue, .own, .untranslatable: nil
        }
    }
}
