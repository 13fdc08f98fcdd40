public import LosslessJSON

/// An Airflow connection that leads to a source, made from the source's URL.
public struct SourceConnection: Sendable, Hashable {
    /// The type, as Airflow calls it: `redis`, `postgres`, …
    public var type: String
    /// The host.
    public var host: String?
    /// The port.
    public var port: Int?
    /// The user.
    public var login: String?
    /// The database, as the type calls it.
    public var schema: String?
    /// The type's own settings: an object.
    public var extra: JSON?
    /// Never printed.
    public var password: String?
    /// Where it leads, without credentials.
    public var address: String

    /// Makes one.
    public init(
        type: String,
        host: String?,
        port: Int?,
        login: String?,
        schema: String?,
        extra: JSONObject = [:],
        password: String?,
        address: String
    ) {
        self.type = type
        self.host = host
        self.port = port
        self.login = login
        self.schema = schema
        self.extra = extra.isEmpty ? nil : .object(extra)
        self.password = password
        self.address = address
    }
}
