/// Why some bytes are not JSON, and where.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public enum Kind: String, Sendable, Hashable {
        case unexpectedEnd = "the text ends too early"
        case unexpectedByte = "unexpected character"
        case trailingBytes = "something follows the value"
        case invalidNumber = "invalid number"
        case invalidEscape = "invalid escape"
        case loneSurrogate = "half of a surrogate pair, which no text can hold"
        case controlCharacter = "a control character that is not escaped"
        case invalidUTF8 = "bytes that are not UTF-8"
        case tooDeep = "more than 512 levels"
    }

    /// What is wrong.
    public let kind: Kind
    /// The byte at which it is wrong, from 0.
    public let offset: Int
    /// The line, from 1.
    public let line: Int
    /// The byte in the line, from 1.
    public let column: Int
    /// The byte found there; nil at the end.
    public let found: UInt8?

    /// One line for people.
    public var description: String {
        var text = "not JSON at line \(line), byte \(column): \(kind.rawValue)"
        if let found {
            let shown = (0x20..<0x7F).contains(found) ? "'\(Character(Unicode.Scalar(found)))'" : "byte \(found)"
            text += " (\(shown))"
        }
        return text
    }
}
