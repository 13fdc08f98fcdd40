import LosslessJSON
import Schedules

/// DAGs, their files and their parsing.
extension AirflowClient {
    /// All DAGs, paused and stale ones included.
    ///
    /// - Parameter tag: only those with this tag.
    public func dags(tag: String? = nil) async throws -> [AirflowDAG] {
        var request = AirflowRequest(operation: "listing the DAGs", path: "/dags", query: [("order_by", "dag_id")])
        // Without this, both versions leave out what is no longer in the folder.
        request.query.append(version.isThree ? ("exclude_stale", "false") : ("only_active", "false"))
        if let tag { request.query.append(("tags", tag)) }
        return try await list(request, "dags", AirflowDAG.init)
    }

    /// One DAG; nil if there is none of that id.
    public func dag(_ id: String) async throws -> AirflowDAG? {
        try await unlessMissing {
            try await object(
                AirflowRequest(operation: "reading the DAG “\(id)”", path: AirflowRequest.path("dags", id)),
                AirflowDAG.init
            )
        }
    }

    /// What Airflow knows of one DAG; nil if there is none of that id.
    public func details(_ id: String) async throws -> AirflowDAGDetails? {
        try await unlessMissing {
            try await object(
                AirflowRequest(
                    operation: "reading the details of the DAG “\(id)”",
                    path: AirflowRequest.path("dags", id, "details")
                ),
                AirflowDAGDetails.init
            )
        }
    }

    /// The numbers of a DAG's versions, latest first; empty in 2.11, which has none.
    public func versions(_ id: String) async throws -> [Int] {
        guard version.isThree else { return [] }
        let numbers = try await list(
            AirflowRequest(
                operation: "listing the versions of the DAG “\(id)”",
                path: AirflowRequest.path("dags", id, "dagVersions")
            ),
            "dag_versions"
        ) { $0["version_number"]?.int }
        return numbers.sorted(by: >)
    }

    /// The text of the file that a DAG was last made from, as Airflow keeps it; nil if it keeps none.
    public func source(of dag: AirflowDAG) async throws -> String? {
        // 2.11 asks for the file, 3 for the DAG.
        let path = AirflowRequest.path("dagSources", version.isThree ? dag.id : dag.fileToken)
        return try await unlessMissing {
            try await object(AirflowRequest(operation: "reading the source of the DAG “\(dag.id)”", path: path)) {
                $0["content"]?.string
            }
        }
    }

    /// The tasks of a DAG.
    public func tasks(_ id: String) async throws -> [AirflowTask] {
        // This list has no pages.
        try await object(
            AirflowRequest(
                operation: "reading the tasks of the DAG “\(id)”",
                path: AirflowRequest.path("dags", id, "tasks")
            )
        ) { $0["tasks"]?.array?.compactMap(AirflowTask.init) }
    }

    /// The files that could not be imported.
    public func importErrors() async throws -> [AirflowImportError] {
        try await list(
            AirflowRequest(operation: "reading the import errors", path: "/importErrors"),
            "import_errors",
            AirflowImportError.init
        )
    }

    /// Asks that a DAG's file be parsed soon.
    ///
    /// - Returns: false if that was asked for already.
    @discardableResult
    public func parse(_ dag: AirflowDAG) async throws -> Bool {
        try await unlessThere {
            _ = try await ask(
                AirflowRequest(
                    operation: "asking to parse the file of the DAG “\(dag.id)”",
                    method: .put,
                    path: AirflowRequest.path("parseDagFile", dag.fileToken)
                )
            )
        }
    }

    /// Pauses or unpauses a DAG. Unpausing makes a run at once if the next one is due already.
    @discardableResult
    public func setPaused(_ id: String, _ paused: Bool) async throws -> AirflowDAG {
        try await object(
            AirflowRequest(
                operation: "\(paused ? "pausing" : "unpausing") the DAG “\(id)”",
                method: .patch,
                path: AirflowRequest.path("dags", id),
                query: [("update_mask", "is_paused")],
                body: ["is_paused": .bool(paused)]
            ),
            AirflowDAG.init
        )
    }
}
