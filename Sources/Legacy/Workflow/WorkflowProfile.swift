import Postgres
public import Settings

/// How a workflow's tables are read: a table of runs, and one of their stages, in order, each with the agent that it calls over HTTP.
public struct WorkflowProfile: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// `schema.table` of the runs.
    public var runs: String
    /// Their columns by what they mean: `id`, `status`, `queued`, `started`, `finished`, `error`.
    public var runColumns: [String: String]
    /// The columns that a request fills, by the parameter's name, in the order written.
    public var parameters: [(name: String, column: String)]
    /// `schema.table` of the stages.
    public var stages: String
    /// Their columns by what they mean: `run`, `order`, `agent`, `status`, `result`, `started`, `finished`, `error`.
    public var stageColumns: [String: String]
    /// The tables' status words by what they mean: `queued`, `running`, `success`, `failed`.
    public var statuses: [String: [String]]
    /// The connection that leads to the agents.
    public var connection: String
    /// An agent's path below it; `{agent}` is its name.
    public var path: String
    /// The method of the requests.
    public var method: String

    private static let runMeanings = ["id", "status", "queued", "started", "finished", "error"]
    private static let stageMeanings = ["run", "order", "agent", "status", "result", "started", "finished", "error"]
    private static let statusNames = ["queued", "running", "success", "failed"]

    /// Reads a profile.
    ///
    /// - Throws: `SettingsError` with every problem and its line.
    public init(yaml text: String, file: String) throws(SettingsError) {
        let problems = Problems()
        let root = try YAMLNode(yaml: text, file: file)
        root.refuseControlCharacters(except: [], problems)
        (name, runs, stages, connection, path, method) = ("", "", "", "", "/{agent}", "POST")
        (runColumns, stageColumns, statuses, parameters) = ([:], [:], [:], [])
        let known = ["profile", "runs", "stages", "statuses", "agents"]
        if let fields = YAMLFields(root, known: known, problems: problems) {
            name = fields.required("profile") ?? ""
            func part(_ key: String, _ meanings: [String]) -> YAMLFields? {
                guard let node = fields.node(key) else {
                    problems.note(root, "“\(key)” is missing")
                    return nil
                }
                return YAMLFields(node, known: meanings, problems: problems)
            }
            func columns(_ fields: YAMLFields, _ meanings: [String], needed: [String]) -> [String: String] {
                meanings.reduce(into: [:]) {
                    $0[$1] = needed.contains($1) ? fields.required($1) : fields.string($1)
                }
            }
            if let part = part("runs", ["table", "params"] + WorkflowProfile.runMeanings) {
                runs = part.required("table") ?? ""
                runColumns = columns(part, WorkflowProfile.runMeanings, needed: ["id", "status", "queued"])
                for member in part.members("params") ?? [] {
                    guard case .scalar(let column, _) = member.value.content else {
                        problems.note(member.value, "“\(member.key)” must name a column")
                        continue
                    }
                    parameters.append((member.key, column))
                }
            }
            if let part = part("stages", ["table"] + WorkflowProfile.stageMeanings) {
                stages = part.required("table") ?? ""
                stageColumns = columns(
                    part,
                    WorkflowProfile.stageMeanings,
                    needed: ["run", "order", "agent", "status"]
                )
            }
            if let part = part("statuses", WorkflowProfile.statusNames) {
                for status in WorkflowProfile.statusNames { statuses[status] = part.strings(status) }
                for status in ["success", "failed"] where statuses[status]?.isEmpty ?? true {
                    problems.note(root, "“statuses” says no word for \(status)")
                }
            }
            if let part = part("agents", ["connection", "path", "method"]) {
                connection = part.required("connection") ?? ""
                path = part.string("path") ?? path
                method = part.string("method") ?? method
                if !path.contains("{agent}") { problems.note(root, "“path” says nowhere {agent}") }
            }
        }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    /// What a status word means; nil for one that it does not know.
    func meaning(of word: String?) -> String? {
        guard let word else { return nil }
        return statuses.first { $0.value.contains(word) }?.key
    }

    /// The words of runs that are over.
    var ended: [String] { (statuses["success"] ?? []) + (statuses["failed"] ?? []) }

    public static func == (a: WorkflowProfile, b: WorkflowProfile) -> Bool { a.identity == b.identity }

    public func hash(into hasher: inout Hasher) { hasher.combine(identity) }

    private var identity: [String] {
        [name, runs, stages, connection, path, method] + parameters.flatMap { [$0.name, $0.column] }
            + [runColumns, stageColumns].flatMap { $0.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] } }
            + statuses.sorted { $0.key < $1.key }.flatMap { [$0.key] + $0.value }
    }
}

/// The SQL by which the tables are read. The only place that makes it of names; all are quoted here.
extension WorkflowProfile {
    /// A quoted table.
    static func quoted(_ table: String) -> String {
        table.split(separator: ".").map { PostgresConnection.identifier(String($0)) }.joined(separator: ".")
    }

    private func run(_ meaning: String, or usual: String = "NULL") -> String {
        runColumns[meaning].map { "r.\(PostgresConnection.identifier($0))" } ?? usual
    }

    private func stage(_ meaning: String, or usual: String = "NULL") -> String {
        stageColumns[meaning].map { "s.\(PostgresConnection.identifier($0))" } ?? usual
    }

    /// The runs, each with its agents in order as JSON (`form`; NULL without stages): `id`, `status`, `queued`, `started`, `finished`.
    var formed: String {
        """
        (SELECT \(run("id"))::text AS id, \(run("status"))::text AS status, \(run("queued"))::timestamptz AS queued,
                \(run("started"))::timestamptz AS started,
                coalesce(\(run("finished"))::timestamptz, f.finished) AS finished, f.form
         FROM \(WorkflowProfile.quoted(runs)) r LEFT JOIN LATERAL (
            SELECT json_agg(\(stage("agent"))::text ORDER BY \(stage("order")))::text AS form,
                   max(\(stage("finished"))::timestamptz) AS finished
            FROM \(WorkflowProfile.quoted(stages)) s WHERE \(stage("run")) = \(run("id"))) f ON true) AS runs
        """
    }

    /// The ids of runs that are over (`$1`: the words) and were asked for since then (`$2`: seconds), earliest first; no stage is looked at.
    var over: String {
        """
        SELECT \(run("id"))::text AS id FROM \(WorkflowProfile.quoted(runs)) r
        WHERE \(run("status"))::text = ANY($1::text[]) AND \(run("queued"))::timestamptz >= to_timestamp($2)
        ORDER BY \(run("queued")), 1
        """
    }

    /// One run whole, by its id as text: what it was asked for, and its stages.
    var details: String {
        let given = parameters.map {
            "\(PostgresConnection.literal($0.name))::text, to_jsonb(r.\(PostgresConnection.identifier($0.column)))"
        }
        return """
            SELECT \(run("id"))::text AS id, jsonb_build_object(\(given.joined(separator: ", ")))::text AS params,
                   \(run("error"))::text AS error,
                   (SELECT json_agg(json_build_object('agent', \(stage("agent"))::text, 'status', \(stage("status"))::text,
                           'result', to_jsonb(\(stage("result", or: "NULL::text"))), 'error', \(stage("error"))::text,
                           'is_json', pg_typeof(\(stage("result", or: "NULL::json")))::text IN ('json', 'jsonb'))
                           ORDER BY \(stage("order")))::text
                    FROM \(WorkflowProfile.quoted(stages)) s WHERE \(stage("run")) = \(run("id"))) AS stages
            FROM \(WorkflowProfile.quoted(runs)) r WHERE \(run("id"))::text = ANY($1::text[])
            """
    }

    /// The types of the parameters' columns, one row, by the parameter's place.
    var parameterTypes: String {
        let types = parameters.enumerated().map {
            "pg_typeof(r.\(PostgresConnection.identifier($0.element.column)))::text AS p\($0.offset)"
        }
        return
            "SELECT \((types + ["1 AS one"]).joined(separator: ", ")) FROM (SELECT) x LEFT JOIN \(WorkflowProfile.quoted(runs)) r ON false"
    }
}
