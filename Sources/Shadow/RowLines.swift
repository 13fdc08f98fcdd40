import Foundation

/// Rows in PostgreSQL's text form of a copy, a line each, read in blocks: the line that stands next, and what its fields are.
struct RowLines {
    /// Gives whole lines; nil at the end.
    typealias Blocks = @Sendable () async throws -> [UInt8]?

    private let blocks: Blocks
    private var block: [UInt8] = []
    private var next: Task<[UInt8]?, any Error>?
    /// Where the present line stands in its block, without its end.
    private(set) var line: Range<Int> = 0..<0
    /// Whether there is no line any more.
    private(set) var isOver = false
    /// How many lines were read.
    private(set) var count = 0

    static let (tab, newline, backslash) = (UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\\"))

    /// Reads from its first line on.
    init(_ blocks: @escaping Blocks) async throws {
        self.blocks = blocks
        next = Task { try await blocks() }
        try await refill()
    }

    /// The bytes of the present line.
    func withLine<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try block.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[line])) }
    }

    /// The present line as it stands.
    var bytes: [UInt8] { Array(block[line]) }

    /// Goes to the next line; true if the next block has to be awaited for that.
    mutating func step() -> Bool {
        let begin = line.upperBound + 1
        guard begin < block.count else { return true }
        find(from: begin)
        return false
    }

    /// Goes to the first line of the next block.
    mutating func refill() async throws {
        guard let found = try await next?.value, !found.isEmpty else {
            (isOver, block, line, next) = (true, [], 0..<0, nil)
            return
        }
        block = found
        // The next one comes while this one is compared.
        next = Task { [blocks] in try await blocks() }
        find(from: 0)
    }

    private mutating func find(from begin: Int) {
        let end = block.withUnsafeBytes { bytes -> Int in
            guard let base = bytes.baseAddress,
                let found = memchr(base + begin, Int32(RowLines.newline), bytes.count - begin)
            else { return bytes.count }
            return UnsafeRawPointer(found) - base
        }
        line = begin..<end
        count += 1
    }

    /// The fields of a line; nil for NULL.
    static func fields(_ line: [UInt8]) -> [[UInt8]?] {
        line.split(separator: tab, omittingEmptySubsequences: false).map { unescaped($0) }
    }

    /// What a field stands for; nil for NULL.
    static func unescaped(_ field: some Collection<UInt8>) -> [UInt8]? {
        guard field.contains(backslash) else { return Array(field) }
        if field.elementsEqual([backslash, UInt8(ascii: "N")]) { return nil }
        var plain: [UInt8] = []
        plain.reserveCapacity(field.count)
        var isEscaped = false
        for byte in field {
            if isEscaped {
                isEscaped = false
                switch byte {
                case UInt8(ascii: "b"): plain.append(8)
                case UInt8(ascii: "t"): plain.append(9)
                case UInt8(ascii: "n"): plain.append(10)
                case UInt8(ascii: "v"): plain.append(11)
                case UInt8(ascii: "f"): plain.append(12)
                case UInt8(ascii: "r"): plain.append(13)
                default: plain.append(byte)
                }
            } else if byte == backslash {
                isEscaped = true
            } else {
                plain.append(byte)
            }
        }
        return plain
    }
}
