/// What a queue table's column holds; it decides how a moment is read and written, and how an error is.
public enum QueueKind: String, Sendable, Hashable, CaseIterable {
    case text, int, `enum`, bool, json, timestamp, date
    /// Seconds since 1970, and thousandths of them.
    case epoch
    case epochMilliseconds = "epoch_ms"
}

/// Columns by what they mean: names, or expressions, and what they hold.
struct QueueColumns: Sendable, Hashable {
    var columns: [String: String]
    var expressions: [String: String]
    var kinds: [String: QueueKind]
}

/// A value that a profile says is written into a column of its own.
public struct QueueWrite: Sendable, Hashable {
    /// What is written.
    public enum Value: Sendable, Hashable {
        /// The moment of writing, as a kind of column holds it; as the profile says of the column if nil.
        case now(QueueKind?)
        case null
        /// A value, as PostgreSQL reads it for the column's type.
        case text(String)
    }

    /// The column's name.
    public var column: String
    /// What is written into it.
    public var value: Value
}

/// SQL that a profile says in place of a column's name.
enum QueueExpression {
    /// Why a text is no expression that may stand in a statement by itself; nil if it is one. Only its form is judged: that it ends where it
    /// seems to end. What it reads is the profile's business.
    static func fault(_ text: String) -> String? {
        if text.contains(where: { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } }) {
            return "a control character stands in it"
        }
        if text.trimmingPrefix(while: \.isWhitespace).isEmpty { return "it is empty" }
        var depth = 0
        var quote: Character?
        var last: Character = " "
        for character in text {
            defer { last = character }
            if let open = quote {
                // A doubled quote closes and opens again.
                if character == open { quote = nil }
                if character == "\\" { return "a backslash in quotes can end them elsewhere than it seems" }
                continue
            }
            switch character {
            case "'", "\"": quote = character
            case "(", "[": depth += 1
            case ")", "]":
                depth -= 1
                if depth < 0 { return "a bracket is closed that was not opened" }
            case ";", "$", "\\": return "“\(character)” stands in it outside quotes"
            case "-" where last == "-", "*" where last == "/": return "a comment stands in it"
            default: break
            }
        }
        if quote != nil { return "a quote is not closed" }
        return depth == 0 ? nil : "a bracket is not closed"
    }
}
