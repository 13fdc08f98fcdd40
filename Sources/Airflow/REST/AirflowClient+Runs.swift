public import LosslessJSON
public import Migration
public import Schedules

/// Runs, and what their tasks did.
extension AirflowClient {
    /// The runs of a DAG, by tick.
    ///
    /// - Parameters:
    ///   - from: only runs whose tick is not before this.
    ///   - states: only runs that stand so; all if empty.
    public func runs(_ dag: String, from: Instant? = nil, states: [RunState] = []) async throws -> [AirflowRun] {
        let date = version.isThree ? "logical_date" : "execution_date"
        var request = AirflowRequest(
            operation: "listing the runs of the DAG “\(dag)”",
            path: AirflowRequest.path("dags", dag, "dagRuns"),
            query: [("order_by", date)]
        )
        if let from { request.query.append((date + "_gte", from.iso8601)) }
        request.query += states.map { ("state", $0.rawValue) }
        return try await list(request, "dag_runs", AirflowRun.init)
    }

    /// The newest runs of a DAG, the newest first, by when they began; those that have not begun are left out.
    public func newestRuns(_ dag: String, limit: Int) async throws -> [AirflowRun] {
        let runs = try await object(
            AirflowRequest(
                operation: "listing the newest runs of the DAG “\(dag)”",
                path: AirflowRequest.path("dags", dag, "dagRuns"),
                query: [("order_by", "-start_date"), ("limit", "\(min(limit, AirflowClient.pageSize))")]
            )
        ) { $0["dag_runs"]?.array?.compactMap(AirflowRun.init) }
        // PostgreSQL puts what has no date first.
        return runs.filter { $0.start != nil }.sorted { ($0.start ?? .earliest) > ($1.start ?? .earliest) }
    }

    /// The runs of a DAG that were made or changed since an instant of Airflow's clock; all if nil.
    public func runs(_ dag: String, changedSince instant: Instant?) async throws -> [AirflowRun] {
        try await list(
            AirflowRequest(
                operation: "listing what changed of the runs of the DAG “\(dag)”",
                path: AirflowRequest.path("dags", dag, "dagRuns"),
                query: instant.map { [("updated_at_gte", $0.iso8601)] } ?? []
            ),
            "dag_runs",
            AirflowRun.init
        )
    }

    /// One run; nil if there is none of that id.
    public func run(_ dag: String, _ run: String) async throws -> AirflowRun? {
        try await unlessMissing {
            try await object(
                AirflowRequest(
                    operation: "reading the run “\(run)” of the DAG “\(dag)”",
                    path: AirflowRequest.path("dags", dag, "dagRuns", run)
                ),
                AirflowRun.init
            )
        }
    }

    /// Makes a run.
    ///
    /// - Parameters:
    ///   - run: its id; the same one again is a conflict.
    ///   - tick: its logical date; two runs of a DAG with the same are a conflict. Nil for none, which 2.11 replaces by the present.
    ///   - configuration: an object.
    ///   - note: what Airflow shows beside it.
    /// - Throws: `AirflowError`, with the code `conflict` if the id or the tick is taken.
    public func trigger(_ dag: String, run: String, tick: Instant?, configuration: JSON, note: String? = nil)
        async throws -> AirflowRun
    {
        var body: JSONObject = ["dag_run_id": .string(run), "conf": configuration]
        if let note { body["note"] = .string(note) }
        if let tick {
            body["logical_date"] = .string(tick.iso8601)
        } else if version.isThree {
            body["logical_date"] = .null
        }
        return try await object(
            AirflowRequest(
                operation: "making the run “\(run)” of the DAG “\(dag)”",
                method: .post,
                path: AirflowRequest.path("dags", dag, "dagRuns"),
                body: .object(body)
            ),
            AirflowRun.init
        )
    }

    /// Waits until a run is over. An Airflow that is too busy to answer, or that restarts, is asked again until the limit.
    ///
    /// - Parameter seconds: the limit.
    /// - Returns: the run; nil if it is not over when the limit has passed.
    public func wait(_ dag: String, _ run: String, seconds: Double) async throws -> AirflowRun? {
        var silence: AirflowError?
        let over: AirflowRun? = try await poll(seconds: seconds) {
            let found: AirflowRun?
            do { found = try await self.run(dag, run) } catch let error as AirflowError
                where [.unreachable, .timeout, .server].contains(error.code)
            {
                silence = error
                return nil
            }
            silence = nil
            guard let found else {
                throw session.error(
                    .notFound,
                    AirflowRequest(operation: "waiting for the run “\(run)” of the DAG “\(dag)”", path: ""),
                    "it is gone",
                    "Somebody deleted it while it was waited for"
                )
            }
            return found.isOver ? found : nil
        }
        if over == nil, let silence { throw silence }
        return over
    }

    /// Declares a run a success without running what has not run; its tasks are shown skipped.
    public func markSuccess(_ dag: String, _ run: String) async throws {
        _ = try await ask(
            AirflowRequest(
                operation: "marking the run “\(run)” of the DAG “\(dag)” as done",
                method: .patch,
                path: AirflowRequest.path("dags", dag, "dagRuns", run),
                query: version.isThree ? [("update_mask", "state")] : [],
                body: ["state": "success"]
            )
        )
    }

    /// Deletes a run with all that Airflow keeps of it, so that another may have its tick. One that is gone already is left so.
    public func delete(_ dag: String, run: String) async throws {
        _ = try await unlessMissing {
            try await ask(
                AirflowRequest(
                    operation: "deleting the run “\(run)” of the DAG “\(dag)”",
                    method: .delete,
                    path: AirflowRequest.path("dags", dag, "dagRuns", run)
                )
            )
        }
    }

    /// The tasks of a run, each instance of a mapped one apart.
    public func taskInstances(_ dag: String, _ run: String) async throws -> [AirflowTaskInstance] {
        try await list(
            AirflowRequest(
                operation: "reading the tasks of the run “\(run)” of the DAG “\(dag)”",
                path: AirflowRequest.path("dags", dag, "dagRuns", run, "taskInstances")
            ),
            "task_instances",
            AirflowTaskInstance.init
        )
    }

    /// The values of one key that the tasks of a run left.
    public func xcoms(_ dag: String, _ run: String, key: String) async throws -> [AirflowXCom] {
        let found = try await list(
            AirflowRequest(
                operation: "listing what the tasks of the run “\(run)” of the DAG “\(dag)” left",
                path: AirflowRequest.path("dags", dag, "dagRuns", run, "taskInstances", "~", "xcomEntries"),
                query: [("xcom_key", key)]
            ),
            "xcom_entries",
            AirflowXCom.init
        )
        return found.filter { $0.key == key }
    }

    /// A value that a task left; nil if there is none.
    public func value(_ dag: String, _ run: String, _ entry: AirflowXCom) async throws -> JSON? {
        try await unlessMissing {
            try await object(
                AirflowRequest(
                    operation:
                        "reading “\(entry.key)” of the task “\(entry.task)” of the run “\(run)” of the DAG “\(dag)”",
                    path: AirflowRequest.path(
                        "dags",
                        dag,
                        "dagRuns",
                        run,
                        "taskInstances",
                        entry.task,
                        "xcomEntries",
                        entry.key
                    ),
                    query: [("stringify", "false")]
                        + (entry.mapIndex >= 0 ? [("map_index", "\(entry.mapIndex)")] : [])
                )
            ) { $0["value"] }
        }
    }

    /// The log of an attempt as lines of text; nil if there is none.
    public func log(_ dag: String, _ run: String, task: String, attempt: Int, mapIndex: Int = -1) async throws
        -> [String]?
    {
        try await unlessMissing {
            try await object(
                AirflowRequest(
                    operation: "reading the log of the task “\(task)” of the run “\(run)” of the DAG “\(dag)”",
                    path: AirflowRequest.path(
                        "dags",
                        dag,
                        "dagRuns",
                        run,
                        "taskInstances",
                        task,
                        "logs",
                        "\(attempt)"
                    ),
                    query: [("full_content", "true")] + (mapIndex >= 0 ? [("map_index", "\(mapIndex)")] : [])
                )
            ) { json in
                if let text = json["content"]?.string {
                    return text.replacing("\\n", with: "\n").split(separator: "\n").map(String.init)
                }
                return json["content"]?.array?.map { AirflowClient.line($0) }
            }
        }
    }

    /// One line of a structured log, with the exception it reports.
    private static func line(_ entry: JSON) -> String {
        let event = entry["event"]?.string ?? entry.string ?? ""
        let errors = (entry["error_detail"]?.array ?? []).map {
            "\($0["exc_type"]?.string ?? ""): \($0["exc_value"]?.string ?? "")"
        }
        return ([event] + errors).joined(separator: " ")
    }
}
