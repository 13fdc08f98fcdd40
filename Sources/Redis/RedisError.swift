/// Why Redis did not do what was asked.
public struct RedisError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure.
    public enum Code: String, Sendable, Hashable {
        case badURL = "bad-url"
        case unreachable
        case authentication
        case timeout
        case closed
        case server
        case `protocol`
        case overflow
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

    init(_ code: Code, address: String, operation: String, found: String, advice: String) {
        self.code = code
        self.address = address
        self.operation = operation
        self.found = found
        self.advice = advice
    }

    /// Whether a new connection a little later may fare better: the server is away, ending, or reading its data.
    var isOfConnecting: Bool {
        code == .unreachable || code == .closed || (code == .server && found.contains("LOADING"))
    }

    /// One line: system, operation, what was found, what to do.
    public var description: String { "Redis at \(address), \(operation): \(found). \(advice)" }
}
