/// A reply of Redis. Text is kept as bytes: Redis values need not be UTF-8.
public enum RedisValue: Sendable, Hashable {
    case null
    case integer(Int)
    case status(String)
    case bulk([UInt8])
    case array([RedisValue])
    /// An error that the server answered to one command: `WRONGTYPE Operation against …`.
    case error(String)

    /// The bytes of a bulk or status reply.
    public var bytes: [UInt8]? {
        switch self {
        case .bulk(let bytes): bytes
        case .status(let text): Array(text.utf8)
        default: nil
        }
    }

    /// The text of a bulk or status reply, with U+FFFD for bytes that are not UTF-8.
    public var text: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    /// An integer reply, or a bulk reply that reads as one.
    public var int: Int? {
        if case .integer(let value) = self { return value }
        return text.flatMap { Int($0) }
    }

    /// The elements of an array reply.
    public var array: [RedisValue]? {
        if case .array(let values) = self { return values }
        return nil
    }

    /// Whether the reply is nil.
    public var isNull: Bool { self == .null }
}

/// A command and its arguments as bytes.
public struct RedisCommand: Sendable, Hashable {
    /// The words of the command, its name first.
    public var words: [[UInt8]]

    /// A command of words that may hold any bytes.
    public init(_ words: [[UInt8]]) { self.words = words }

    /// A command of texts.
    public init(_ words: String...) { self.words = words.map { Array($0.utf8) } }

    /// A command of texts followed by words that may hold any bytes.
    public init(_ name: String..., raw: [[UInt8]]) { words = name.map { Array($0.utf8) } + raw }

    /// The name in upper case, for errors; never the arguments, which may be secret.
    var name: String { words.first.map { String(decoding: $0, as: UTF8.self).uppercased() } ?? "" }
}
