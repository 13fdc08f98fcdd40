/// Why PostgreSQL did not do what was asked.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure.
    public enum Code: String, Sendable, Hashable {
        case badURL = "bad-url"
        case unreachable
        case authentication
        case timeout
        case cancelled
        case closed
        case missing
        case rights
        case server
        case unexpectedValue = "unexpected-value"
        case tooMuch = "too-much"
    }

    /// The sort of failure.
    public let code: Code
    /// The address without credentials.
    public let address: String
    /// What was being done.
    public let operation: String
    /// What was found.
    public let found: String
    /// What to do next.
    public let advice: String
    /// The server's SQLSTATE; nil where it did not answer.
    public let state: String?

    init(_ code: Code, address: String, operation: String, found: String, advice: String, state: String? = nil) {
        self.code = code
        self.address = address
        self.operation = operation
        self.found = found
        self.advice = advice
        self.state = state
    }

    /// The same error in words of those who know what the statement was about.
    public func explained(_ found: String, _ advice: String) -> PostgresError {
        PostgresError(code, address: address, operation: operation, found: found, advice: advice, state: state)
    }

    /// One line: system, operation, what was found, what to do.
    public var description: String {
        "PostgreSQL at \(address), \(operation): \(found)\(state.map { " (SQLSTATE \($0))" } ?? ""). \(advice)"
    }

    /// What grants the right that the server says is missing.
    static func grant(_ message: String) -> String {
        let words: [(found: String, right: String)] = [
            ("permission denied for schema ", "USAGE ON SCHEMA"),
            ("permission denied for function ", "EXECUTE ON FUNCTION"),
            ("permission denied for database ", "CONNECT ON DATABASE"),
        ]
        for (found, right) in words {
            guard let place = message.firstRange(of: found) else { continue }
            let name = message[place.upperBound...].prefix { $0 != ";" }
            return
                "Grant the right to Bailey's user (GRANT \(right) \(name) TO …; bailey doctor --rights prints all that each command needs), or use another one"
        }
        return
            "Grant the right to Bailey's user (bailey doctor --rights prints what each command needs), or use another one"
    }

    /// The error of an answer with a SQLSTATE (PostgreSQL 15, appendix A).
    static func answered(address: String, operation: String, message: String, state: String) -> PostgresError {
        let (code, advice): (Code, String)
        switch state {
        case "42P01", "42703", "3F000", "42883", "3D000":
            (code, advice) = (
                .missing, "Compare the profile under mappings/profiles with the database's own tables and columns"
            )
        case "42501":
            (code, advice) = (.rights, PostgresError.grant(message))
        case "57014":
            (code, advice) = (.timeout, "Raise the statement timeout, or see pg_stat_activity for what blocks it")
        case "57P01", "57P02", "57P03", "08006", "08003":
            (code, advice) = (.closed, "See the server's log, then run the command again")
        case "28P01", "28000":
            (code, advice) = (.authentication, "Check the user and password in the URL's environment variable")
        default:
            (code, advice) = (.server, "See the server's log for the statement")
        }
        return PostgresError(code, address: address, operation: operation, found: message, advice: advice, state: state)
    }
}
