import LosslessJSON
public import Postgres

/// A part of history: what is replaced as a whole.
public struct WarehousePart: Sendable, Hashable {
    /// Its name, which tells it from all others.
    public var name: String
    /// What it is a part of.
    public var stream: String
    /// The day that it lies in, in UTC.
    public var day: String
    /// What changes when its content does.
    public var digest: String
    /// How many rows of what it is made of.
    public var rows: Int

    /// Makes a part.
    public init(name: String, stream: String, day: String, digest: String, rows: Int) {
        (self.name, self.stream, self.day, self.digest, self.rows) = (name, stream, day, digest, rows)
    }
}

extension Warehouse {
    /// Makes what is missing, all or none, and notes whose it is.
    ///
    /// - Parameter day: a day of the month that partitions begin with.
    /// - Throws: `WarehouseError` where a right is missing; `PostgresError`.
    public func prepare(identity: String, day: String) async throws {
        guard lacks.isEmpty else {
            throw WarehouseError(
                .rights,
                address: address,
                operation: "looking what its user may do in the schema \(schema)",
                found: "rights are missing",
                advice: "Have its administrator run: \(lacks.joined(separator: "; "))"
            )
        }
        if isNew, let month = WarehouseMonth(day: day) {
            // Whose it is is noted with the tables: another state that makes them at the same moment finds it.
            let making = layout.making(from: month) + Warehouse.owning(identity)
            let name = PostgresConnection.identifier(schema)
            try await connection.execute(script: lacksSchema ? "CREATE SCHEMA \(name);\n" + making : making)
            return
        }
        if lacksView { try await connection.execute(script: WarehouseView.definition) }
        guard owner == nil else { return }
        try await keep("state", identity)
    }

    private static func owning(_ identity: String) -> String {
        "INSERT INTO export_state (name, value) VALUES ('state', \(PostgresConnection.literal(identity)));\n"
    }

    /// Whether an error of `prepare` says that another export has made the same meanwhile.
    public static func isMadeMeanwhile(_ error: PostgresError) -> Bool {
        // A schema, a table, a row of the catalogue of either.
        error.state.map { ["42P06", "42P07", "23505"].contains($0) } ?? false
    }

    /// The parts that are there of a stream, by name.
    ///
    /// - Throws: `PostgresError`.
    public func parts(of stream: String) async throws -> [String: WarehousePart] {
        guard !isNew else { return [:] }
        return try await parts("stream = $1", .text(stream))
    }

    /// Those of these names that are there.
    ///
    /// - Throws: `PostgresError`.
    public func parts(named names: [String]) async throws -> [String: WarehousePart] {
        guard !isNew, !names.isEmpty else { return [:] }
        return try await parts("part = ANY ($1::text[])", .texts(names))
    }

    private func parts(_ condition: String, _ value: PostgresValue) async throws -> [String: WarehousePart] {
        let rows = try await connection.query(
            "SELECT part, stream, day::text AS day, digest, row_count FROM export_part WHERE \(condition)",
            [value]
        )
        let parts = try rows.map { row in
            WarehousePart(
                name: try row.text("part"),
                stream: try row.text("stream"),
                day: try row.text("day"),
                digest: try row.text("digest"),
                rows: try row.int("row_count")
            )
        }
        return Dictionary(parts.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What was noted under a name; nil if nothing was.
    ///
    /// - Throws: `PostgresError`.
    public func kept(_ name: String) async throws -> String? {
        guard !isNew else { return nil }
        return try await connection.query("SELECT value FROM export_state WHERE name = $1", [.text(name)]).first?[
            "value"
        ]
    }

    /// Notes something under a name.
    ///
    /// - Throws: `PostgresError`.
    public func keep(_ name: String, _ value: String) async throws {
        try await connection.transaction { connection in
            _ = try await connection.query("DELETE FROM export_state WHERE name = $1", [.text(name)])
            _ = try await connection.query(
                "INSERT INTO export_state (name, value) VALUES ($1, $2)",
                [.text(name), .text(value)]
            )
        }
    }

    /// Replaces parts, all or none.
    ///
    /// - Parameters:
    ///   - parts: what is to be there.
    ///   - old: what is there of them, or is to go.
    ///   - tables: those that their rows lie in.
    ///   - fill: stages their rows.
    /// - Throws: `PostgresError`, or what `fill` throws; nothing was changed then.
    public func replace(
        _ old: [WarehousePart],
        by parts: [WarehousePart],
        in tables: [WarehouseTable],
        _ fill: (WarehouseStage) async throws -> Void
    ) async throws {
        try await connection.transaction { connection in
            _ = try await connection.query("SET LOCAL lock_timeout = '60s'")
            // Two exports at once would each add what both found missing.
            _ = try await connection.query("LOCK TABLE export_part IN SHARE ROW EXCLUSIVE MODE")
            // What another export has written since this one looked is replaced, too.
            let there = try await self.parts(named: Set((old + parts).map(\.name)).sorted()).values
            try await makeMonths(of: parts, connection)
            for table in tables {
                let name = PostgresConnection.identifier(table.rawValue)
                let stage = WarehouseStage.name(of: table)
                _ = try await connection.query(
                    "CREATE TEMPORARY TABLE IF NOT EXISTS \(stage) (LIKE \(name)) ON COMMIT DELETE ROWS"
                )
            }
            let stage = WarehouseStage(connection)
            try await fill(stage)
            try await stage.flush()
            let names = PostgresValue.texts(Set((old + parts).map(\.name)).sorted())
            if !there.isEmpty {
                for table in tables {
                    let name = PostgresConnection.identifier(table.rawValue)
                    if table.kind == .fact {
                        // Their days tell the server which partitions to look into.
                        _ = try await connection.query(
                            "DELETE FROM \(name) WHERE day = ANY ($1::date[]) AND part = ANY ($2::text[])",
                            [.texts(Set(there.map(\.day)).sorted()), names]
                        )
                    } else {
                        _ = try await connection.query("DELETE FROM \(name) WHERE part = ANY ($1::text[])", [names])
                    }
                }
            }
            for table in tables where stage.filled.contains(table) {
                let name = PostgresConnection.identifier(table.rawValue)
                _ = try await connection.query("INSERT INTO \(name) SELECT * FROM \(WarehouseStage.name(of: table))")
            }
            _ = try await connection.query("DELETE FROM export_part WHERE part = ANY ($1::text[])", [names])
            let lines = JSON.array(
                parts.map { part in
                    [
                        "part": WarehouseStage.clean(.string(part.name)), "stream": .string(part.stream),
                        "day": .string(part.day), "digest": .string(part.digest),
                        "row_count": .number(JSONNumber(part.rows)),
                    ]
                }
            )
            _ = try await connection.query(
                "INSERT INTO export_part SELECT * FROM json_populate_recordset(NULL::export_part, $1::json)",
                [.text(lines.text())]
            )
        }
    }

    /// Makes the partitions that parts need and that are not there.
    private func makeMonths(of parts: [WarehousePart], _ connection: PostgresConnection) async throws {
        guard layout.isMonthly else { return }
        let there = try await connection.query("SELECT month::text AS month FROM export_month").compactMap {
            $0["month"].flatMap { WarehouseMonth(day: $0) }
        }
        for month in Set(parts.compactMap { WarehouseMonth(day: $0.day) }).subtracting(there).sorted() {
            for statement in layout.partitions(of: month, isFirst: false) { _ = try await connection.query(statement) }
            _ = try await connection.query(
                "INSERT INTO export_month (month) VALUES ($1::date)",
                [.text(month.firstDay)]
            )
        }
    }
}
