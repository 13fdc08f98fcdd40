import Foundation
package import LosslessJSON
package import Migration
package import Postgres

/// Compares one table of two databases, or of a database and a file of rows, by key.
package struct TableComparison: Sendable {
    /// Which table, and how.
    let effect: TableEffect
    /// What the condition's parameters stand for.
    let values: JSONObject
    /// The columns that are compared, those of the key first.
    let columns: [RowComparison.Column]

    /// The most rows that are shown.
    private static let shown = 20

    /// Looks at the table where legacy writes.
    ///
    /// - Throws: `RowComparison.Failure` where it cannot be compared by that key; `PostgresError`.
    package init(_ effect: TableEffect, _ values: JSONObject, in legacy: PostgresConnection) async throws {
        (self.effect, self.values) = (effect, values)
        let found = try await TableComparison.columns(effect, legacy)
        let names = Set(found.map(\.name))
        guard !found.isEmpty else {
            throw RowComparison.Failure(description: "there is no table \(effect.name), or no right to see it")
        }
        for name in effect.key + effect.ignore where !names.contains(name) {
            throw RowComparison.Failure(description: "the table \(effect.name) has no column “\(name)”")
        }
        let hidden = Set(effect.ignore)
        let keys = effect.key.compactMap { name in found.first { $0.name == name } }
        columns = keys + found.filter { !effect.key.contains($0.name) && !hidden.contains($0.name) }
        try await checkKey(legacy)
    }

    /// What gives the rows in the order of their keys.
    package var query: String {
        let list = columns.enumerated().map { index, column in
            let name = PostgresConnection.identifier(column.name)
            return index < effect.key.count && !column.isWhole ? "\(name)::text" : name
        }
        let order = columns.prefix(effect.key.count).map { column in
            PostgresConnection.identifier(column.name) + (column.isWhole ? "" : "::text COLLATE \"C\"")
        }
        return
            "COPY (SELECT \(list.joined(separator: ", ")) FROM \(table)\(condition) ORDER BY \(order.joined(separator: ", "))) TO STDOUT"
    }

    /// Compares legacy's rows with those that shadow left.
    ///
    /// - Parameter file: where the keys of all rows that differ are written, if they are more than are shown; nil for nowhere.
    /// - Throws: `RowComparison.Failure`, `PostgresError`, an error of the file.
    package func compare(
        _ legacy: PostgresConnection,
        with shadow: @escaping @Sendable () async throws -> [UInt8]?,
        file: String?
    ) async throws -> EffectFindings {
        let keys = try file.map { try KeyFile($0) }
        let rows = RowComparison(columns: columns, keys: effect.key.count, limit: TableComparison.shown) {
            try keys?.add($0, $1)
        }
        let copy = try await legacy.copy(query)
        let tally = try await rows.compare({ try await copy.block() }, shadow)
        let kept = try keys?.finish(isOfUse: tally.different > TableComparison.shown) ?? false
        return told(tally, file: kept ? file : nil)
    }

    // MARK: What is told

    private func told(_ tally: RowComparison.Tally, file: String?) -> EffectFindings {
        let rows = "\(effect.name): \(tally.legacyRows) rows in legacy, \(tally.shadowRows) in shadow"
        var findings = EffectFindings()
        guard tally.different > 0 else {
            findings.told = [rows + ", all alike"]
            return findings
        }
        var text =
            "\(rows): \(tally.differing) differ, \(tally.onlyLegacy) are only in legacy, \(tally.onlyShadow) only in shadow"
        if let file { text += "; the keys of all \(tally.different) are in \(file)" }
        findings.differences = [
            Difference(
                kind: .effects,
                path: effect.name,
                legacy: ["rows": .number(JSONNumber(tally.legacyRows)), "only": .number(JSONNumber(tally.onlyLegacy))],
                shadow: ["rows": .number(JSONNumber(tally.shadowRows)), "only": .number(JSONNumber(tally.onlyShadow))],
                text: text
            )
        ]
        for example in tally.examples { findings.differences += differences(example) }
        findings.told = [text]
        return findings
    }

    private func differences(_ found: RowComparison.Found) -> [Difference] {
        let key = found.key.text()
        guard let legacy = found.legacy, let shadow = found.shadow else {
            let place = found.legacy == nil ? "shadow" : "legacy"
            return [
                Difference(
                    kind: .effects,
                    path: "\(effect.name)[*]",
                    legacy: found.legacy,
                    shadow: found.shadow,
                    text: "\(effect.name) has the row \(key) only in \(place)"
                )
            ]
        }
        return columns.dropFirst(effect.key.count).compactMap { column in
            guard let a = legacy[column.name], let b = shadow[column.name], !a.isSame(as: b) else { return nil }
            return Difference(
                kind: .effects,
                path: "\(effect.name)[*].\(column.name)",
                legacy: a,
                shadow: b,
                text: "\(effect.name) differs in “\(column.name)” of the row \(key)"
            )
        }
    }

    // MARK: SQL

    private var table: String { effect.table.map { PostgresConnection.identifier($0) }.joined(separator: ".") }

    private var condition: String {
        guard let parts = effect.condition?.parts else { return "" }
        let text = parts.enumerated().map { index, part -> String in
            guard index % 2 == 1 else { return part }
            guard let value = values[part], !value.isNull else { return "NULL" }
            return PostgresConnection.literal(value.string ?? value.text())
        }
        return " WHERE (\(text.joined())\n)"
    }

    private static func columns(_ effect: TableEffect, _ connection: PostgresConnection) async throws
        -> [RowComparison.Column]
    {
        let name = effect.table.map { PostgresConnection.identifier($0) }.joined(separator: ".")
        let rows = try await connection.query(
            """
            SELECT a.attname AS name, t.typname AS type FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """,
            [.text(name)]
        )
        return rows.map { row in
            let type = row["type"] ?? ""
            let isWhole = ["int2", "int4", "int8"].contains(type)
            return RowComparison.Column(
                name: row["name"] ?? "",
                isNumeric: isWhole || ["numeric", "float4", "float8"].contains(type),
                isWhole: isWhole
            )
        }
    }

    /// A key that stands for several rows tells nothing apart.
    private func checkKey(_ connection: PostgresConnection) async throws {
        let name = effect.table.map { PostgresConnection.identifier($0) }.joined(separator: ".")
        let names = effect.key.map { PostgresConnection.literal($0) }.joined(separator: ", ")
        let unique = try await connection.query(
            """
            SELECT 1 AS found FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indpred IS NULL
            AND i.indexprs IS NULL AND (
                SELECT array_agg(a.attname::text) FROM pg_attribute a
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
            ) <@ ARRAY[\(names)]::text[]
            """,
            [.text(name)]
        )
        guard unique.isEmpty else { return }
        let list = effect.key.map { PostgresConnection.identifier($0) }.joined(separator: ", ")
        let double = try await connection.query(
            "SELECT \(list) FROM \(table)\(condition) GROUP BY \(list) HAVING count(*) > 1 LIMIT 1"
        )
        guard double.isEmpty else {
            throw RowComparison.Failure(
                description:
                    "the key \(effect.key.joined(separator: ", ")) of \(effect.name) stands for several rows; name columns that tell rows apart"
            )
        }
    }
}

/// The keys of rows that differ, a line each: how, and the key's columns as PostgreSQL's copy writes them.
private final class KeyFile: Sendable {
    private nonisolated(unsafe) let file: UnsafeMutablePointer<FILE>  // safe: one comparison at a time writes
    private let path: String

    init(_ path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard let file = fopen(path, "we") else {
            throw RowComparison.Failure(
                description: "\(path) cannot be written: \(String(cString: strerror(errno)))"
            )
        }
        (self.file, self.path) = (file, path)
    }

    func add(_ how: StaticString, _ key: UnsafeRawBufferPointer) throws {
        fwrite(how.utf8Start, 1, how.utf8CodeUnitCount, file)
        putc(Int32(RowLines.tab), file)
        if let base = key.baseAddress { fwrite(base, 1, key.count, file) }
        putc(Int32(RowLines.newline), file)
    }

    /// Closes it, and takes it away where it says nothing new; whether it stays.
    func finish(isOfUse: Bool) throws -> Bool {
        guard fflush(file) == 0, ferror(file) == 0 else {
            throw RowComparison.Failure(description: "\(path) cannot be written to its end; is the disk full?")
        }
        if !isOfUse { unlink(path) }
        return isOfUse
    }

    deinit { fclose(file) }
}
