/// What a job's payload is in its table. Payloads of two kinds are never the same, however alike they look.
public enum PayloadKind: String, Sendable, Hashable, CaseIterable {
    /// JSON, in a column of any type that holds text or JSON.
    case json
    /// A text that is no JSON: XML, what Python or PHP writes, a name. Bodies get it as a JSON string.
    case text
    /// Bytes. They are shown, and bodies get them, as `\x` and hexadecimal digits.
    case bytes
    /// JSON that nests deeper than is read. Bodies in shadow get it as a JSON string.
    case deep
    /// No value at all, which is not JSON's `null`. Bodies get `null`.
    case missing = "null"

    /// In words, for sentences.
    public var words: String {
        switch self {
        case .json: "JSON"
        case .text: "a text that is no JSON"
        case .bytes: "bytes"
        case .deep: "JSON that nests too deep to be read"
        case .missing: "NULL"
        }
    }
}

extension Outcome {
    /// Takes what a shadow was called with. What it was given as it stands in legacy's table has travelled as JSON, and is of the kind that it
    /// has there; anything else is JSON.
    ///
    /// - Parameter isGiven: whether it is what legacy's row holds.
    public mutating func take(kindOf legacy: Outcome, isGiven: Bool) {
        argumentsKind = isGiven ? legacy.argumentsKind : .json
    }
}
