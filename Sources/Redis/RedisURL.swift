/// Where a Redis is and how to log in, in the forms that redis-py, kombu and Celery take:
/// `redis://[user][:password@][host][:port][/db][?db=6]`, `rediss://…`, `unix://[user:password@]/path[?db=6]`,
/// `redis+socket:///path[?virtual_host=6]`, and `sentinel://[:password@]host[:port][/db];sentinel://…?master_name=name`.
public struct RedisURL: Sendable, Hashable {
    /// A host and port, a socket's path, or the Sentinels that know where a master is.
    public enum Place: Sendable, Hashable {
        case host(String, port: Int)
        case socket(String)
        case sentinels([Sentinel], master: String)
    }

    /// A Redis Sentinel.
    public struct Sentinel: Sendable, Hashable {
        /// Its host.
        public var host: String
        /// Its port.
        public var port: Int

        /// Makes one.
        public init(host: String, port: Int) { (self.host, self.port) = (host, port) }
    }

    /// Where it is.
    public var place: Place
    /// Whether TLS is used.
    public var tls: Bool
    /// The ACL user; nil for the default one.
    public var user: String?
    /// The password.
    public var password: String?
    /// The logical database.
    public var database: Int
    /// The password of the Sentinels themselves (`sentinel_password`); nil if they ask for none.
    public var sentinelPassword: String?
    /// A file of PEM certificates to trust instead of the system's (`ssl_ca_certs`).
    public var authorities: String?
    /// Whether the server's certificate is checked (`ssl_cert_reqs`, which is `none` to turn it off).
    public var verifies: Bool
    /// Whether the certificate must be for the host that is asked for (`ssl_check_hostname`, which is `false` to turn it off).
    public var verifiesName: Bool

    /// Reads a URL. What its query says counts before its path, as in redis-py.
    ///
    /// - Throws: `RedisError` with the code `bad-url`, which never shows the URL's credentials.
    public init(_ text: String) throws(RedisError) {
        let refusal = URLRefusal(text: text)
        let pieces = text.split(separator: ";", omittingEmptySubsequences: true).map(String.init)
        // A password may hold a “;” too.
        let several = pieces.allSatisfy { $0.contains("://") } ? pieces : [text]
        guard let first = several.first, let parts = URLParts(first) else { throw refusal.because("it is not a URL") }
        // A password with “/” or “@” in it has been read as host, port and path.
        let tails = several.compactMap { URLParts($0) }.flatMap { [$0.path, $0.query["db"] ?? ""] }
        guard !tails.contains(where: { $0.contains("@") }), !text.contains("#") else {
            throw refusal.because(
                "a user or password holds “/”, “?”, “#” or “@”, which are written as %2F, %3F, %23 and %40"
            )
        }
        var query = parts.query
        var (user, password) = (parts.user, parts.password)
        var path = parts.path
        switch parts.scheme {
        case "redis", "rediss":
            guard several.count == 1 else {
                throw refusal.because(
                    "it names \(several.count) brokers, of which Celery uses one after the other",
                    "Name the one that holds this schedule"
                )
            }
            place = .host(parts.host.isEmpty ? "localhost" : parts.host, port: try refusal.port(parts, or: 6379))
        case "redis+socket", "unix", "socket":
            guard several.count == 1, !path.isEmpty, path != "/" else { throw refusal.because("it has no path") }
            place = .socket(path)
            path = ""
        case "sentinel", "sentinels", "redis+sentinel":
            var sentinels: [Sentinel] = []
            for each in several {
                guard let one = URLParts(each), one.scheme == parts.scheme else {
                    throw refusal.because("it mixes Sentinels with something else")
                }
                // As kombu takes them: the last that is written counts.
                query.merge(one.query) { $1 }
                user = one.user ?? user
                password = one.password ?? password
                if !one.path.isEmpty { path = one.path }
                let host = one.host.isEmpty ? "localhost" : one.host
                sentinels.append(Sentinel(host: host, port: try refusal.port(one, or: 26379)))
            }
            guard let master = query["master_name"] ?? query["service_name"] else {
                throw refusal.because(
                    "it names Sentinels and not their master",
                    "Write what Celery has in broker_transport_options or RedBeat in redbeat_redis_options at its end: ?master_name=NAME"
                )
            }
            place = .sentinels(sentinels, master: master)
        case "redis-sentinel":
            throw refusal.because(
                "“redis-sentinel://” is RedBeat's, which takes the Sentinels from redbeat_redis_options",
                "Write them here: sentinel://host:26379;sentinel://host2:26379/0?master_name=NAME (NAME is its service_name)"
            )
        case "redis-cluster", "rediss-cluster", "redis+cluster":
            throw refusal.because(
                "it is of a Redis Cluster, whose redirections Bailey does not follow",
                "Where redbeat_key_prefix has braces, such as {redbeat}:, all keys of the schedule lie on one node: give that node's redis://host:port"
            )
        case "amqp", "amqps", "pyamqp", "sqs", "kafka", "confluentkafka", "memory", "filesystem":
            throw refusal.because(
                "its scheme is “\(parts.scheme)”: a broker that is no Redis",
                "Give the Redis of RedBeat's keys, which the application sets as redbeat_redis_url"
            )
        case let scheme:
            throw refusal.because("its scheme is “\(scheme)”")
        }
        tls = parts.scheme == "rediss" || parts.scheme == "sentinels" || query["ssl"] == "true"
        if tls, query["ssl_certfile"] != nil || query["ssl_keyfile"] != nil {
            throw refusal.because(
                "it shows a certificate of its own (ssl_certfile), which Bailey cannot",
                "Give a URL that logs in by password"
            )
        }
        user = user.flatMap { $0.isEmpty ? nil : $0 } ?? query["username"]
        password = password.flatMap { $0.isEmpty ? nil : $0 } ?? query["password"]
        // A user without a password logs in with an empty one.
        if user != nil, password == nil { password = "" }
        self.user = user
        self.password = password
        sentinelPassword = query["sentinel_password"]
        authorities = query["ssl_ca_certs"]
        verifies = !["none", "CERT_NONE", "0"].contains(query["ssl_cert_reqs"] ?? "")
        verifiesName = !["0", "f", "false", "n", "no"].contains(query["ssl_check_hostname"]?.lowercased() ?? "")
        let inPath = path.drop { $0 == "/" }
        let number = query["db"] ?? (inPath.isEmpty ? query["virtual_host"] ?? "0" : String(inPath))
        guard let database = Int(number.drop { $0 == "/" }), database >= 0 else {
            // What stands there may be the end of a password.
            throw refusal.because("its database is no number")
        }
        self.database = database
    }

    /// The address without credentials: `redis://host:6379/0`.
    public var address: String {
        switch place {
        case .host(let host, let port):
            return "\(tls ? "rediss" : "redis")://\(RedisURL.shown(host)):\(port)/\(database)"
        case .socket(let path): return "redis+socket://\(path)?virtual_host=\(database)"
        case .sentinels(let sentinels, let master):
            let each = sentinels.map { "\(tls ? "sentinels" : "sentinel")://\(RedisURL.shown($0.host)):\($0.port)" }
            return each.joined(separator: ";") + "/\(database)?master_name=\(master)"
        }
    }

    /// The same login and database at another place.
    func moved(to place: Place) -> RedisURL {
        var url = self
        url.place = place
        return url
    }

    private static func shown(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }

    /// What may be shown of a text that is no good URL: its scheme. Where the password ends cannot be told.
    static func redacted(_ text: String) -> String {
        guard let scheme = text.firstRange(of: "://"), scheme.lowerBound != text.startIndex else {
            return "(unreadable URL)"
        }
        return text[..<scheme.upperBound] + "…"
    }
}

/// Why a text is refused as a URL of a Redis.
private struct URLRefusal {
    let text: String

    func because(_ found: String, _ advice: String? = nil) -> RedisError {
        RedisError(
            .badURL,
            address: RedisURL.redacted(text),
            operation: "reading the URL",
            found: found,
            advice: advice
                ?? "Use redis://[user:password@]host[:port][/db], rediss://…, unix:///path or sentinel://host:26379/0?master_name=NAME"
        )
    }

    func port(_ parts: URLParts, or usual: Int) throws(RedisError) -> Int {
        guard let written = parts.port, !written.isEmpty else { return usual }
        guard let port = Int(written), (0...65535).contains(port) else {
            throw because(
                "what follows its host's colon is no port; a password with “/”, “?” or “#” must be written with %2F, %3F, %23"
            )
        }
        return port
    }
}
