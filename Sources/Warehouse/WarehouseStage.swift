public import LosslessJSON
import Postgres

/// A row of a table: its columns by name; what is left out is NULL.
public struct WarehouseRow: Sendable, Hashable {
    /// The table.
    public var table: WarehouseTable
    /// Its values.
    public var values: JSONObject

    /// Makes a row.
    public init(_ table: WarehouseTable, _ values: JSONObject) { (self.table, self.values) = (table, values) }
}

/// Temporary tables in which rows gather, so that each table gets all of a batch at once. What it holds in memory is little.
public final class WarehouseStage {
    /// The most rows, and bytes of them, that are sent in one statement.
    private static let (mostRows, mostBytes) = (1000, 1 << 20)

    private let connection: PostgresConnection
    private var pending: [WarehouseTable: (rows: [String], bytes: Int)] = [:]
    /// The tables that got rows.
    private(set) var filled: Set<WarehouseTable> = []

    init(_ connection: PostgresConnection) { self.connection = connection }

    static func name(of table: WarehouseTable) -> String {
        "pg_temp." + PostgresConnection.identifier("stage_" + table.rawValue)
    }

    /// Stages a row.
    ///
    /// - Throws: `PostgresError`.
    public func add(_ row: WarehouseRow) async throws {
        let text = WarehouseStage.clean(.object(row.values)).text()
        var some = pending[row.table] ?? ([], 0)
        some.rows.append(text)
        some.bytes += text.utf8.count
        pending[row.table] = some
        if some.rows.count >= WarehouseStage.mostRows || some.bytes >= WarehouseStage.mostBytes {
            try await send(row.table)
        }
    }

    func flush() async throws { for table in pending.keys { try await send(table) } }

    private func send(_ table: WarehouseTable) async throws {
        guard let some = pending.removeValue(forKey: table), !some.rows.isEmpty else { return }
        let name = WarehouseStage.name(of: table)
        _ = try await connection.query(
            "INSERT INTO \(name) SELECT * FROM json_populate_recordset(NULL::\(name), $1::json)",
            [.text("[" + some.rows.joined(separator: ",") + "]")]
        )
        filled.insert(table)
    }

    /// A value without what no text of PostgreSQL's may hold.
    static func clean(_ value: JSON) -> JSON {
        switch value {
        case .string(let text) where text.utf8.contains(0): .string(text.replacing("\0", with: "\u{FFFD}"))
        case .object(let object):
            .object(JSONObject(members: object.members.map { JSONObject.Member(key: $0.key, value: clean($0.value)) }))
        default: value
        }
    }
}
