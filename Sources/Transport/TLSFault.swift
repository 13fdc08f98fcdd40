import NIOSSL

/// Why TLS did not come about, in words of people instead of those of the library, which name places in its source files.
public struct TLSFault: Sendable, Hashable {
    /// What was found.
    public let found: String
    /// What kind of fault it is.
    public let kind: Kind

    /// What is at fault.
    public enum Kind: Sendable, Hashable {
        /// The other side's certificate is not trusted, or is over.
        case certificate
        /// The other side's certificate is for another name.
        case name
        /// The other side wants a certificate of this one.
        case ownCertificate
        /// The other side does not speak TLS.
        case notTLS
        /// A PEM file cannot be used.
        case file
        /// Anything else.
        case other
    }

    /// Nothing came back to TLS's greeting.
    public static let silent = TLSFault(
        .notTLS,
        "nothing was answered to TLS's greeting: the other side does not speak TLS there"
    )

    /// The fault that an error stands for; nil if it is none of TLS.
    public init?(_ error: any Error) {
        switch error {
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            self.init(.name, "the certificate is not for the name or address that was asked for")
        case let error as NIOSSLError:
            switch error {
            case .unableToValidateCertificate: self.init(.certificate, "the certificate is not trusted")
            case .failedToLoadCertificate, .failedToLoadPrivateKey, .noCertificateToValidate:
                self.init(.file, "a certificate or key cannot be read: it is no PEM")
            case .uncleanShutdown: self.init(.other, "the connection ended in the middle of TLS")
            default: self.init(reason: TLSFault.reason("\(error)"))
            }
        case let error as BoringSSLError: self.init(reason: TLSFault.reason("\(error)"))
        case is NIOSSLExtraError: self.init(reason: TLSFault.reason("\(error)"))
        default: return nil
        }
    }

    private init(_ kind: Kind, _ found: String) {
        self.kind = kind
        self.found = found
    }

    private init(reason: String) {
        switch reason {
        case "CERTIFICATE_VERIFY_FAILED":
            self.init(
                .certificate,
                "the certificate is not trusted: no authority that is known has signed it, or it is over"
            )
        case "WRONG_VERSION_NUMBER", "HTTP_REQUEST":
            self.init(.notTLS, "the other side does not speak TLS there")
        case "TLSV1_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA",
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_HANDSHAKE_FAILURE":
            self.init(.ownCertificate, "the other side does not accept this one's certificate, or wants one")
        case "NO_START_LINE", "BAD_BASE64_DECODE", "BAD_END_LINE": self.init(.file, "the file is no PEM")
        case "": self.init(.other, "the TLS handshake failed")
        default:
            let words = reason.lowercased().split(separator: "_").joined(separator: " ")
            self.init(.other, "the TLS handshake failed: \(words)")
        }
    }

    /// The reason in the library's text: `error:…:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at /…/handshake.cc:393`.
    static func reason(_ text: String) -> String {
        guard let start = text.firstRange(of: "OPENSSL_internal:") else { return "" }
        return String(text[start.upperBound...].prefix { $0.isASCII && ($0.isUppercase || $0.isNumber || $0 == "_") })
    }
}
