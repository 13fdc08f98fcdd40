import Transport

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

    /// Why TLS did not come about, and which part of the source's URL decides it.
    static func tls(_ fault: TLSFault, address: String) -> RedisError {
        let advice =
            switch fault.kind {
            case .certificate:
                "Name the PEM file of the server's authority in the source's URL: ?ssl_ca_certs=FILE; a certificate that is over must be renewed at the server. ?ssl_cert_reqs=none encrypts without checking who answers"
            case .name:
                "Write into the source's URL the host that the certificate names; ?ssl_check_hostname=false takes any name, as redis-py before 6 does"
            case .ownCertificate:
                "See which clients the server lets in; Bailey shows no certificate of its own to Redis"
            case .notTLS:
                "Write redis:// instead of rediss://, or the TLS port of the server; where that is right, see whether Redis is blocked"
            case .file: "ssl_ca_certs in the source's URL must name a PEM file that can be read"
            case .other:
                "See whether the address is that of the server's TLS port, and ssl_ca_certs in the source's URL"
            }
        return RedisError(
            .unreachable,
            address: address,
            operation: "securing the connection",
            found: fault.found,
            advice: advice
        )
    }

    /// Whether a new connection a little later may fare better: the server is away, ending, or reading its data.
    var isOfConnecting: Bool {
        code == .unreachable || code == .closed || (code == .server && found.contains("LOADING"))
    }

    /// One line: system, operation, what was found, what to do.
    public var description: String { "Redis at \(address), \(operation): \(found). \(advice)" }
}
