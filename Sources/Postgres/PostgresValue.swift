/// A value bound to `$1`, `$2`, … of a statement. It is sent as text, so the server gives it the type that the statement asks for.
public enum PostgresValue: Sendable, Hashable {
    case null
    case text(String)
    case integer(Int64)
    case double(Double)
    case bool(Bool)
    /// A PostgreSQL array of texts.
    case texts([String])
    /// `bytea`.
    case bytes([UInt8])

    /// The value as the server reads it; nil for NULL.
    var wire: String? {
        switch self {
        case .null: nil
        case .text(let text): text
        case .integer(let value): String(value)
        case .double(let value): "\(value)"
        case .bool(let value): value ? "t" : "f"
        case .texts(let values):
            "{"
                + values.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }.joined(
                    separator: ","
                ) + "}"
        case .bytes(let bytes):
            "\\x" + bytes.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
        }
    }
}

/// One row, its values in the server's text form.
public struct PostgresRow: Sendable {
    /// The names of the columns.
    public let columns: [String]
    private let cells: [String?]
    private let address: String

    init(columns: [String], cells: [String?], address: String) {
        self.columns = columns
        self.cells = cells
        self.address = address
    }

    /// The text of a column; nil for NULL or no such column.
    public subscript(_ column: String) -> String? {
        guard let index = columns.firstIndex(of: column) else { return nil }
        return cells[index]
    }

    /// The text of a column.
    ///
    /// - Throws: `PostgresError` with the code `unexpected-value` for NULL or a missing column.
    public func text(_ column: String) throws(PostgresError) -> String { try read(column, "a text") { $0 } }

    /// An integer column.
    ///
    /// - Throws: `PostgresError` with the code `unexpected-value`.
    public func int(_ column: String) throws(PostgresError) -> Int { try read(column, "an integer") { Int($0) } }

    /// A number column; nil for NULL.
    ///
    /// - Throws: `PostgresError` with the code `unexpected-value`.
    public func double(_ column: String) throws(PostgresError) -> Double? {
        self[column] == nil ? nil : try read(column, "a number") { Double($0) }
    }

    /// A boolean column.
    ///
    /// - Throws: `PostgresError` with the code `unexpected-value`.
    public func bool(_ column: String) throws(PostgresError) -> Bool {
        try read(column, "a boolean") { $0 == "t" ? true : $0 == "f" ? false : nil }
    }

    private func read<Value>(_ column: String, _ wanted: String, _ convert: (String) -> Value?) throws(PostgresError)
        -> Value
    {
        if let text = self[column], let value = convert(text) { return value }
        throw unexpected(column, wanted)
    }

    /// The error for a column that does not hold what it should.
    public func unexpected(_ column: String, _ wanted: String) -> PostgresError {
        PostgresError(
            .unexpectedValue,
            address: address,
            operation: "reading column “\(column)”",
            found: "\(self[column].map { "“\($0.prefix(60))”" } ?? "NULL"), not \(wanted)",
            advice: "See whether the column has the type that the profile expects"
        )
    }
}
