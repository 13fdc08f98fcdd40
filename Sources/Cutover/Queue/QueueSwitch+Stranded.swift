import Legacy
import Postgres

/// Rows that are held although nobody is to take them.
public struct QueueStranded: Sendable, Hashable {
    /// The job type; nil where the row does not say.
    public var type: String?
    /// How many are held, and how many have the mark of rows that a run has taken.
    public var held: Int
    public var taken: Int
}

/// A session, or a prepared transaction, whose locks keep held rows from being given back.
public struct QueueBlocker: Sendable, Hashable {
    /// Its process; nil for a prepared transaction.
    public var pid: Int?
    /// What the application calls itself, the session's state and latest statement, and since when its transaction has been open.
    public var name: String
    public var state: String
    public var query: String
    public var since: String

    /// One clause.
    public var text: String {
        let who = pid.map { "pid \($0)" + (name.isEmpty ? "" : " (\(name))") } ?? name
        return "\(who), \(state) since \(since)" + (query.isEmpty ? "" : ": \(query)")
    }
}

/// What a rollback has left: a type of which a transaction may still hold rows, or whose rows somebody has locked.
public struct QueueRest: Sendable, Hashable {
    /// The job type.
    public var type: String
    /// Rows that are held still.
    public var held: Int
    /// Who has them locked.
    public var blockers: [QueueBlocker]
}

/// Giving back what is held, row by row, and finding what is held for nobody.
extension QueueSwitch {
    /// Lets held rows of a type that is legacy's wait as they were, each batch in a transaction of its own; how many. Rows that somebody has
    /// locked are passed over.
    ///
    /// - Throws: `Refusal` with the code `stranded` where the table has changed so that it cannot be done, or `PostgresError`.
    public func giveBack(_ type: String, batch: Int = 10_000) async throws -> Int {
        var total = 0
        while true {
            let rows = try await naming("giving back \(type)", [type]) {
                try await connection.query(
                    "SELECT bailey.give_back($1, $2, $3) AS n",
                    [.text(queue), .text(type), .integer(Int64(batch))]
                )
            }
            let count = try rows.first?.int("n") ?? 0
            total += count
            if count < batch { return total }
        }
    }

    /// What is left of a type after it was given back: its held rows, and whose locks they are under.
    ///
    /// - Throws: as `giveBack`.
    func rest(_ type: String) async throws -> QueueRest {
        try await naming("looking at \(type)", [type]) {
            let held = try await connection.query(
                "SELECT bailey.held_now($1, $2) AS n",
                [.text(queue), .text(type)]
            )
            let count = try held.first?.int("n") ?? 0
            guard count > 0 else { return QueueRest(type: type, held: 0, blockers: []) }
            let rows = try await connection.query(
                """
                SELECT pid, coalesce(name, '') AS name, coalesce(state, 'out of sight') AS state, coalesce(query, '') AS query,
                    coalesce(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'an unknown time') AS since
                FROM bailey.blockers($1, $2) ORDER BY since LIMIT 5
                """,
                [.text(queue), .text(type)]
            )
            let blockers = try rows.map { row in
                QueueBlocker(
                    pid: row["pid"].flatMap(Int.init),
                    name: try row.text("name"),
                    state: try row.text("state"),
                    query: try row.text("query").split(whereSeparator: \.isWhitespace).joined(separator: " "),
                    since: try row.text("since")
                )
            }
            return QueueRest(type: type, held: count, blockers: blockers)
        }
    }

    /// Rows that are held and whose type is legacy's, or that no switch says anything of.
    ///
    /// - Parameter guesses: whether rows that are due as late as deferred ones are count where no switch says that they are; the application may
    ///   have done that itself.
    /// - Throws: `Refusal` where the table has changed so that they cannot be found or schema `bailey` may not be read, or
    ///   `PostgresError`.
    public func stranded(guesses: Bool = false) async throws -> [QueueStranded] {
        if try await isSwitchThere() {
            let rows = try await naming("looking for rows that are held for nobody", []) {
                try await connection.query("SELECT * FROM bailey.stranded($1)", [.text(queue)])
            }
            return try rows.map { QueueStranded(type: $0["job_type"], held: try $0.int("amount"), taken: 0) }
        }
        if sql.mark.method == .due, !guesses { return [] }
        let rows = try await connection.query(sql.marked)
        return try rows.map { row in
            QueueStranded(type: row["job_type"], held: try row.int("held"), taken: try row.int("taken"))
        }
    }

    /// Why rows that are held for nobody are an error, and the SQL that frees them; nil if there are none.
    ///
    /// - Throws: as `stranded`.
    public func strandedError(_ operation: String, guesses: Bool = false) async throws -> Refusal? {
        let found = try await stranded(guesses: guesses)
        guard !found.isEmpty else { return nil }
        let isThere = try await isSwitchThere()
        let types = found.compactMap(\.type)
        let text = found.map { one in
            "\(one.held) of \(one.type ?? "no type")" + (one.taken > 0 ? " and \(one.taken) that a run had taken" : "")
        }.joined(separator: ", ")
        let far =
            sql.mark.method == .due && !isThere
            ? " (they are due as late as held rows are; the application may have done that itself)" : ""
        let freeing = try await freeing(types)
        return Refusal(
            .stranded,
            queue: queue,
            operation: operation,
            found: "jobs are held in \(sql.table) and the switch says of none that it is Airflow's: \(text)\(far)",
            advice: isThere
                ? "Roll the pipeline back once more, or run as the table's owner: \(freeing)"
                : "This database has no switch of theirs, as after a restore without schema bailey. Make sure that no Airflow runs them, then run as the table's owner: \(freeing)"
                    + (found.contains { $0.taken > 0 }
                        ? " Rows with the word of taken ones may have been run: look at each" : "")
        )
    }

    /// SQL for an administrator that gives types back; for all held rows if none is named.
    ///
    /// - Throws: `PostgresError`.
    public func freeing(_ types: [String]) async throws -> String {
        guard try await isSwitchThere() else { return sql.freeing(types, names: nil, isInstalled: false) }
        let rows = try await connection.query(
            "SELECT on_table::regclass::text AS on_table, key, regexp_replace(value, '^j\\.', '') AS value FROM bailey.located($1) LEFT JOIN jsonb_each_text(names) ON true",
            [.text(queue)]
        )
        guard let table = rows.first?["on_table"] else { return sql.freeing(types, names: nil, isInstalled: true) }
        var names = ["table": table]
        for row in rows { if let key = row["key"], let value = row["value"] { names[key] = value } }
        return sql.freeing(types, names: names, isInstalled: true)
    }

    /// Does something that needs the table's columns; says what the table has lost, and what an administrator can run.
    func naming<Value>(_ operation: String, _ types: [String], _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as PostgresError where ["42", "22", "23", "55"].contains(error.state?.prefix(2) ?? "") {
            guard error.code != .rights else { throw error }
            throw Refusal(
                .stranded,
                queue: queue,
                operation: operation,
                found: "the table has changed since the switch was installed: \(error.found)",
                advice:
                    "Undo the change and run bailey rollback again, or run as the table's owner: \(try await freeing(types))"
            )
        }
    }
}
