/// Texts as a terminal lays them out: signs of East Asian scripts and emoji take two columns, marks on other letters none.
extension Character {
    /// How many columns it takes.
    var columns: Int {
        guard let first = unicodeScalars.first else { return 0 }
        if first.value < 0x300 { return 1 }
        if first.properties.isEmojiPresentation || unicodeScalars.contains(where: { $0.value == 0xFE0F }) { return 2 }
        switch first.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18D08, 0x1B000...0x1B2FB, 0x1F200...0x1F2FF,
            0x20000...0x3FFFD:
            return 2
        default:
            switch first.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: return 0
            default: return 1
            }
        }
    }
}

extension StringProtocol {
    /// How many columns it takes.
    var columns: Int { utf8.allSatisfy { $0 < 0x80 } ? utf8.count : reduce(0) { $0 + $1.columns } }

    /// Its beginning that takes so many columns at the most.
    func prefix(columns most: Int) -> SubSequence {
        var taken = 0
        return prefix { character in
            taken += character.columns
            return taken <= most
        }
    }

    /// The text in so many columns, cut with an ellipsis where it takes more.
    func cut(columns most: Int) -> String {
        columns > most ? String(prefix(columns: most - 1)) + "…" : String(self)
    }
}
