import Foundation
import LosslessJSON

/// Compares the rows of two tables, which come in the order of their keys. What it holds does not grow with their number.
struct RowComparison: Sendable {
    /// A column of both tables.
    struct Column: Sendable, Hashable {
        /// Its name.
        var name: String
        /// Whether its values are numbers, which are compared by value.
        var isNumeric = false
        /// Whether they are whole numbers, which the server puts in the order of their values; all else comes in the order of its bytes.
        var isWhole = false
    }

    /// A row that is not on both sides, or not the same.
    struct Found: Sendable, Hashable {
        /// The key's values by column.
        var key: JSON
        /// Legacy's row; nil where there is none.
        var legacy: JSON?
        /// Shadow's row; nil where there is none.
        var shadow: JSON?
    }

    /// What was found in all.
    struct Tally: Sendable, Hashable {
        var (legacyRows, shadowRows, differing, onlyLegacy, onlyShadow) = (0, 0, 0, 0, 0)
        /// The first rows that differ.
        var examples: [Found] = []

        /// How many keys differ.
        var different: Int { differing + onlyLegacy + onlyShadow }
    }

    /// Why two tables cannot be compared.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The columns as they stand in each line, those of the key first.
    let columns: [Column]
    /// How many of them are the key.
    let keys: Int
    /// The most examples.
    let limit: Int
    /// Takes how each row differs (`differs`, `legacy` or `shadow` for where it is alone) and its key as it stands in the line.
    let note: @Sendable (_ how: StaticString, _ key: UnsafeRawBufferPointer) throws -> Void

    /// Compares row by row.
    ///
    /// - Throws: `Failure` where a key is not known; what reading and noting throws.
    func compare(_ legacy: @escaping RowLines.Blocks, _ shadow: @escaping RowLines.Blocks) async throws -> Tally {
        var tally = Tally()
        var (a, b) = (try await RowLines(legacy), try await RowLines(shadow))
        while !a.isOver || !b.isOver {
            let (needsA, needsB) = try merge(&a, &b, &tally)
            // Both may be at the end of what has come of them.
            if needsA { try await a.refill() }
            if needsB { try await b.refill() }
            try Task.checkCancellation()
        }
        (tally.legacyRows, tally.shadowRows) = (a.count, b.count)
        return tally
    }

    /// Goes as far as can be gone without waiting; tells whose next block is needed.
    private func merge(_ a: inout RowLines, _ b: inout RowLines, _ tally: inout Tally) throws -> (Bool, Bool) {
        while true {
            if a.isOver || b.isOver {
                guard !(a.isOver && b.isOver) else { return (false, false) }
                if a.isOver {
                    try found("shadow", nil, b, &tally)
                    if b.step() { return (false, true) }
                } else {
                    try found("legacy", a, nil, &tally)
                    if a.step() { return (true, false) }
                }
                continue
            }
            switch try a.withLine({ left in try b.withLine { right in try order(left, right) } }) {
            case 0:
                break
            case 1...:
                try found("shadow", nil, b, &tally)
                if b.step() { return (false, true) }
                continue
            case -1:
                try found("legacy", a, nil, &tally)
                if a.step() { return (true, false) }
                continue
            default:
                try found("differs", a, b, &tally)
            }
            let (needsA, needsB) = (a.step(), b.step())
            if needsA || needsB { return (needsA, needsB) }
        }
    }

    /// 0 for the same row, -2 for one key with other values, else which key comes first: legacy's (-1) or shadow's (1).
    private func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws -> Int {
        if RowComparison.areSame(a, b) { return 0 }
        var (left, right) = (Fields(a), Fields(b))
        var isSame = true
        for (index, column) in columns.enumerated() {
            let (x, y) = (left.next(), right.next())
            let isEqual = RowComparison.areSame(x, y)
            if index < keys {
                if RowComparison.isNull(x) || RowComparison.isNull(y) {
                    throw Failure(description: "a row has no value in the key’s column “\(column.name)”")
                }
                if isEqual { continue }
                let place = try column.isWhole ? RowComparison.whole(x, y) : RowComparison.bytes(x, y)
                if place != 0 { return place }
            } else if !isEqual, !(column.isNumeric && RowComparison.isSameNumber(x, y)) {
                isSame = false
                break
            }
        }
        return isSame ? 0 : -2
    }

    private func found(_ how: StaticString, _ a: RowLines?, _ b: RowLines?, _ tally: inout Tally) throws {
        switch (a, b) {
        case (_?, nil): tally.onlyLegacy += 1
        case (nil, _?): tally.onlyShadow += 1
        default: tally.differing += 1
        }
        try (a ?? b)?.withLine { line in
            var fields = Fields(line)
            for _ in 0..<keys { _ = fields.next() }
            try note(how, UnsafeRawBufferPointer(rebasing: line[..<max(0, min(line.count, fields.at - 1))]))
        }
        guard tally.examples.count < limit, let key = (a ?? b).map({ row($0.bytes, keys) }) else { return }
        tally.examples.append(
            Found(
                key: key,
                legacy: a.map { row($0.bytes, columns.count) },
                shadow: b.map { row($0.bytes, columns.count) }
            )
        )
    }

    /// The first columns of a line by their names.
    private func row(_ line: [UInt8], _ count: Int) -> JSON {
        .object(
            JSONObject(
                zip(columns, RowLines.fields(line)).prefix(count).map { column, field -> (String, JSON) in
                    guard let field else { return (column.name, .null) }
                    let text = String(decoding: field, as: UTF8.self)
                    if column.isNumeric, let number = JSONNumber(lexeme: text) { return (column.name, .number(number)) }
                    return (column.name, .string(text))
                }
            )
        )
    }

    // MARK: Fields

    private struct Fields {
        private let line: UnsafeRawBufferPointer
        /// Where the next field begins.
        private(set) var at = 0

        init(_ line: UnsafeRawBufferPointer) { self.line = line }

        mutating func next() -> UnsafeRawBufferPointer {
            guard let base = line.baseAddress, at < line.count else {
                at = line.count + 1
                return UnsafeRawBufferPointer(start: nil, count: 0)
            }
            let begin = at
            let tab = memchr(base + begin, Int32(RowLines.tab), line.count - begin)
            let end = tab.map { UnsafeRawPointer($0) - base } ?? line.count
            at = end + 1
            return UnsafeRawBufferPointer(start: base + begin, count: end - begin)
        }
    }

    private static func areSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        a.count == b.count && first(a, b, a.count) == 0
    }

    /// Which of two comes first by so many bytes, as `memcmp` tells.
    private static func first(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, _ count: Int) -> Int32 {
        guard count > 0, let x = a.baseAddress, let y = b.baseAddress else { return 0 }
        return memcmp(x, y, count)
    }

    private static func isNull(_ field: UnsafeRawBufferPointer) -> Bool {
        field.count == 2 && field[0] == RowLines.backslash && field[1] == UInt8(ascii: "N")
    }

    private static func whole(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws -> Int {
        guard let x = Int64(String(decoding: a, as: UTF8.self)), let y = Int64(String(decoding: b, as: UTF8.self))
        else {
            throw Failure(description: "a key is no whole number, although its column says so")
        }
        return x == y ? 0 : x < y ? -1 : 1
    }

    private static func bytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        if a.contains(RowLines.backslash) || b.contains(RowLines.backslash) {
            let (x, y) = (RowLines.unescaped(a) ?? [], RowLines.unescaped(b) ?? [])
            return x.elementsEqual(y) ? 0 : x.lexicographicallyPrecedes(y) ? -1 : 1
        }
        let place = first(a, b, min(a.count, b.count))
        if place != 0 { return place < 0 ? -1 : 1 }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }

    private static func isSameNumber(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard let x = JSONNumber(lexeme: String(decoding: a, as: UTF8.self)),
            let y = JSONNumber(lexeme: String(decoding: b, as: UTF8.self))
        else { return false }
        return x.isSame(as: y)
    }
}
