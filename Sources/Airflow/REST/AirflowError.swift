/// Why an Airflow did not do what was asked.
public struct AirflowError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure.
    public enum Code: String, Sendable, Hashable {
        /// The URL, or a file that it names, cannot be used.
        case badURL = "bad-url"
        /// Nobody answers there, or it is no Airflow.
        case unreachable
        /// The certificate was refused, by either side.
        case certificate
        /// No answer came in time.
        case timeout
        /// The user or the password is wrong, or one is wanted.
        case authentication
        /// The user may not do this.
        case forbidden
        case notFound = "not-found"
        /// It exists already, or was asked for already.
        case conflict
        /// It was understood and refused.
        case refused
        /// Airflow failed, again after every retry.
        case server
        /// The answer is not what this API gives.
        case unexpected
        /// This Airflow is too old for it.
        case version
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

    /// One line: system, operation, what was found, what to do.
    public var description: String { "Airflow at \(address), \(operation): \(found). \(advice)" }
}
