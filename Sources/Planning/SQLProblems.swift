import Migration

/// What PostgreSQL would refuse of a statement whatever it holds: told where it is read, and not in the first run.
extension SQLStatement {
    /// Why it can never run; nil if it may.
    func refusal(isTransaction: Bool) -> String? {
        if let unended {
            return "begins \(unended == "/*" ? "a comment" : "a text") by \(unended) and does not end it"
        }
        if parts.first?.hasPrefix("\\") == true { return "is a command of psql; write the SQL that it stands for" }
        switch word {
        case "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE":
            return
                "is \(word): all of “sql” is one transaction, or with “transaction: false” each statement is"
        case "COPY" where text.contains("STDIN") || text.contains("STDOUT"):
            return "is a COPY from or to a client, which nobody would feed or read: use “copy” to move rows"
        default: break
        }
        if isTransaction, let words = loneWords {
            return "is \(words), which PostgreSQL runs in no transaction: say “transaction: false” beside it"
        }
        return nil
    }

    /// Whether it writes, by its first word; a function that it calls may write too.
    var writes: Bool {
        [
            "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "COMMENT",
            "REFRESH", "REINDEX", "VACUUM", "CLUSTER",
        ].contains(word)
    }

    private var text: String { parts.enumerated().filter { $0.offset % 2 == 0 }.map(\.element).joined().uppercased() }

    /// The words by which it is one that stands in no transaction.
    private var loneWords: String? {
        switch (word, opening.dropFirst().first) {
        case ("VACUUM", _): "VACUUM"
        case ("CREATE", let next?) where ["DATABASE", "TABLESPACE"].contains(next),
            ("DROP", let next?) where ["DATABASE", "TABLESPACE"].contains(next):
            "\(word) \(next)"
        case ("ALTER", "SYSTEM"?): "ALTER SYSTEM"
        case ("CREATE", _), ("DROP", _), ("REINDEX", _):
            opening.contains("INDEX") && opening.contains("CONCURRENTLY")
                ? "\(word) INDEX CONCURRENTLY" : nil
        default: nil
        }
    }
}
