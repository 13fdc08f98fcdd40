public import Foundation

/// An authority of one's own, whose certificates `openssl` makes in a folder: `ca.pem`, and `NAME.pem` with `NAME.key`.
public struct Authority: Sendable {
    /// Where the files are.
    public let folder: URL

    /// Makes one.
    public init(in folder: URL) throws {
        self.folder = folder
        try Authority.openssl(
            folder,
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Company -keyout ca.key -out ca.pem"
        )
    }

    /// The PEM file that trusts it.
    public var file: String { path("ca.pem") }

    /// A file's path.
    public func path(_ name: String) -> String { folder.path + "/" + name }

    /// Makes a certificate.
    ///
    /// - Parameters:
    ///   - names: whom it is for: `IP:127.0.0.1`, `DNS:elsewhere.example`.
    ///   - days: how long it holds; below 0 it is over.
    public func sign(_ name: String, for names: String, days: Int = 2) throws {
        try Data("subjectAltName=\(names)\n".utf8).write(to: folder.appendingPathComponent("names"))
        try Authority.openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=a -keyout \(name).key -out a.csr")
        try Authority.openssl(
            folder,
            "x509 -req -in a.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days \(days) -extfile names -out \(name).pem"
        )
    }

    /// The usual ones: `good` for 127.0.0.1, `named` for another host, `over` for 127.0.0.1 until yesterday; and `not.pem`, which is none.
    public func signAll() throws {
        try sign("good", for: "IP:127.0.0.1")
        try sign("named", for: "DNS:elsewhere.example")
        try sign("over", for: "IP:127.0.0.1", days: -1)
        try Data("no certificate".utf8).write(to: folder.appendingPathComponent("not.pem"))
    }

    private static func openssl(_ folder: URL, _ words: String) throws {
        let ended = try Running(["openssl"] + words.split(separator: " ").map(String.init), in: folder).ended()
        guard ended.status == 0 else { throw NotInTime(description: "openssl: \(ended.errors)") }
    }
}
