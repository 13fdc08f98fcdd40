/// Halves of a surrogate pair that stand alone: Python writes them into JSON as escapes, and no text here can hold them.
public enum HalfSurrogates {
    /// JSON in which each is spelled out: `\uD800` becomes the six characters of its escape, in lower case. All else stays as it is.
    public static func spelled(_ bytes: [UInt8]) -> [UInt8] {
        replaced(bytes) { unit in Array("\\\\u".utf8) + Array(String(unit, radix: 16).utf8) }
    }

    /// JSON in which something else stands for the escape of each.
    public static func replaced(_ bytes: [UInt8], by text: (UInt16) -> [UInt8]) -> [UInt8] {
        /// The unit of an escape `\uXXXX` at a place.
        func unit(_ place: Int) -> UInt16? {
            guard place + 6 <= bytes.count, bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u")
            else { return nil }
            return UInt16(String(decoding: bytes[place + 2..<place + 6], as: UTF8.self), radix: 16)
        }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        var copied = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            guard let first = unit(index) else {
                index += 2
                continue
            }
            let isHigh = (0xD800..<0xDC00).contains(first)
            if isHigh, let second = unit(index + 6), (0xDC00..<0xE000).contains(second) {
                index += 12
                continue
            }
            if isHigh || (0xDC00..<0xE000).contains(first) {
                result += bytes[copied..<index]
                result += text(first)
                copied = index + 6
            }
            index += 6
        }
        return result + bytes[copied...]
    }
}
