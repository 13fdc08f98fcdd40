/// A Python expression, as far as DAG files need them.
indirect enum PythonExpression: Sendable, Hashable {
    case name(String)
    case string(String)
    case integer(Int)
    case number(Double)
    case bool(Bool)
    case none
    case list([PythonExpression])
    case tuple([PythonExpression])
    case dictionary([(key: String, value: PythonExpression)])
    case call(String, [PythonExpression], [(name: String, value: PythonExpression)])

    static func == (a: PythonExpression, b: PythonExpression) -> Bool { a.text(indent: 0) == b.text(indent: 0) }
    func hash(into hasher: inout Hasher) { hasher.combine(text(indent: 0)) }

    /// The widest expression that is kept on one line: with the deepest indentation and `return` before it, it fits in 120 columns.
    private static let width = 100

    /// The expression's text; lines after the first are indented by so many spaces more.
    func text(indent: Int, column: Int = 0) -> String {
        let flat = flat
        if indent + column + flat.count <= PythonExpression.width, !flat.contains("\n") { return flat }
        let inner = indent + 4
        let pad = String(repeating: " ", count: inner)
        let end = String(repeating: " ", count: indent)
        func block(_ open: String, _ lines: [String], _ close: String) -> String {
            lines.isEmpty ? open + close : open + "\n" + lines.map { pad + $0 + ",\n" }.joined() + end + close
        }
        switch self {
        case .list(let items): return block("[", items.map { $0.text(indent: inner) }, "]")
        case .tuple(let items): return block("(", items.map { $0.text(indent: inner) }, ")")
        case .dictionary(let members):
            return block(
                "{",
                members.map {
                    PythonExpression.literal($0.key) + ": " + $0.value.text(indent: inner, column: $0.key.count + 4)
                },
                "}"
            )
        case .call(let name, let positional, let named):
            let lines =
                positional.map { $0.text(indent: inner) }
                + named.map { Self.word($0.name) + $0.value.text(indent: inner, column: $0.name.count + 1) }
            return block(name + "(", lines, ")")
        default: return flat
        }
    }

    /// What stands before an argument's value; `**` unpacks a dictionary.
    private static func word(_ name: String) -> String { name == "**" ? name : name + "=" }

    private var flat: String {
        switch self {
        case .name(let name): name
        case .string(let text): PythonExpression.literal(text)
        case .integer(let value): String(value)
        case .number(let value): value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
        case .bool(let value): value ? "True" : "False"
        case .none: "None"
        case .list(let items): "[" + items.map(\.flat).joined(separator: ", ") + "]"
        case .tuple(let items): "(" + items.map(\.flat).joined(separator: ", ") + (items.count == 1 ? ",)" : ")")
        case .dictionary(let members):
            "{" + members.map { PythonExpression.literal($0.key) + ": " + $0.value.flat }.joined(separator: ", ") + "}"
        case .call(let name, let positional, let named):
            name + "("
                + (positional.map(\.flat) + named.map { Self.word($0.name) + $0.value.flat }).joined(separator: ", ")
                + ")"
        }
    }

    /// A Python string literal that means exactly these characters, on one line.
    static func literal(_ text: String) -> String {
        // The quote that needs fewer escapes, as Python's formatters choose.
        let doubles = text.utf8.count { $0 == UInt8(ascii: "\"") }
        let singles = text.utf8.count { $0 == UInt8(ascii: "'") }
        let quote: Character = doubles > singles ? "'" : "\""
        var result = String(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\"" where quote == "\"": result += "\\\""
            case "'" where quote == "'": result += "\\'"
            default:
                // Characters that end a line or cannot be seen are written by number.
                if (32..<127).contains(scalar.value) {
                    result.unicodeScalars.append(scalar)
                    continue
                }
                let invisible =
                    scalar.value < 0xA0
                    || scalar.properties.generalCategory == .format
                    || scalar.properties.generalCategory == .lineSeparator
                    || scalar.properties.generalCategory == .paragraphSeparator
                if !invisible {
                    result.unicodeScalars.append(scalar)
                } else if scalar.value < 256 {
                    result += "\\x" + hexadecimal(scalar.value, 2)
                } else if scalar.value < 65_536 {
                    result += "\\u" + hexadecimal(scalar.value, 4)
                } else {
                    result += "\\U" + hexadecimal(scalar.value, 8)
                }
            }
        }
        result.append(quote)
        return result
    }

    private static func hexadecimal(_ value: UInt32, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: width - digits.count) + digits
    }
}
