/// What a database server is, by its own words.
public struct WarehouseServer: Sendable, Hashable {
    /// Whose SQL it speaks.
    public enum Grammar: Sendable, Hashable {
        case postgres
        /// Greenplum 6 and its relatives, which are PostgreSQL 9.4.
        case classic
        /// Greenplum 7, Cloudberry and their relatives, which are PostgreSQL 12 and later.
        case modern
    }

    /// The product and its version, such as `PostgreSQL 15.18` or `Greenplum Database 6.25.3`.
    public let name: String
    /// Whose SQL it speaks.
    public let grammar: Grammar
    /// `server_version_num`: of a relative, that of the PostgreSQL that it is made of.
    public let number: Int

    /// Reads what `version()` says. The product is what the name says, and what it can do what the number says: a development version of
    /// Greenplum 7 calls itself PostgreSQL 9.4.
    ///
    /// - Parameter hasSegments: whether it has a catalogue of segments, as every relative of Greenplum has.
    /// - Throws: `WarehouseError` of the kind `server` for one that Bailey does not know, or that is too old.
    public init(version: String, number: Int, hasSegments: Bool, address: String) throws(WarehouseError) {
        func refused(_ found: String) -> WarehouseError {
            WarehouseError(
                .server,
                address: address,
                operation: "asking for its version",
                found: found,
                advice: "Take PostgreSQL 10 or later, Greenplum 6 or 7, Greengage or Cloudberry"
            )
        }
        self.number = number
        let known = /\((Greenplum Database|Greengage Database|Cloudberry Database|Apache Cloudberry) +([0-9.]+)/
        if let found = version.firstMatch(of: known)?.output {
            name = "\(found.1) \(found.2)"
        } else if hasSegments {
            name = "a relative of Greenplum, \(version.prefix(60))"
        } else {
            guard version.hasPrefix("PostgreSQL "), !version.contains("Redshift") else {
                throw refused("it is “\(version.prefix(80))”, which Bailey does not know")
            }
            name = version.split(separator: " ").prefix(2).joined(separator: " ")
            guard number >= 100_000 else { throw refused("it is \(name), which is too old") }
            grammar = .postgres
            return
        }
        guard number >= 90_400 else { throw refused("it is \(name) on PostgreSQL \(number / 100), which is too old") }
        grammar = number >= 120_000 ? .modern : .classic
    }
}
