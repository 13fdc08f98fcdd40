extension JSON {
    /// How a value is written.
    public enum Style: Sendable {
        /// On one line, without spaces, keys and numbers as they were.
        case compact
        /// Over several lines, indented by two spaces, keys and numbers as they were.
        case pretty
        /// One text for all values that mean the same: keys sorted, the last of duplicate keys, numbers without exponent or trailing zeros.
        case canonical
    }

    /// The value as JSON text. Characters beyond ASCII are written as they are.
    public func text(_ style: Style = .compact) -> String {
        var output: [UInt8] = []
        write(to: &output, style: style, indent: 0)
        return String(decoding: output, as: UTF8.self)
    }

    private func write(to output: inout [UInt8], style: Style, indent: Int) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let value):
            output.append(contentsOf: (style == .canonical ? value.canonical : value.lexeme).utf8)
        case .string(let value): Self.write(value, to: &output)
        case .array(let elements):
            Self.writeSequence(elements, open: "[", close: "]", to: &output, style: style, indent: indent) {
                $0.write(to: &$1, style: style, indent: indent + 1)
            }
        case .object(let object):
            let members = style == .canonical ? object.sortedMembers : object.members
            Self.writeSequence(members, open: "{", close: "}", to: &output, style: style, indent: indent) {
                Self.write($0.key, to: &$1)
                $1.append(UInt8(ascii: ":"))
                if style == .pretty { $1.append(UInt8(ascii: " ")) }
                $0.value.write(to: &$1, style: style, indent: indent + 1)
            }
        }
    }

    private static func writeSequence<Element>(
        _ elements: [Element],
        open: Unicode.Scalar,
        close: Unicode.Scalar,
        to output: inout [UInt8],
        style: Style,
        indent: Int,
        each: (Element, inout [UInt8]) -> Void
    ) {
        output.append(UInt8(ascii: open))
        var isFirst = true
        for element in elements {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            if style == .pretty { newLine(indent + 1, to: &output) }
            each(element, &output)
        }
        if style == .pretty, !elements.isEmpty { newLine(indent, to: &output) }
        output.append(UInt8(ascii: close))
    }

    private static func newLine(_ indent: Int, to output: inout [UInt8]) {
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: indent * 2))
    }

    private static func write(_ string: String, to output: inout [UInt8]) {
        let hexadecimal: StaticString = "0123456789abcdef"
        var string = string
        output.append(UInt8(ascii: "\""))
        string.withUTF8 { bytes in
            // Nearly every text has nothing to escape, and goes out in one piece.
            var written = 0
            for (index, byte) in bytes.enumerated() where isEscaped(byte) {
                output.append(contentsOf: bytes[written..<index])
                written = index + 1
                escape(byte)
            }
            output.append(contentsOf: bytes[written...])
        }
        output.append(UInt8(ascii: "\""))

        func escape(_ byte: UInt8) {
            switch byte {
            case UInt8(ascii: "\""): output.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
            case 0x0A: output.append(contentsOf: "\\n".utf8)
            case 0x0D: output.append(contentsOf: "\\r".utf8)
            case 0x09: output.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7F:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hexadecimal.utf8Start[Int(byte >> 4)])
                output.append(hexadecimal.utf8Start[Int(byte & 15)])
            default: output.append(byte)
            }
        }
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }
}

extension JSONObject {
    /// One member per key, the last given, by key.
    fileprivate var sortedMembers: [Member] {
        var last: [String: JSON] = [:]
        for member in members { last[member.key] = member.value }
        return last.map { Member(key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
    }
}
