extension Unicode.Scalar {
    /// Whether a terminal obeys it instead of showing it, or it turns the direction of what follows: what holds it is not what it looks like.
    public var isMisleading: Bool {
        // Of ASCII the control characters; that needs no table.
        if value < 0x80 { return value < 0x20 || value == 0x7F }
        return switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // Of the formatting ones, those that reorder text; joiners belong to words of many scripts.
        case .format:
            (0x200E...0x200F).contains(value) || (0x202A...0x202E).contains(value)
                || (0x2066...0x2069).contains(value) || value == 0x061C
        default: false
        }
    }
}

extension Unicode.Scalar {
    /// Whether nobody sees it, although it makes a text another one: two values that differ in it alone look the same. Joiners and variation
    /// selectors belong to words and signs of many scripts.
    public var isInvisible: Bool {
        switch value {
        case ..<0xAD: false
        case 0xAD, 0x34F, 0x115F...0x1160, 0x17B4...0x17B5, 0x180E, 0x200B, 0x2060...0x2064, 0x206A...0x206F, 0x3164,
            0xFEFF, 0xFFA0, 0x1BCA0...0x1BCA3, 0x1D173...0x1D17A, 0xE0000...0xE00FF:
            true
        default: false
        }
    }

    /// Whether it is shown as its number.
    fileprivate var isSpelled: Bool { isMisleading || isInvisible }
}

extension String {
    /// The text as one line that shows what it holds: a new line as `\n`, ESC as `\x1b`, a mark that turns the direction as `\u202e`, one that nobody sees as `\u200b`.
    public var visible: String {
        // Most text is plain, and of that nothing needs to be asked of Unicode's tables.
        if utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return self }
        guard unicodeScalars.contains(where: \.isSpelled) else { return self }
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            guard scalar.isSpelled else {
                result.append(scalar)
                continue
            }
            switch scalar {
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            default:
                let digits = String(scalar.value, radix: 16)
                let width = scalar.value < 0x100 ? 2 : 4
                let zeros = String(repeating: "0", count: max(0, width - digits.count))
                result.append(contentsOf: ((width == 2 ? "\\x" : "\\u") + zeros + digits).unicodeScalars)
            }
        }
        return String(result)
    }

    /// JSON text with every misleading or invisible character but its own line ends as an escape: the same values, safe on a terminal.
    public var visibleJSON: String {
        if utf8.allSatisfy({ ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A }) { return self }
        guard unicodeScalars.contains(where: { $0.isSpelled && $0 != "\n" }) else { return self }
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            // They stand within strings only; the writer itself ends lines with U+000A and nothing else.
            guard scalar.isSpelled, scalar != "\n" else {
                result.append(scalar)
                continue
            }
            for unit in UTF16.encode(scalar) ?? .init() {
                let digits = String(unit, radix: 16)
                result.append(
                    contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars
                )
            }
        }
        return String(result)
    }
}
