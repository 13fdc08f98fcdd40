import LosslessJSON

/// A table of texts in columns, for terminals and pipes.
public struct TextTable: Sendable {
    private var rows: [[String]]

    /// A table with a row of headings.
    public init(_ headings: [String]) { rows = [headings] }

    /// Adds a row; missing cells are empty.
    public mutating func add(_ cells: [String]) { rows.append(cells.map(\.visible)) }

    /// The lines, columns aligned to the left, the last column cut at a width. One long name takes no more of it than leaves room for the rest.
    public func lines(width: Int = 160) -> [String] {
        let most = width * 5 / 8
        let rows = rows.map { row in
            row.enumerated().map { column, cell in
                column < row.count - 1 ? cell.cut(columns: most) : cell
            }
        }
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { $0.count > column ? $0[column].columns : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for column in 0..<count {
                let cell = row.count > column ? row[column] : ""
                line +=
                    column == count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.columns + 2)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line.cut(columns: width)
        }
    }
}
