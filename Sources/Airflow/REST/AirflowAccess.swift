import Foundation
import NIOSSL
import Transport

/// Where an Airflow is and who asks it.
public struct AirflowAccess: Sendable, Hashable {
    /// The base address: `https://host[:port][/path]`, without a slash at the end.
    public let address: String
    let user: String?
    let password: String?
    private let authorities: String?
    private let certificate: String?
    private let key: String?

    /// Checks an address and what goes with it.
    ///
    /// - Parameters:
    ///   - url: `http://` or `https://`, as people open it in a browser.
    ///   - user: whom to log in; nil where Airflow lets everybody in.
    ///   - authorities: a file of PEM certificates to trust instead of the system's.
    ///   - certificate: a file with the PEM certificate that this side shows; with `key`, the file of its key.
    /// - Throws: `AirflowError` with the code `bad-url`, which never shows credentials.
    public init(
        url: String,
        user: String? = nil,
        password: String? = nil,
        authorities: String? = nil,
        certificate: String? = nil,
        key: String? = nil
    ) throws(AirflowError) {
        func refusal(_ shown: String, _ found: String, _ advice: String) -> AirflowError {
            AirflowError(.badURL, address: shown, operation: "reading target.airflow", found: found, advice: advice)
        }
        let form = "Write url: https://host[:port][/path], as it is opened in a browser"
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            let scheme = parts.scheme?.lowercased(), ["http", "https"].contains(scheme)
        else { throw refusal("url", "it is not an http:// or https:// URL", form) }
        var path = parts.percentEncodedPath
        while path.hasSuffix("/") { path.removeLast() }
        let shownHost = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        address = scheme + "://" + shownHost + (parts.port.map { ":\($0)" } ?? "") + path
        guard parts.user == nil, parts.password == nil else {
            throw refusal(address, "the URL holds a user or a password", "Write them as user and password")
        }
        guard parts.query == nil, parts.fragment == nil else {
            throw refusal(address, "the URL has a query or a fragment", form)
        }
        guard (user == nil) == (password == nil) else {
            throw refusal(
                address,
                user == nil ? "there is a password without a user" : "there is a user without a password",
                "Write both user and password, or neither"
            )
        }
        guard (certificate == nil) == (key == nil) else {
            throw refusal(address, "certificate and key belong together", "Write both, or neither")
        }
        for file in [authorities, certificate, key].compactMap({ $0 })
        where !FileManager.default.isReadableFile(atPath: file) {
            throw refusal(address, "\(file) cannot be read", "Put the PEM file there, or mend the path")
        }
        self.user = user
        self.password = password
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }

    /// What connections are secured with.
    ///
    /// - Throws: `AirflowError` if a file is no PEM.
    func tls() throws(AirflowError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            if let authorities {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorities))
            }
            if let certificate, let key {
                tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
            }
        } catch {
            throw AirflowError(
                .badURL,
                address: address,
                operation: "reading ca, certificate and key",
                found: TLSFault(error)?.found ?? "\(error)",
                advice: "Each must be a PEM file"
            )
        }
        return tls
    }
}
