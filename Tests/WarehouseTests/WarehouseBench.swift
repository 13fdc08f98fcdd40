import LosslessJSON
import Postgres
import TestSupport
import Warehouse

/// A database on the real server, laid out in one of the ways that a warehouse can be.
enum WarehouseBench: String, CaseIterable {
    case plain, monthly
    /// Facts are spread by hash over four databases, as over the segments of a Greenplum.
    case segments

    static let day = "2026-11-30"

    /// A new one.
    func database() async throws -> String {
        let server = try PostgresServer.running()
        let url = try server.database()
        guard self == .segments else { return url }
        guard let month = WarehouseMonth(day: WarehouseBench.day) else { return url }
        let script = WarehouseLayout(.postgres).script(schema: "history", from: month)
        let admin = try await PostgresConnection(to: PostgresURL(url), readOnly: false)
        try await admin.execute(script: "CREATE EXTENSION postgres_fdw")
        try server.psql(url, script)
        for number in 0..<4 {
            let segment = try server.database()
            try server.psql(segment, script)
            let name = segment.split(separator: "/").last.map(String.init) ?? ""
            try await admin.execute(
                script: """
                    CREATE SERVER segment\(number) FOREIGN DATA WRAPPER postgres_fdw
                        OPTIONS (host '127.0.0.1', port '\(server.port)', dbname \(PostgresConnection.literal(name)));
                    CREATE USER MAPPING FOR postgres SERVER segment\(number) OPTIONS (user 'postgres');
                    """
            )
        }
        let facts: [(String, String)] = [
            ("run", "run"), ("task_run", "run"), ("comparison", "run"), ("difference", "comparison"),
            ("tick", "entry, fired_at"), ("journal", "number"),
        ]
        for (table, key) in facts {
            let parts = (0..<4).map { number in
                """
                CREATE FOREIGN TABLE history.\(table)_\(number) PARTITION OF history.\(table)
                    FOR VALUES WITH (MODULUS 4, REMAINDER \(number)) SERVER segment\(number)
                    OPTIONS (schema_name 'history', table_name '\(table)');
                """
            }
            try await admin.execute(
                script: """
                    ALTER TABLE history.\(table) RENAME TO \(table)_plain;
                    CREATE TABLE history.\(table) (LIKE history.\(table)_plain) PARTITION BY HASH (\(key));
                    \(table == "run" ? "DROP VIEW history.tick_runner;" : "")
                    DROP TABLE history.\(table)_plain;
                    \(parts.joined(separator: "\n"))
                    """
            )
        }
        return url
    }

    func open(_ url: String, identity: String = "one", writes: Bool = true) async throws -> Warehouse {
        try await Warehouse.open(
            PostgresURL(url),
            schema: "history",
            isMonthly: self == .monthly,
            identity: identity,
            writes: writes
        )
    }

    /// One that is ready to be written to.
    func ready(_ url: String) async throws -> Warehouse {
        try await open(url).prepare(identity: "one", day: WarehouseBench.day)
        return try await open(url)
    }
}

/// A part of fires, one for each name.
struct Fires {
    var part: WarehousePart
    var entries: [String]

    init(_ name: String, day: String = WarehouseBench.day, digest: String = "1", _ entries: [String]) {
        part = WarehousePart(name: name, stream: "fired", day: day, digest: digest, rows: entries.count)
        self.entries = entries
    }

    var rows: [WarehouseRow] {
        entries.map { entry in
            WarehouseRow(
                .tick,
                [
                    "day": .string(part.day), "part": .string(part.name), "entry": .string(entry),
                    "tick": .string("\(part.day)T02:00:00Z"), "fired_at": .string("\(part.day)T02:00:00.5Z"),
                    "is_exact": true, "run": nil,
                ]
            )
        }
    }
}

extension Warehouse {
    func write(_ fires: [Fires], over old: [Fires] = []) async throws {
        try await replace(old.map(\.part), by: fires.map(\.part), in: [.tick]) { stage in
            for row in fires.flatMap(\.rows) { try await stage.add(row) }
        }
    }
}
