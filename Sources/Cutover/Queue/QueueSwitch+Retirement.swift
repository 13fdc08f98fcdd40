import Foundation
public import LosslessJSON
public import Migration
import Postgres
import Schedules

/// Taking the bridge away from job types that Airflow owns.
extension QueueSwitch {
    /// Marks types whose DAG is to have no gate, so that nothing gives them back meanwhile; or takes the mark away. All or none.
    ///
    /// - Throws: `Refusal` with the code `changed`, then nothing was changed; or `PostgresError`.
    public func mark(_ types: [String], pipeline: String, _ marks: Bool) async throws {
        try await connection.transaction { connection in
            for type in types {
                let rows = try await connection.query(
                    "SELECT bailey.mark($1, $2, $3, $4) AS answer",
                    [.text(queue), .text(type), .text(pipeline), .bool(marks)]
                )
                if try rows.first?.text("answer") != "ok" { throw changed(type, pipeline, "marking \(type)") }
            }
        }
    }

    /// Lets the held jobs of marked types wait as they were, for a DAG that asks no switch: all types in one transaction. How many jobs.
    ///
    /// - Throws: `Refusal` with the code `changed` or `still-held`, then nothing was changed; or `PostgresError`.
    public func handOver(_ types: [String], pipeline: String, by: String) async throws -> Int {
        let total = try await connection.transaction { connection in
            var total = 0
            for type in types {
                let rows = try await connection.query(
                    "SELECT * FROM bailey.hand_over($1, $2, $3, $4)",
                    [.text(queue), .text(type), .text(pipeline), .text(by)]
                )
                guard let row = rows.first else { continue }
                switch try row.text("answer") {
                case "ok", "again": total += try row.int("amount")
                case "claimed":
                    throw Refusal(
                        .stillHeld,
                        queue: queue,
                        operation: "handing over \(type)",
                        found: "runs have \(try row.int("amount")) of its jobs and have not finished them",
                        advice: "Wait for them, then run the command again"
                    )
                default: throw changed(type, pipeline, "handing over \(type)")
                }
            }
            return total
        }
        // Rows that somebody had locked; what is locked still, the sweep of bailey watch finds.
        var late = 0
        for type in types { late += try await giveBack(type) }
        return total + late
    }

    /// The newest jobs of a type that ended since it was moved, newest first.
    ///
    /// - Throws: `PostgresError`.
    public func ended(_ type: String, limit: Int) async throws -> [LiveJob] {
        let rows = try await connection.query(
            """
            SELECT c.job, c.run, c.outcome, floor(extract(epoch FROM c.finished_at) * 1000000)::bigint AS at
            FROM bailey.claim c JOIN bailey.switch s ON s.queue = c.queue AND s.job_type = c.job_type
            WHERE c.queue = $1 AND c.job_type = $2 AND c.finished_at IS NOT NULL AND c.taken_at >= s.settled_at
            ORDER BY c.finished_at DESC, c.place DESC LIMIT $3
            """,
            [.text(queue), .text(type), .integer(Int64(limit))]
        )
        return try rows.map { row in
            LiveJob(
                type: type,
                job: try row.text("job"),
                run: try row.text("run"),
                endedAt: Instant(microseconds: Int64(try row.int("at"))),
                succeeded: try row.text("outcome") == "success"
            )
        }
    }

    /// What is kept of types: their rows of the switch, and their newest claims.
    ///
    /// - Throws: `PostgresError`.
    public func archive(_ types: [String]) async throws -> JSON {
        func documents(_ sql: String) async throws -> JSON {
            .array(
                try await connection.query(sql, [.text(queue), .texts(types)]).map {
                    try JSON(parsing: try $0.text("row"))
                }
            )
        }
        return [
            "queue": .string(queue), "table": .string(sql.table),
            "switch": try await documents(
                "SELECT to_jsonb(s)::text AS row FROM bailey.switch s WHERE s.queue = $1 AND s.job_type = ANY ($2) ORDER BY s.job_type"
            ),
            "claims": try await documents(
                "SELECT (to_jsonb(c) - 'payload' - 'stored')::text AS row FROM bailey.claim c WHERE c.queue = $1 AND c.job_type = ANY ($2) ORDER BY c.place DESC LIMIT 1000"
            ),
        ]
    }

    // MARK: Help

    func retiring(_ types: [String], _ pipeline: String, _ operation: String) -> Refusal {
        Refusal(
            .retiring,
            queue: queue,
            operation: operation,
            found:
                "\(pipeline) is being retired: its DAG takes \(types.joined(separator: ", ")) without a gate, or is about to, so both sides would run the jobs",
            advice:
                "Finish it with bailey retire \(pipeline) --execute, or put the gate back with --undo --execute and then roll back"
        )
    }

    func retired(_ types: [String], _ pipeline: String, _ operation: String) -> Refusal {
        Refusal(retired: types, of: pipeline, queue: queue, operation: operation)
    }

    private func changed(_ type: String, _ pipeline: String, _ operation: String) -> Refusal {
        Refusal(
            .changed,
            queue: queue,
            operation: operation,
            found: "\(type) is not wholly Airflow's any more, or not by \(pipeline)",
            advice: "Run bailey status, then decide again"
        )
    }
}

extension Refusal {
    /// Why a type whose bridge was taken away is not moved again.
    public init(retired types: [String], of pipeline: String, queue: String, operation: String) {
        self.init(
            .retired,
            queue: queue,
            operation: operation,
            found: "\(pipeline) is retired: its DAG takes \(types.joined(separator: ", ")) by itself",
            advice:
                "Nothing is left to do. To build a bridge anew, give the pipeline another name in its mapping, and pause the DAG \(pipeline) before its cutover"
        )
    }
}
