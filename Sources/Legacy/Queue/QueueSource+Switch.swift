public import Postgres

extension QueueSource {
    /// How the table is read and held.
    public var layout: QueueProfile { profile }

    /// The address without credentials.
    public var address: String { url.address }

    /// A connection that may write if the server lets it, and the zone that columns without one are in. What it may do is asked, not tried.
    ///
    /// - Throws: `PostgresError`.
    public func connectForSwitch() async throws(PostgresError) -> (PostgresConnection, zone: String) {
        let connection = try await PostgresConnection(to: url, timezone: zoneName, readOnly: false)
        return (connection, try await connection.timezone())
    }
}
