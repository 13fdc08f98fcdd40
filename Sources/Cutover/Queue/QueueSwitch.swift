public import Legacy
import Migration
import Postgres

/// The switch of one queue table: calls the functions that `QueueSwitchSQL` installs, which make every decision.
public struct QueueSwitch: Sendable {
    /// The source's name.
    public let queue: String
    /// The SQL that installs it.
    public let sql: QueueSwitchSQL
    /// The zone that columns without one are read and written in.
    public let timezone: String
    /// How the table is read and held.
    let profile: QueueProfile
    let connection: PostgresConnection

    /// Connects.
    ///
    /// - Throws: `PostgresError`, or `Refusal` if the profile does not say how to hold.
    public init(_ source: QueueSource) async throws {
        // A profile that cannot hold is refused before the server is asked.
        _ = try QueueSwitchSQL(queue: source.name, profile: source.layout, timezone: "UTC")
        let (connection, zone) = try await source.connectForSwitch()
        sql = try QueueSwitchSQL(queue: source.name, profile: source.layout, timezone: zone)
        self.connection = connection
        queue = source.name
        timezone = zone
        profile = source.layout.ofTable
    }

    // MARK: One type

    /// Begins to move a type, or changes its share. Gives the fence.
    ///
    /// - Parameters:
    ///   - drain: whether nothing may be taken until legacy's workers have been seen to do nothing for the profile's pause.
    ///   - installation: the installation of Airflow whose runs are to take; nil for the one that had it, or else takes first.
    /// - Throws: `Refusal` with the code `other-pipeline`, or `PostgresError`.
    public func close(
        _ type: String,
        share: Int,
        pipeline: String,
        by: String,
        drain: Bool,
        installation: String? = nil
    ) async throws -> Int64 {
        let pause = "\(profile.hold?.pause ?? 0) seconds"
        let row = try await one(
            "SELECT * FROM bailey.close($1, $2, $3, $4, $5 || left(set_config('bailey.appoint', $8, true), 0), $6, $7::interval)",
            [
                .text(queue), .text(type), .integer(Int64(share)), .text(pipeline), .text(by), .bool(drain),
                .text(pause), .text(installation ?? ""),
            ]
        )
        switch try row.text("answer") {
        case "held": throw otherPipeline(type, try row.text("pipeline"), "closing \(type)")
        case "begun": throw retiring([type], try row.text("pipeline"), "closing \(type)")
        case "finished": throw retired([type], try row.text("pipeline"), "closing \(type)")
        default: break
        }
        return Int64(try row.int("fence"))
    }

    /// Holds waiting rows in batches until there is none that is not locked; how many.
    ///
    /// - Throws: `PostgresError`.
    public func hold(_ type: String, batch: Int = 5000) async throws -> Int {
        var total = 0
        while true {
            let row = try await one(
                "SELECT bailey.hold($1, $2, $3) AS n",
                [.text(queue), .text(type), .integer(Int64(batch))]
            )
            let count = try row.int("n")
            total += count
            if count < batch { return total }
        }
    }

    /// Ends the closing if nothing stands against it.
    ///
    /// - Throws: `PostgresError`.
    public func settle(_ type: String, fence: Int64) async throws -> QueueSettling {
        let row = try await one(
            "SELECT * FROM bailey.settle($1, $2, $3)",
            [.text(queue), .text(type), .integer(fence)]
        )
        switch try row.text("answer") {
        case "ok", "again": return .settled
        case "waiting":
            guard let reason = QueueSettling.Reason(rawValue: try row.text("reason")) else { fallthrough }
            return .waiting(reason, try row.int("amount"))
        default: return .changed
        }
    }

    /// Gives types back in one transaction, with the first of their held rows; how many rows of each wait for legacy again, and its fence from
    /// now on. `giveBack` does the others.
    ///
    /// - Throws: `Refusal` with the code `other-pipeline`, or `PostgresError`; then nothing was given back.
    public func release(_ types: [String], pipeline: String, by: String) async throws -> [(count: Int, fence: Int64)] {
        try await connection.transaction { connection in
            var given: [(count: Int, fence: Int64)] = []
            for type in types {
                let rows = try await connection.query(
                    "SELECT * FROM bailey.release($1, $2, $3, $4)",
                    [.text(queue), .text(type), .text(pipeline), .text(by)]
                )
                guard let row = rows.first else { continue }
                switch try row.text("answer") {
                case "held": throw otherPipeline(type, "another pipeline", "giving back \(type)")
                case "begun": throw retiring([type], pipeline, "giving back \(type)")
                default: break
                }
                given.append((try row.int("amount"), Int64(try row.int("fence"))))
            }
            return given
        }
    }

    /// Releases what transactions that had not seen the giving back have held since.
    ///
    /// - Returns: whether none of them is left, and how many rows were released.
    /// - Throws: `PostgresError`.
    public func sweep(_ type: String) async throws -> (isDone: Bool, released: Int) {
        let row = try await naming("giving back \(type)", [type]) {
            try await one("SELECT * FROM bailey.sweep($1, $2)", [.text(queue), .text(type)])
        }
        return (try row.bool("done"), try row.int("amount"))
    }

    /// Returns the open claims of runs that a person calls dead; how many.
    ///
    /// - Throws: `PostgresError`.
    public func giveUp(_ type: String, runs: [String], by: String) async throws -> Int {
        let row = try await one(
            "SELECT bailey.give_up($1, $2, $3::text[], $4) AS n",
            [.text(queue), .text(type), .texts(runs), .text(by)]
        )
        return try row.int("n")
    }

    // MARK: Looking

    /// Where the jobs of a type stand. Where the table has changed so that its rows cannot be counted, the switch's own word, and why.
    ///
    /// - Throws: `PostgresError`.
    public func standing(_ type: String) async throws -> QueueStanding {
        let rows = try await connection.query(
            "SELECT s.* FROM (SELECT) AS nothing LEFT JOIN bailey.switch s ON s.queue = $1 AND s.job_type = $2",
            [.text(queue), .text(type)]
        )
        guard let row = rows.first else { throw notInstalled("looking at \(type)") }
        let state = row["state"].flatMap { SwitchState(rawValue: $0) } ?? .legacy
        var standing = QueueStanding(
            type: type,
            state: state,
            share: state == .legacy ? 0 : Int(row["share"] ?? "") ?? 0,
            fence: Int64(row["fence"] ?? "") ?? 0,
            pipeline: row["pipeline"],
            by: row["by"],
            isSwept: row["swept"] != "f",
            retirement: row["retirement"].flatMap { QueueStanding.Retirement(rawValue: $0) }
        )
        do {
            guard
                let counts = try await connection.query(
                    "SELECT * FROM bailey.look($1, $2)",
                    [.text(queue), .text(type)]
                ).first
            else { return standing }
            standing.waiting = try counts.int("waiting")
            standing.outside = try counts.int("outside")
            standing.retries = try counts.int("retries")
            standing.held = try counts.int("held")
            standing.due = try counts.int("due")
            standing.claimed = try counts.int("claimed")
            standing.running = try counts.int("running")
            standing.stuck = try counts.int("stuck")
        } catch {
            guard ["42", "22"].contains(error.state?.prefix(2) ?? "") else { throw error }
            standing.trouble = error.code == .rights ? error.found : "the table has changed: \(error.found)"
            let held = try? await connection.query(
                "SELECT bailey.held_now($1, $2) AS n",
                [.text(queue), .text(type)]
            )
            standing.held = try held?.first?.int("n") ?? 0
        }
        return standing
    }

    /// The types that were moved for a pipeline and are not legacy's, that runs have still taken jobs of, or that have held rows; by the switch
    /// alone, whatever has become of the table.
    ///
    /// - Throws: `Refusal` if schema `bailey` is another's or may not be read, or `PostgresError`.
    public func types(of pipeline: String) async throws -> [String] {
        guard try await isSwitchThere() else { return [] }
        let rows = try await connection.query(
            """
            SELECT job_type, state <> 'legacy' OR NOT swept OR EXISTS (
                SELECT FROM bailey.claim c WHERE c.queue = s.queue AND c.job_type = s.job_type AND c.finished_at IS NULL
            ) AS moved FROM bailey.switch s WHERE queue = $1 AND pipeline = $2 ORDER BY job_type
            """,
            [.text(queue), .text(pipeline)]
        )
        guard !rows.isEmpty else { return [] }
        // Of a table that cannot be looked at, whatever the switch knows is looked after.
        let found = try? await stranded()
        let held = Set((found ?? []).compactMap(\.type))
        return try rows.compactMap { row in
            let type = try row.text("job_type")
            return try row.bool("moved") || held.contains(type) || found == nil ? type : nil
        }
    }

    /// The types of this queue that are not legacy's, or that runs have still taken jobs of.
    ///
    /// - Throws: `PostgresError`.
    public func uses() async throws -> [QueueUse] {
        let rows = try await connection.query(
            """
            SELECT s.*, (SELECT count(*) FROM bailey.claim c
                WHERE c.queue = s.queue AND c.job_type = s.job_type AND c.finished_at IS NULL) AS claimed
            FROM bailey.switch s WHERE s.queue = $1 ORDER BY s.job_type
            """,
            [.text(queue)]
        )
        return try rows.compactMap { row in
            guard let state = SwitchState(rawValue: try row.text("state")) else { return nil }
            let use = QueueUse(
                type: try row.text("job_type"),
                pipeline: try row.text("pipeline"),
                state: state,
                fence: Int64(try row.int("fence")),
                isSwept: try row.bool("swept"),
                isRetiring: row["retirement"] == QueueStanding.Retirement.begun.rawValue,
                claimed: try row.int("claimed")
            )
            return state == .legacy && use.isSwept && use.claimed == 0 ? nil : use
        }
    }

    /// The runs that have taken jobs of a type and not finished them, oldest first.
    ///
    /// - Throws: `PostgresError`.
    public func openClaims(_ type: String) async throws -> [QueueClaims] {
        let rows = try await connection.query(
            """
            SELECT run, count(*) AS number, to_char(min(taken_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
                extract(epoch FROM clock_timestamp() - min(taken_at))::float8 AS seconds FROM bailey.claim
            WHERE queue = $1 AND job_type = $2 AND finished_at IS NULL GROUP BY run ORDER BY min(taken_at)
            """,
            [.text(queue), .text(type)]
        )
        return try rows.map { row in
            let seconds = try row.double("seconds") ?? 0
            return QueueClaims(
                type: type,
                run: try row.text("run"),
                count: try row.int("number"),
                since: try row.text("since"),
                seconds: seconds,
                isOverdue: seconds > profile.hold?.stuckAfter ?? 3600
            )
        }
    }

    // MARK: Help

    private func one(_ sql: String, _ values: [PostgresValue]) async throws -> PostgresRow {
        guard let row = try await connection.query(sql, values).first else { throw notInstalled("asking the switch") }
        return row
    }

    func notInstalled(_ operation: String) -> Refusal {
        Refusal(
            .notInstalled,
            queue: queue,
            operation: operation,
            found: "the switch is not installed in \(connection.address)",
            advice: "Run bailey cutover with --execute, or give its --sql to the database's administrator"
        )
    }

    func otherPipeline(_ type: String, _ pipeline: String, _ operation: String) -> Refusal {
        Refusal(
            .otherPipeline,
            queue: queue,
            operation: operation,
            found: "\(type) was moved for \(pipeline)",
            advice: "Roll that pipeline back first"
        )
    }
}
