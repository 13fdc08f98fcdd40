import LosslessJSON
public import Schedules

/// Runs for ticks of the past. Only Airflow 3 has an API for that.
extension AirflowClient {
    /// The ticks for which a backfill would make runs, `[from, to]`, without those that have one.
    public func backfillTicks(_ dag: String, from: Instant, to: Instant) async throws -> [Instant] {
        try await object(
            request(
                "asking which ticks of the DAG “\(dag)” a backfill would run",
                "/backfills/dry_run",
                dag,
                from,
                to,
                1
            )
        ) { json in
            json["backfills"]?.array?.compactMap { $0["logical_date"]?.string.flatMap { Instant(iso8601: $0) } }
                .sorted()
        }
    }

    /// Makes runs for the ticks of `[from, to]` that have none.
    ///
    /// - Parameter atOnce: how many of them may be under way at once.
    /// - Returns: its number.
    /// - Throws: `AirflowError`, with the code `conflict` if another backfill of the DAG is under way.
    public func backfill(_ dag: String, from: Instant, to: Instant, atOnce: Int) async throws -> Int {
        try await object(request("making a backfill of the DAG “\(dag)”", "/backfills", dag, from, to, atOnce)) {
            $0["id"]?.int
        }
    }

    /// Whether a backfill is over.
    public func isComplete(backfill id: Int) async throws -> Bool {
        try await object(
            AirflowRequest(operation: "reading the backfill \(id)", path: AirflowRequest.path("backfills", "\(id)"))
        ) { json in
            json["id"]?.int.map { _ in json["completed_at"]?.isNull == false }
        }
    }

    /// Runs all tasks of a run that is over anew, its gate included.
    public func clear(_ dag: String, _ run: String) async throws {
        _ = try await ask(
            AirflowRequest(
                operation: "clearing the run “\(run)” of the DAG “\(dag)”",
                method: .post,
                path: AirflowRequest.path("dags", dag, "dagRuns", run, "clear"),
                body: ["dry_run": false]
            )
        )
    }

    private func request(
        _ operation: String,
        _ path: String,
        _ dag: String,
        _ from: Instant,
        _ to: Instant,
        _ atOnce: Int
    ) -> AirflowRequest {
        AirflowRequest(
            operation: operation,
            method: .post,
            path: path,
            body: [
                "dag_id": .string(dag), "from_date": .string(from.iso8601), "to_date": .string(to.iso8601),
                "run_backwards": false, "dag_run_conf": [:], "reprocess_behavior": "none",
                "max_active_runs": .number(JSONNumber(atOnce)),
            ],
            // A second one would be refused, or would make the rest of the runs.
            repeatable: false
        )
    }
}
