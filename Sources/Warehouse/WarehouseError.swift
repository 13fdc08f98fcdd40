/// Why a warehouse is not written to, beside what PostgreSQL itself says.
public struct WarehouseError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure.
    public enum Kind: Sendable, Hashable {
        /// The server is none that Bailey knows, or too old.
        case server
        /// The schema holds what is not Bailey's, or what another Bailey writes.
        case foreign
        /// The user lacks a right.
        case rights
        /// The time is over.
        case timeout
    }

    /// The sort of failure.
    public let kind: Kind
    /// One line: system, operation, what was found, what to do.
    public let description: String

    init(_ kind: Kind, address: String, operation: String, found: String, advice: String) {
        self.kind = kind
        description = "The warehouse at \(address), \(operation): \(found). \(advice)"
    }
}
