import Postgres

/// How tables lie in a warehouse, and the SQL that makes them so. All else that is said to a server is the same in every layout.
public struct WarehouseLayout: Sendable, Hashable {
    /// Whose SQL it is.
    public let grammar: WarehouseServer.Grammar
    /// Whether facts have a partition a month.
    public let isMonthly: Bool

    /// A layout. Relatives of Greenplum always have months.
    public init(_ grammar: WarehouseServer.Grammar, isMonthly: Bool = false) {
        self.grammar = grammar
        self.isMonthly = isMonthly || grammar != .postgres
    }

    /// The word that is kept of it.
    var word: String {
        switch grammar {
        case .postgres: isMonthly ? "monthly" : "plain"
        case .classic: "classic"
        case .modern: "modern"
        }
    }

    /// It in words.
    public var words: String {
        switch grammar {
        case .postgres: isMonthly ? "tables with a partition a month" : "plain tables"
        case .classic, .modern:
            "append-optimised tables by columns (zstd), spread over the segments, with a partition a month"
        }
    }

    private static let compression = "compresstype=zstd, compresslevel=5"
    private static let classicStorage = "WITH (appendoptimized=true, orientation=column, \(compression))"
    private static let modernStorage = "USING ao_column WITH (\(compression))"

    /// The statements that make tables, and the view, in the schema that the search path names.
    ///
    /// - Parameter month: a month that facts have a partition for from the beginning.
    private func statements(from month: WarehouseMonth) -> [String] {
        var statements: [String] = []
        for table in WarehouseTable.allCases {
            statements.append(definition(table, month))
            guard table.kind == .fact, grammar == .postgres else { continue }
            let name = PostgresConnection.identifier(table.rawValue)
            let index = PostgresConnection.identifier(table.rawValue + "_part")
            statements.append("CREATE INDEX \(index) ON \(name) (day, part)")
        }
        return statements + [WarehouseView.definition]
    }

    private func definition(_ table: WarehouseTable, _ month: WarehouseMonth) -> String {
        let text = table.definition
        let isParted = table.kind == .fact && isMonthly
        switch grammar {
        case .postgres: return isParted ? text + "\nPARTITION BY RANGE (day)" : text
        case .classic:
            guard isParted else { return text + "\n" + distribution(table) }
            return [
                text, WarehouseLayout.classicStorage, distribution(table),
                "PARTITION BY RANGE (day) (\(WarehouseLayout.span(month)))",
            ].joined(separator: "\n")
        case .modern:
            guard isParted else { return text + "\n" + distribution(table) }
            return [text, "PARTITION BY RANGE (day)", WarehouseLayout.modernStorage, distribution(table)].joined(
                separator: "\n"
            )
        }
    }

    private func distribution(_ table: WarehouseTable) -> String {
        let columns = table.distribution.map(PostgresConnection.identifier).joined(separator: ", ")
        return columns.isEmpty ? "DISTRIBUTED REPLICATED" : "DISTRIBUTED BY (\(columns))"
    }

    private static func span(_ month: WarehouseMonth) -> String {
        func date(_ month: WarehouseMonth) -> String { "(date \(PostgresConnection.literal(month.firstDay)))" }
        return "START \(date(month)) INCLUSIVE END \(date(month.next)) EXCLUSIVE"
    }

    /// The statements that give facts a partition for a month.
    ///
    /// - Parameter isFirst: whether the tables were made with this month.
    func partitions(of month: WarehouseMonth, isFirst: Bool) -> [String] {
        guard isMonthly, !(grammar == .classic && isFirst) else { return [] }
        return WarehouseTable.allCases.filter { $0.kind == .fact }.map { table in
            let name = PostgresConnection.identifier(table.rawValue)
            if grammar == .classic {
                return
                    "ALTER TABLE \(name) ADD PARTITION \(WarehouseLayout.span(month)) \(WarehouseLayout.classicStorage)"
            }
            let part = PostgresConnection.identifier("\(table.rawValue)_\(month.suffix)")
            let (from, to) = (month.firstDay, month.next.firstDay)
            let values =
                "FOR VALUES FROM (\(PostgresConnection.literal(from))) TO (\(PostgresConnection.literal(to)))"
            let storage = grammar == .modern ? " " + WarehouseLayout.modernStorage : ""
            return "CREATE TABLE \(part) PARTITION OF \(name) \(values)\(storage)"
        }
    }

    /// All that is made, for people and for an administrator who runs it.
    public func script(schema: String, from month: WarehouseMonth) -> String {
        let name = PostgresConnection.identifier(schema)
        return "BEGIN;\nCREATE SCHEMA \(name);\nSET LOCAL search_path TO \(name);\n" + making(from: month) + "COMMIT;\n"
    }

    /// What notes the layout, and the month that the tables begin with.
    private func remembering(_ month: WarehouseMonth) -> String {
        let layout =
            "INSERT INTO export_state (name, value) VALUES ('version', '1'), ('layout', \(PostgresConnection.literal(word)))"
        guard isMonthly else { return layout }
        return layout + ";\nINSERT INTO export_month (month) VALUES (\(PostgresConnection.literal(month.firstDay)))"
    }

    /// The statements that make everything in a schema that is there, all or none.
    func making(from month: WarehouseMonth) -> String {
        let statements =
            self.statements(from: month) + partitions(of: month, isFirst: true)
            + [remembering(month)]
        return statements.map { $0 + ";\n" }.joined()
    }
}

/// A month, in UTC.
public struct WarehouseMonth: Sendable, Hashable, Comparable {
    let year: Int
    let number: Int

    /// The month of a day, `2026-11-30`; nil if it is none.
    public init?(day: String) {
        let parts = day.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3, (1...12).contains(parts[1]) else { return nil }
        (year, number) = (parts[0], parts[1])
    }

    private init(year: Int, number: Int) { (self.year, self.number) = (year, number) }

    var next: WarehouseMonth {
        number == 12 ? WarehouseMonth(year: year + 1, number: 1) : WarehouseMonth(year: year, number: number + 1)
    }

    private var words: (year: String, month: String) {
        let text = "\(year)"
        return (String(repeating: "0", count: max(0, 4 - text.count)) + text, number < 10 ? "0\(number)" : "\(number)")
    }

    var firstDay: String { "\(words.year)-\(words.month)-01" }
    var suffix: String { "\(words.year)_\(words.month)" }

    public static func < (a: WarehouseMonth, b: WarehouseMonth) -> Bool {
        (a.year, a.number) < (b.year, b.number)
    }
}
