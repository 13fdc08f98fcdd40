extension RedisConnection {
    /// The URL of the master that Sentinels know by a name; the URL itself if it names no Sentinels.
    ///
    /// They are asked in their order, as redis-py does; the first that knows a master is believed.
    /// - Throws: `RedisError` with the code `unreachable` if none does, saying what each answered.
    static func master(of url: RedisURL, timeoutSeconds: Double) async throws(RedisError) -> RedisURL {
        guard case .sentinels(let sentinels, let name) = url.place else { return url }
        var answers: [String] = []
        for sentinel in sentinels {
            var asked = url.moved(to: .host(sentinel.host, port: sentinel.port))
            (asked.user, asked.password, asked.database) = (nil, url.sentinelPassword, 0)
            do throws(RedisError) {
                let reply = try await ask(asked, timeoutSeconds: timeoutSeconds) { sentinel throws(RedisError) in
                    try await sentinel.send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
                }
                if let host = reply.array?.first?.text, let port = reply.array?.last?.int, (1...65535).contains(port) {
                    return url.moved(to: .host(host, port: port))
                }
                answers.append("\(sentinel.host):\(sentinel.port) knows no master “\(name)”")
            } catch {
                answers.append("\(sentinel.host):\(sentinel.port): \(error.found)")
            }
        }
        throw RedisError(
            .unreachable,
            address: url.address,
            operation: "asking the Sentinels",
            found: answers.joined(separator: "; "),
            advice: "See whether they run and whether master_name is what the application has"
        )
    }

    /// Sees that a server which Sentinels named as a master is one: during a failover it may not be any more.
    ///
    /// - Throws: `RedisError` with the code `unreachable` if it is a replica.
    func expectMaster() async throws(RedisError) {
        let role = try await send("ROLE").array?.first?.text ?? "unknown"
        guard role == "master" else {
            throw RedisError(
                .unreachable,
                address: address,
                operation: "ROLE",
                found: "the Sentinels name it as the master, and it is a \(role)",
                advice: "A failover may be under way; run the command again"
            )
        }
    }
}
