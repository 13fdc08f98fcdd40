package import LosslessJSON
import Warehouse

/// What `history export` did, or would do.
package struct HistoryReport: Sendable {
    /// What became of one sort of record.
    package struct Line: Sendable {
        package var name: String
        /// How many there are.
        package var records: Int
        /// How many of them lie in parts that are not there so.
        package var changed: Int
        /// How many are there and are no more.
        package var gone: Int
        package var written = 0
        /// Those that cannot be read, in words.
        package var unreadable: [String] = []

        init(_ name: String, records: Int, changed: Int, gone: Int = 0) {
            (self.name, self.records, self.changed, self.gone) = (name, records, changed, gone)
        }
    }

    package let executed: Bool
    package let server: String
    package let address: String
    package let schema: String
    package let layout: String
    /// What is made.
    package let makes: [String]
    /// What the target's user may not do, each as what grants it.
    package let lacks: [String]
    package internal(set) var lines: [Line] = []
    package internal(set) var recordsWritten = 0
    package internal(set) var notes: [String] = []
    /// What could not be asked.
    package internal(set) var unknowns: [String] = []

    init(_ warehouse: Warehouse, executed: Bool) {
        self.executed = executed
        server = warehouse.server.name
        (address, schema) = (warehouse.address, warehouse.schema)
        layout = warehouse.layout.words
        makes =
            (warehouse.lacksSchema ? ["schema \(warehouse.schema)"] : [])
            + warehouse.missing.map { "table \($0.rawValue)" }
        lacks = warehouse.lacks
    }

    /// Whether nothing is in the way, and everything was asked.
    package var holds: Bool { lacks.isEmpty && lines.allSatisfy(\.unreadable.isEmpty) }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "history", "version": 1, "executed": .bool(executed), "holds": .bool(holds),
            "server": .string(server), "address": .string(address), "schema": .string(schema),
            "layout": .string(layout), "makes": .array(makes.map { .string($0) }),
            "lacks": .array(lacks.map { .string($0) }),
            "streams": .array(
                lines.map { line in
                    [
                        "name": .string(line.name), "records": .number(JSONNumber(line.records)),
                        "changed": .number(JSONNumber(line.changed)), "gone": .number(JSONNumber(line.gone)),
                        "written": .number(JSONNumber(line.written)),
                        "unreadable": .array(line.unreadable.map { .string($0) }),
                    ]
                }
            ),
            "rows": .number(JSONNumber(recordsWritten)), "notes": .array(notes.map { .string($0) }),
            "unknowns": .array(unknowns.map { .string($0) }),
        ]
    }

    /// For a terminal.
    package var textLines: [String] {
        var text = ["\(server) at \(address), schema \(schema): \(layout)"]
        if !makes.isEmpty { text.append("  \(executed ? "made" : "would make") \(makes.joined(separator: ", "))") }
        for right in lacks { text.append("  NO   its user lacks a right: \(right)") }
        for line in lines {
            var words = "  \(line.name): \(line.records) "
            words += line.name.hasPrefix("airflow ") ? "changed in Airflow since the last export" : "in all"
            if line.changed == 0, line.gone == 0 {
                words += ", nothing to write"
            } else {
                words += ", \(executed ? line.written : line.changed) \(executed ? "written" : "to write")"
                if line.gone > 0 { words += ", \(line.gone) that are no more \(executed ? "deleted" : "to delete")" }
            }
            text.append(words)
            text += line.unreadable.prefix(3).map { "    left out: \($0)" }
            if line.unreadable.count > 3 { text.append("    and \(line.unreadable.count - 3) more") }
        }
        text += notes.map { "  \($0)" } + unknowns.map { "  not known: \($0)" }
        if !executed {
            text.append(
                lacks.isEmpty
                    ? "Nothing was changed. Run it with --execute to do it."
                    : "Nothing was changed, and --execute would refuse: see the lines with NO."
            )
        }
        return text
    }
}
