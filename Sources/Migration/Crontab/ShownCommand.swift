/// A command line as it may be shown: what looks like a password, a token or a key in it is `…`. What is hidden is guessed from names and
/// shapes, so rather too much than too little.
public enum ShownCommand {
    /// The text with its secrets hidden.
    public static func of(_ command: String) -> String { of(command, depth: 0) }

    /// Whether anything in it would be hidden.
    public static func hidesSomething(of command: String) -> Bool { of(command) != command }

    private static let hidden = "…"
    /// Programs of which the word after an option, or what is glued to it, is a password.
    private static let programs: [String: Set<String>] = [
        "redis-cli": ["-a"], "mysql": ["-p"], "mysqldump": ["-p"], "mysqladmin": ["-p"], "mariadb": ["-p"],
        "mariadb-dump": ["-p"], "sshpass": ["-p"], "mongo": ["-p"], "mongosh": ["-p"], "mongodump": ["-p"],
        "sqlcmd": ["-P"], "bcp": ["-P"], "ldapsearch": ["-w"], "curl": ["-u"],
    ]

    private static func of(_ text: String, depth: Int) -> String {
        var shown = ""
        var program = ""
        var hidesNext = false
        for part in parts(of: text) {
            guard let first = part.first, !first.isWhitespace else {
                shown += part
                continue
            }
            let word = unquoted(part)
            if ["|", "||", "&", "&&", ";", "("].contains(word) {
                (program, hidesNext) = ("", false)
                shown += part
                continue
            }
            if hidesNext {
                hidesNext = false
                // `--user name:word`: the name may be shown.
                shown += hidden
                continue
            }
            if word.contains(where: \.isWhitespace), word.count < part.count, depth < 4 {
                // What another shell is given.
                shown += "\(first)\(header(of(word, depth: depth + 1)))\(part.last ?? first)"
                continue
            }
            let name = String(word.split(separator: "/").last ?? "")
            if programs[name] != nil { program = name }
            if let option = programs[program]?.first(where: { word.hasPrefix($0) }) {
                hidesNext = word == option
                shown += hidesNext ? part : option + hidden
                continue
            }
            if word.hasPrefix("-"), !word.contains("="), isSecret(word) {
                hidesNext = true
                shown += part
                continue
            }
            shown += header(assignments(urls(part)))
        }
        return shown
    }

    /// Words and what stands between them, in order; a quoted text with blanks is one word.
    private static func parts(of text: String) -> [String] {
        var parts: [String] = []
        var part = ""
        var quote: Character?
        var isEscaped = false
        for letter in text {
            let isBlank = letter.isWhitespace && quote == nil && !isEscaped
            if let last = part.last, isBlank != (last.isWhitespace && quote == nil) {
                parts.append(part)
                part = ""
            }
            part.append(letter)
            if isEscaped {
                isEscaped = false
            } else if letter == "\\", quote != "'" {
                isEscaped = true
            } else if letter == quote {
                quote = nil
            } else if quote == nil, letter == "\"" || letter == "'" {
                quote = letter
            }
        }
        return part.isEmpty ? parts : parts + [part]
    }

    private static func unquoted(_ word: String) -> String {
        guard word.count > 1, let first = word.first, first == word.last, first == "\"" || first == "'" else {
            return word
        }
        return String(word.dropFirst().dropLast())
    }

    /// `scheme://name:word@…`; where the password ends cannot be told, so the last `@` counts.
    private static func urls(_ word: String) -> String {
        guard let scheme = word.firstRange(of: "://"), let at = word[scheme.upperBound...].lastIndex(of: "@"),
            let colon = word[scheme.upperBound..<at].firstIndex(of: ":")
        else { return word }
        return word[...colon] + hidden + word[at...]
    }

    /// `NAME=…`, `--name=…`, `?name=…&`, of names that hold secrets.
    private static func assignments(_ word: String) -> String {
        var shown = ""
        var rest = word[...]
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
            shown += rest[...equals]
            rest = rest[rest.index(after: equals)...]
            guard isSecret(String(name.reversed())) else { continue }
            shown += hidden
            rest = rest.drop { $0 != "&" && $0 != ";" }
        }
        return shown + rest
    }

    /// A header of HTTP that holds a secret.
    private static func header(_ text: String) -> String {
        guard let colon = text.firstIndex(of: ":"), !text[colon...].hasPrefix("://") else { return text }
        let name = text[..<colon].reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
        return isSecret(String(name.reversed())) ? text[...colon] + " " + hidden : text
    }

    private static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased().filter { $0 != "_" && $0 != "-" }
        let words = [
            "pass", "pwd", "secret", "token", "credential", "auth", "apikey", "accesskey", "privatekey", "cookie",
        ]
        return words.contains(where: name.contains) || name.hasSuffix("key")
    }
}
