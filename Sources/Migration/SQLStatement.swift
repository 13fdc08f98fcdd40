/// One statement of SQL, with the places of its parameters.
public struct SQLStatement: Sendable, Hashable {
    /// Texts of SQL and names of parameters by turns, beginning and ending with a text.
    public var parts: [String]

    /// The names of its parameters.
    public var parameters: [String] { parts.enumerated().filter { $0.offset % 2 == 1 }.map(\.element) }

    /// Its first words, in capitals: four at most.
    public var opening: [String] = []
    /// What it begins and does not end: “'”, “\"”, “$$” or “/*”; nil if it is whole.
    public var unended: String?

    /// Its first word, in capitals.
    public var word: String { opening.first ?? "" }

    /// Makes a statement of its parts.
    public init(parts: [String]) { self.parts = parts }

    /// The statements of a text. A parameter is `:name`; within quotes, comments and `$$` nothing is one, nor is `::type`.
    public static func all(_ text: String) -> [SQLStatement] {
        var reader = Reader(text)
        return reader.statements()
    }

    /// Reads a text from its begin to its end, as PostgreSQL does: by scalars, for to Swift a quote and an accent after it are one character.
    private struct Reader {
        private let text: [Unicode.Scalar]
        private var at = 0
        private var parts: [String] = []
        private var current = ""
        /// Whether anything but blanks and comments was seen of the statement.
        private var isBegun = false
        private var opening: [String] = []
        private var unended: String?
        private var found: [SQLStatement] = []

        init(_ text: String) { self.text = Array(text.unicodeScalars) }

        mutating func statements() -> [SQLStatement] {
            while at < text.count { step() }
            end()
            return found
        }

        private func scalar(_ offset: Int = 0) -> Unicode.Scalar? {
            let place = at + offset
            return text.indices.contains(place) ? text[place] : nil
        }

        private mutating func take(_ count: Int = 1) {
            current.unicodeScalars.append(contentsOf: text[at..<min(at + count, text.count)])
            at += count
        }

        private mutating func end() {
            if isBegun {
                // What stood alone keeps no blanks around it.
                var statement = SQLStatement(parts: parts + [parts.isEmpty ? current.trimmed : current.trailingTrimmed])
                statement.opening = opening
                statement.unended = unended
                found.append(statement)
            }
            (parts, current, isBegun, opening, unended) = ([], "", false, [], nil)
        }

        private mutating func step() {
            switch (text[at], scalar(1)) {
            case ("-", "-"?):
                while let next = scalar(), next != "\n", next != "\r" { _ = next; take() }
            case ("/", "*"?): comment()
            case ("'", _):
                let before = current.unicodeScalars
                let isEscaped = (before.last == "e" || before.last == "E") && !isWord(before.dropLast().last)
                quoted("'", escapes: isEscaped)
            case ("\"", _): quoted("\"", escapes: false)
            case ("$", _) where !isWord(current.unicodeScalars.last): dollar()
            case (":", ":"?): take(2)
            case (":", let next?) where (next.properties.isAlphabetic || next == "_") && next.isASCII:
                at += 1
                var name = ""
                while let next = scalar(), isWord(next) {
                    name.unicodeScalars.append(next)
                    at += 1
                }
                isBegun = true
                parts += [parts.isEmpty ? current.leadingTrimmed : current, name]
                current = ""
            case (";", _):
                at += 1
                end()
            case (let other, _):
                if !isBegun, !other.properties.isWhitespace {
                    isBegun = true
                    opening = words()
                }
                take()
            }
        }

        private func isWord(_ scalar: Unicode.Scalar?) -> Bool {
            scalar.map { $0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "_" } ?? false
        }

        /// The words that stand here, as long as nothing else stands between them.
        private func words() -> [String] {
            var found: [String] = []
            var place = at
            while found.count < 4, place < text.count, isWord(text[place]) {
                let word = text[place...].prefix { isWord($0) }
                found.append(String(String.UnicodeScalarView(word)).uppercased())
                place = word.endIndex
                while place < text.count, text[place].properties.isWhitespace { place += 1 }
            }
            return found
        }

        private mutating func comment() {
            var depth = 0
            repeat {
                if scalar() == "/", scalar(1) == "*" {
                    depth += 1
                    take(2)
                } else if scalar() == "*", scalar(1) == "/" {
                    depth -= 1
                    take(2)
                } else {
                    take()
                }
            } while depth > 0 && at < text.count
            if depth > 0 { unended = "/*" }
        }

        private mutating func quoted(_ quote: Unicode.Scalar, escapes: Bool) {
            isBegun = true
            take()
            while let next = scalar() {
                if escapes, next == "\\" {
                    take(2)
                } else if next == quote, scalar(1) == quote {
                    take(2)
                } else if next == quote {
                    take()
                    return
                } else {
                    take()
                }
            }
            unended = String(quote)
        }

        private mutating func dollar() {
            isBegun = true
            var tag = "$"
            var place = at + 1
            while place < text.count, isWord(text[place]) {
                tag.unicodeScalars.append(text[place])
                place += 1
            }
            guard place < text.count, text[place] == "$",
                tag.unicodeScalars.dropFirst().first?.properties.numericType == nil
            else { return take() }
            let mark = Array((tag + "$").unicodeScalars)
            take(mark.count)
            while at < text.count {
                if text[at] == "$", Array(text[at..<min(at + mark.count, text.count)]) == mark {
                    return take(mark.count)
                }
                take()
            }
            unended = String(String.UnicodeScalarView(mark))
        }
    }
}

extension String {
    fileprivate var leadingTrimmed: String {
        String(unicodeScalars.drop { $0.properties.isWhitespace })
    }
    fileprivate var trailingTrimmed: String {
        var scalars = Substring(self).unicodeScalars
        while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
        return String(scalars)
    }
    fileprivate var trimmed: String { leadingTrimmed.trailingTrimmed }
}
