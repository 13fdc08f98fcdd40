import Migration

/// Names of entries that have none of their own: what they run, and a few letters that stay for as long as that does.
struct EntryNames {
    private var taken: Set<String> = []

    /// A name that none had before.
    ///
    /// - Parameter identity: what makes it what it is. Two of one identity are told apart by their order.
    mutating func unique(_ base: String, of identity: [String]) -> String {
        let digest = StableDigest(identity.joined(separator: "\u{0}"))
        let name = "\(base)-\(digest.description.suffix(6))"
        var found = name
        var number = 2
        while !taken.insert(found).inserted {
            found = "\(name)-\(number)"
            number += 1
        }
        return found
    }
}

/// What people would call a command: its program, or the script that an interpreter is given.
enum CommandName {
    /// Programs that run another, which is what is meant.
    private static let runners: Set<String> = [
        "sh", "bash", "dash", "zsh", "ksh", "env", "nice", "ionice", "nohup", "timeout", "flock", "sudo", "su",
        "chronic", "time", "exec",
        "python", "python2", "python3", "perl", "ruby", "php", "node", "bundle", "rails", "java", "cd", "test", "[",
        "set", ".", "source", "umask",
        "export", "run-one", "setsid", "docker", "kubectl",
    ]

    /// A name of letters, digits, `.`, `_` and `-`; `command` where nothing of it is one.
    static func of(_ command: String) -> String {
        let shown = ShownCommand.of(command)
        let words = shown.split { " \t\n;&|()<>\"'`".contains($0) }.map(String.init)
        var isOfFolder = false
        for word in words {
            defer { isOfFolder = word == "cd" }
            let name = String(word.split(separator: "/").last ?? "")
            if isOfFolder || word.hasPrefix("-") || word.contains("=") || word.contains("$") || word.contains("…") {
                continue
            }
            if runners.contains(name) || name.allSatisfy({ $0.isNumber || $0 == "." }) { continue }
            let plain = name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "-" }
            let found = String(plain.prefix(40)).split(separator: "-").joined(separator: "-")
            if found.contains(where: \.isLetter) { return found }
        }
        return "command"
    }
}
