/// A JSON value that keeps what others lose: the text of each number, the order of keys, duplicate keys.
///
/// Two values are equal when they are written with the same number texts, keys and order; use ``JSON/text(_:)`` with
/// ``JSON/Style/canonical`` on both to compare what they mean.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

extension JSON {
    /// The value of an object's key: of the last one where the key is given more than once, as Python and `jsonb` read it.
    public subscript(_ key: String) -> JSON? { object?[key] }

    /// The element of an array; nil outside its bounds.
    public subscript(_ index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The string, if it is one.
    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The truth value, if it is one; a number is none.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The number as an integer, if it is one and fits.
    public var int: Int? {
        if case .number(let value) = self { value.int } else { nil }
    }

    /// The number as the nearest double, if it is a number.
    public var double: Double? {
        if case .number(let value) = self { value.double } else { nil }
    }

    /// The elements, if it is an array.
    public var array: [JSON]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The members, if it is an object.
    public var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// Whether RFC 8259 knows all of its numbers: `NaN` and the infinities are Python's.
    public var isStandard: Bool {
        switch self {
        case .number(let number): number.lexeme.utf8.contains { (0x30...0x39).contains($0) }
        case .array(let elements): elements.allSatisfy(\.isStandard)
        case .object(let object): object.members.allSatisfy(\.value.isStandard)
        case .null, .bool, .string: true
        }
    }

    /// Whether it is `null`.
    public var isNull: Bool { if case .null = self { true } else { false } }

    /// Whether both are written with the same bytes. `==` is not as strict: it takes texts for one that Unicode calls equivalent.
    public func isWritten(like other: JSON) -> Bool {
        switch (self, other) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.number(let a), .number(let b)): return a.lexeme == b.lexeme
        case (.string(let a), .string(let b)): return a.utf8.elementsEqual(b.utf8)
        case (.array(let a), .array(let b)):
            guard a.count == b.count else { return false }
            for index in a.indices where !a[index].isWritten(like: b[index]) { return false }
            return true
        case (.object(let a), .object(let b)):
            let (mine, its) = (a.members, b.members)
            guard mine.count == its.count else { return false }
            for index in mine.indices {
                guard mine[index].key.utf8.elementsEqual(its[index].key.utf8),
                    mine[index].value.isWritten(like: its[index].value)
                else { return false }
            }
            return true
        default: return false
        }
    }

    /// What it is, in words for messages: `a string`, `an array`.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer.
    public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object with its keys in the order written.
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
}
