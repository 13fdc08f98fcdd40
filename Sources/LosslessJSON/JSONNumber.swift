/// A number as it was written.
public struct JSONNumber: Sendable, Hashable {
    /// The text: `1`, `1.0`, `1e400`, or `NaN`, `Infinity`, `-Infinity` as Python writes them.
    public let lexeme: String

    /// An integer.
    public init(_ value: Int) { lexeme = String(value) }

    /// The shortest text that reads back as the same double.
    public init(_ value: Double) {
        if value.isNaN {
            lexeme = "NaN"
        } else if value.isInfinite {
            lexeme = value < 0 ? "-Infinity" : "Infinity"
        } else {
            lexeme = "\(value)"
        }
    }

    /// A text that the parser found to be a number.
    init(checked lexeme: String) { self.lexeme = lexeme }

    /// Nil unless the text is a JSON number, or one of Python's three words.
    public init?(lexeme: String) {
        guard case .number(let number)? = try? JSON(parsing: lexeme) else { return nil }
        self = number
    }

    /// Whether it is written as an integer: `1` is, `1.0` and `1e2` are not.
    public var isInteger: Bool { lexeme.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2D } }

    /// The integer, when it is one in value (`1.0` is) and fits.
    public var int: Int? {
        if isInteger { return Int(lexeme) }
        return Int(exactly: double)
    }

    /// The nearest double; infinite where the number is out of range.
    public var double: Double {
        switch lexeme {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: Double(lexeme) ?? .nan
        }
    }

    /// The same value in the one text that equal numbers share: no exponent, no trailing zeros, no `-0`.
    ///
    /// Works on the digits, so that no precision is lost; a number with an exponent beyond ±400 keeps its text.
    public var canonical: String {
        if lexeme == "NaN" || lexeme.hasSuffix("Infinity") { return lexeme }
        var mantissa = Substring(lexeme)
        let negative = mantissa.hasPrefix("-")
        if negative { mantissa.removeFirst() }
        var exponent = 0
        if let mark = mantissa.firstIndex(where: { $0 == "e" || $0 == "E" }) {
            guard let value = Int(mantissa[mantissa.index(after: mark)...]), value.magnitude <= 400 else {
                return lexeme
            }
            exponent = value
            mantissa = mantissa[..<mark]
        }
        let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        var digits = Array(String(parts[0]).utf8)
        if parts.count > 1 {
            digits += Array(String(parts[1]).utf8)
            exponent -= parts[1].utf8.count
        }
        let zero = UInt8(ascii: "0")
        while digits.last == zero {
            digits.removeLast()
            exponent += 1
        }
        digits = Array(digits.drop { $0 == zero })
        if digits.isEmpty { return "0" }
        var text = String(decoding: digits, as: UTF8.self)
        if exponent >= 0 {
            text += String(repeating: "0", count: exponent)
        } else if -exponent >= text.count {
            text = "0." + String(repeating: "0", count: -exponent - text.count) + text
        } else {
            text.insert(".", at: text.index(text.endIndex, offsetBy: exponent))
        }
        return negative ? "-" + text : text
    }
}
