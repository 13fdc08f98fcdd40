/// One statement of SQL, with the places of its parameters.
public struct SQLStatement: Sendable, Hashable {
    /// Texts of SQL and names of parameters by turns, beginning and ending with a text.
    public var parts: [String]

    /// The names of its parameters.
    public var parameters: [String] { parts.enumerated().filter { $0.offset % 2 == 1 }.map(\.element) }

    /// Its first word, in capitals.
    public var word = ""

    /// Makes a statement of its parts.
    public init(parts: [String]) { self.parts = parts }

    /// The statements of a text. A parameter is `:name`; within quotes, comments and `$$` nothing is one, nor is `::type`.
    public static func all(_ text: String) -> [SQLStatement] {
        var reader = Reader(text)
        return reader.statements()
    }

    /// Reads a text from its begin to its end.
    private struct Reader {
        private let text: [Character]
        private var at = 0
        private var parts: [String] = []
        private var current = ""
        /// Whether anything but blanks and comments was seen of the statement.
        private var isBegun = false
        private var word = ""
        private var found: [SQLStatement] = []

        init(_ text: String) { self.text = Array(text) }

        mutating func statements() -> [SQLStatement] {
            while at < text.count { step() }
            end()
            return found
        }

        private func character(_ offset: Int = 0) -> Character? {
            let place = at + offset
            return text.indices.contains(place) ? text[place] : nil
        }

        private mutating func take(_ count: Int = 1) {
            current += String(text[at..<min(at + count, text.count)])
            at += count
        }

        private mutating func end() {
            if isBegun {
                // What stood alone keeps no blanks around it.
                var statement = SQLStatement(parts: parts + [parts.isEmpty ? current.trimmed : current.trailingTrimmed])
                statement.word = word
                found.append(statement)
            }
            (parts, current, isBegun, word) = ([], "", false, "")
        }

        private mutating func step() {
            switch (text[at], character(1)) {
            case ("-", "-"?):
                while let next = character(), next != "\n", next != "\r\n" { _ = next; take() }
            case ("/", "*"?): comment()
            case ("'", _):
                let before = current.last
                let isEscaped = (before == "e" || before == "E") && !isWord(current.dropLast().last)
                quoted("'", escapes: isEscaped)
            case ("\"", _): quoted("\"", escapes: false)
            case ("$", _) where !isWord(current.last): dollar()
            case (":", ":"?): take(2)
            case (":", let next?) where (next.isLetter || next == "_") && next.isASCII:
                at += 1
                var name = ""
                while let next = character(), isWord(next) {
                    name.append(next)
                    at += 1
                }
                isBegun = true
                parts += [parts.isEmpty ? current.leadingTrimmed : current, name]
                current = ""
            case (";", _):
                at += 1
                end()
            case (let other, _):
                if !isBegun, !other.isWhitespace {
                    isBegun = true
                    word = String(text[at...].prefix { isWord($0) }).uppercased()
                }
                take()
            }
        }

        private func isWord(_ character: Character?) -> Bool {
            character.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
        }

        private mutating func comment() {
            var depth = 0
            repeat {
                if character() == "/", character(1) == "*" {
                    depth += 1
                    take(2)
                } else if character() == "*", character(1) == "/" {
                    depth -= 1
                    take(2)
                } else {
                    take()
                }
            } while depth > 0 && at < text.count
        }

        private mutating func quoted(_ quote: Character, escapes: Bool) {
            isBegun = true
            take()
            while let next = character() {
                if escapes, next == "\\" {
                    take(2)
                } else if next == quote, character(1) == quote {
                    take(2)
                } else if next == quote {
                    take()
                    return
                } else {
                    take()
                }
            }
        }

        private mutating func dollar() {
            isBegun = true
            var tag = "$"
            var place = at + 1
            while place < text.count, isWord(text[place]) {
                tag.append(text[place])
                place += 1
            }
            guard place < text.count, text[place] == "$", tag.dropFirst().first?.isNumber != true else { return take() }
            let mark = Array(tag + "$")
            take(mark.count)
            while at < text.count {
                if text[at] == "$", Array(text[at..<min(at + mark.count, text.count)]) == mark {
                    return take(mark.count)
                }
                take()
            }
        }
    }
}

extension String {
    fileprivate var leadingTrimmed: String { String(drop { $0.isWhitespace }) }
    fileprivate var trailingTrimmed: String { String(String(reversed()).leadingTrimmed.reversed()) }
    fileprivate var trimmed: String { leadingTrimmed.trailingTrimmed }
}
