import LosslessJSON

/// What of a task's effects is compared with legacy's.
public struct RowRules: Sendable, Hashable {
    /// The tables whose rows are compared.
    public var tables: [TableEffect] = []
    /// The copy of a database that the body runs on; nil where it is SQL that runs in a transaction which is rolled back.
    public var copy: DatabaseCopy?

    /// No effects.
    public init() {}

    /// Whether nothing is compared.
    public var isEmpty: Bool { tables.isEmpty && copy == nil }
}

/// A table whose rows are compared by key.
public struct TableEffect: Sendable, Hashable {
    /// The connection to the database that legacy writes to.
    public var connection: String
    /// The table, with its schema if it has one.
    public var table: [String]
    /// The columns that tell its rows apart.
    public var key: [String]
    /// Columns that are not compared.
    public var ignore: [String] = []
    /// Which rows are compared: SQL that may name `:tick`, `:date` and the parameters of the task's own SQL; nil for all.
    public var condition: SQLStatement?

    /// Makes a table.
    public init(connection: String, table: [String], key: [String]) {
        (self.connection, self.table, self.key) = (connection, table, key)
    }

    /// The table's name as people write it.
    public var name: String { table.joined(separator: ".") }

    var json: JSON {
        [
            "connection": .string(connection), "table": JSON(table), "key": JSON(key), "ignore": JSON(ignore),
            "where": condition.map { JSON($0.parts) } ?? .null,
        ]
    }
}

/// A database that each body gets a copy of.
public struct DatabaseCopy: Sendable, Hashable {
    /// The connection whose server holds the template, and in whose place the copy stands.
    public var connection: String
    /// The database that is copied: as it was before legacy's run, such as a restored dump.
    public var template: String
    /// The variable that leads the body to its copy; nil for SQL, whose connection is led there.
    public var variable: String?

    /// Makes a copy.
    public init(connection: String, template: String, variable: String? = nil) {
        (self.connection, self.template, self.variable) = (connection, template, variable)
    }

    var json: JSON {
        ["connection": .string(connection), "template": .string(template), "variable": JSON(variable)]
    }
}

extension RowRules {
    var json: JSON { ["tables": .array(tables.map(\.json)), "copy": copy?.json ?? .null] }
}
