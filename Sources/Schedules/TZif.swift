/// The contents of a zone file: RFC 8536 (TZif), versions 1 to 4.
struct TZif {
    /// Seconds since the epoch at which the offset changes, ascending.
    var transitions: [Int64]
    /// The offset from UTC in seconds before the first transition.
    var initialOffset: Int
    /// The offset from UTC in seconds after each transition.
    var offsets: [Int]
    /// The abbreviation after each transition.
    var abbreviations: [String]
    /// The abbreviation before the first transition.
    var initialAbbreviation: String
    /// The POSIX rule for times after the last transition; nil if the file has none.
    var footer: String?

    /// Reads a zone file; nil if the bytes are not one.
    init?(_ bytes: [UInt8]) {
        guard let first = Header(bytes, at: 0) else { return nil }
        var header = first
        var start = Header.size
        var timeSize = 4
        if first.version >= 2 {
            let second = Header.size + first.bodySize(timeSize: 4)
            guard let wide = Header(bytes, at: second) else { return nil }
            header = wide
            start = second + Header.size
            timeSize = 8
        }
        let end = start + header.bodySize(timeSize: timeSize)
        guard end <= bytes.count, header.types > 0 else { return nil }
        let indexStart = start + header.times * timeSize
        let typeStart = indexStart + header.times
        let nameStart = typeStart + header.types * 6

        func name(_ index: Int) -> String {
            let from = nameStart + index
            let limit = nameStart + header.characters
            guard from < limit else { return "" }
            let to = bytes[from..<limit].firstIndex(of: 0) ?? limit
            return String(decoding: bytes[from..<to], as: UTF8.self)
        }
        func type(_ index: Int) -> (offset: Int, daylight: Bool, name: String) {
            let at = typeStart + index * 6
            return (Int(bigEndian(bytes, at, 4)), bytes[at + 4] != 0, name(Int(bytes[at + 5])))
        }

        transitions = []
        offsets = []
        abbreviations = []
        for index in 0..<header.times {
            let typeIndex = Int(bytes[indexStart + index])
            guard typeIndex < header.types else { return nil }
            let described = type(typeIndex)
            transitions.append(bigEndian(bytes, start + index * timeSize, timeSize))
            offsets.append(described.offset)
            abbreviations.append(described.name)
        }
        // RFC 8536 §3.2: type 0 is used before the first transition.
        initialOffset = type(0).offset
        initialAbbreviation = type(0).name
        footer = nil
        if timeSize == 8, end < bytes.count, bytes[end] == 10,
            let close = bytes[(end + 1)...].firstIndex(of: 10), close > end + 1
        {
            footer = String(decoding: bytes[(end + 1)..<close], as: UTF8.self)
        }
    }

    /// The counts at the head of each block.
    private struct Header {
        static let size = 44
        var version: Int
        var isUT: Int, isStandard: Int, leaps: Int, times: Int, types: Int, characters: Int

        init?(_ bytes: [UInt8], at offset: Int) {
            guard bytes.count >= offset + Header.size, Array(bytes[offset..<offset + 4]) == Array("TZif".utf8) else {
                return nil
            }
            let mark = bytes[offset + 4]
            version = mark == 0 ? 1 : Int(mark) - 48
            func count(_ index: Int) -> Int { Int(bigEndian(bytes, offset + 20 + index * 4, 4)) }
            (isUT, isStandard, leaps, times, types, characters) = (
                count(0), count(1), count(2), count(3), count(4), count(5)
            )
        }

        func bodySize(timeSize: Int) -> Int {
            times * timeSize + times + types * 6 + characters + leaps * (timeSize + 4) + isStandard + isUT
        }
    }
}

/// A signed big-endian number of 4 or 8 bytes.
private func bigEndian(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> Int64 {
    var value: UInt64 = 0
    for byte in bytes[offset..<offset + size] { value = value << 8 | UInt64(byte) }
    return size == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
}
