import LosslessJSON

/// What a sandboxed body may take, and where it may connect to.
public struct SandboxRules: Sendable, Hashable {
    /// A place in the network.
    public struct Place: Sendable, Hashable, CustomStringConvertible {
        /// A name or an address.
        public var host: String
        /// The TCP port.
        public var port: Int

        /// Makes a place.
        public init(host: String, port: Int) { (self.host, self.port) = (host, port) }

        /// Reads `host:port`, an IPv6 address in brackets.
        public init?(_ text: String) {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
                (1...65_535).contains(port)
            else { return nil }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            guard !host.isEmpty, host.utf8.count <= 253,
                host.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !"/#*?@".utf8.contains($0) })
            else { return nil }
            self.init(host: String(host), port: port)
        }

        /// As it is written.
        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// The only places that it may connect to.
    public var network: [Place] = []
    /// Bytes of memory, of all its processes together.
    public var memory = 1 << 30
    /// Seconds of processor time, of all its processes together.
    public var cpu = 600.0
    /// How many processes and threads it may have at once.
    public var processes = 64
    /// Bytes that it may have on disk.
    public var disk = 1 << 30

    /// What a mapping that says nothing of it allows: no network, 1 GiB of memory and of disk, ten minutes of processor time, 64 processes.
    public init() {}

    var form: JSON {
        [
            "network": JSON(network.map(\.description)), "memory": JSON(memory), "cpu": JSON(cpu),
            "processes": JSON(processes), "disk": JSON(disk),
        ]
    }
}
