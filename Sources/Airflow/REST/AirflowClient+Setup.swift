import LosslessJSON

/// What DAGs need of their Airflow: pools, connections, variables, providers, and that it runs at all.
extension AirflowClient {
    /// How each of its processes is: `healthy`, `unhealthy`; those that do not run are left out.
    public func health() async throws -> [String: String] {
        let path = version.isThree ? "/monitor/health" : "/health"
        return try await object(AirflowRequest(operation: "asking for its health", path: path)) { json in
            json.object.map { object in
                object.members.reduce(into: [:]) { found, member in found[member.key] = member.value["status"]?.string }
            }
        }
    }

    /// The versions of the installed providers, by package.
    public func providers() async throws -> [String: String] {
        let pairs = try await list(
            AirflowRequest(operation: "listing the providers", path: "/providers"),
            "providers"
        ) { json in json["package_name"]?.string.map { ($0, json["version"]?.string ?? "") } }
        return Dictionary(pairs, uniquingKeysWith: { $1 })
    }

    /// The names of the plugins.
    public func plugins() async throws -> [String] {
        try await list(AirflowRequest(operation: "listing the plugins", path: "/plugins"), "plugins") {
            $0["name"]?.string
        }
    }

    /// The pools.
    public func pools() async throws -> [AirflowPool] {
        try await list(AirflowRequest(operation: "listing the pools", path: "/pools"), "pools", AirflowPool.init)
    }

    /// Makes a pool.
    ///
    /// - Returns: false if there is one of that name, which is left as it is.
    public func create(pool name: String, slots: Int, note: String) async throws -> Bool {
        var body: JSONObject = [
            "name": .string(name), "slots": .number(JSONNumber(slots)), "description": .string(note),
        ]
        body["include_deferred"] = .bool(false)
        return try await make("making the pool “\(name)”", "/pools", .object(body))
    }

    /// The connections.
    public func connections() async throws -> [AirflowConnection] {
        try await list(
            AirflowRequest(operation: "listing the connections", path: "/connections"),
            "connections",
            AirflowConnection.init
        )
    }

    /// Makes a connection.
    ///
    /// - Returns: false if there is one of that id, which is left as it is.
    public func create(_ connection: AirflowConnection, password: String?) async throws -> Bool {
        var body: JSONObject = ["connection_id": .string(connection.id), "conn_type": .string(connection.type)]
        func set(_ key: String, _ value: String?) { if let value { body[key] = .string(value) } }
        set("host", connection.host)
        if let port = connection.port { body["port"] = .number(JSONNumber(port)) }
        set("login", connection.login)
        set("schema", connection.schema)
        set("description", connection.note)
        set("extra", connection.extra?.text())
        set("password", password)
        let secrets = [password].compactMap { $0 }
        return try await make("making the connection “\(connection.id)”", "/connections", .object(body), secrets)
    }

    /// The value of a variable; nil if there is none.
    public func variable(_ key: String) async throws -> String? {
        try await unlessMissing {
            try await object(
                AirflowRequest(operation: "reading the variable “\(key)”", path: AirflowRequest.path("variables", key))
            ) { $0["value"]?.string }
        }
    }

    /// Makes a variable.
    ///
    /// - Returns: false if there is one of that key, which is left as it is.
    public func create(variable key: String, value: String) async throws -> Bool {
        try await make(
            "making the variable “\(key)”",
            "/variables",
            ["key": .string(key), "value": .string(value)],
            [value]
        )
    }

    /// Gives a variable a value, whether there is one of that key or not.
    public func set(variable key: String, value: String, note: String) async throws {
        let body: JSON = ["key": .string(key), "value": .string(value), "description": .string(note)]
        if try await make("making the variable “\(key)”", "/variables", body) { return }
        _ = try await ask(
            AirflowRequest(
                operation: "changing the variable “\(key)”",
                method: .patch,
                path: AirflowRequest.path("variables", key),
                query: [("update_mask", "value")],
                body: body
            )
        )
    }

    private func make(_ operation: String, _ path: String, _ body: JSON, _ secrets: [String] = []) async throws -> Bool
    {
        try await unlessThere {
            _ = try await ask(
                AirflowRequest(operation: operation, method: .post, path: path, body: body, secrets: secrets)
            )
        }
    }
}
