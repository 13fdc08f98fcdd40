import Redis
import TestSupport
import Testing

@Suite("Redis URLs") struct RedisURLTests {
    @Test func formsThatCeleryTakes() throws {
        let table: [(String, RedisURL.Place, Int, String?, String?, Bool)] = [
            ("redis://h", .host("h", port: 6379), 0, nil, nil, false),
            ("redis://", .host("localhost", port: 6379), 0, nil, nil, false),
            ("redis://h:1/3", .host("h", port: 1), 3, nil, nil, false),
            ("redis://:pa%40ss@h/1", .host("h", port: 6379), 1, nil, "pa@ss", false),
            ("redis://:p%ZZ@h", .host("h", port: 6379), 0, nil, "p%ZZ", false),
            ("redis://:a@b@h", .host("h", port: 6379), 0, nil, "a@b", false),
            ("redis://u:p@h", .host("h", port: 6379), 0, "u", "p", false),
            ("redis://u@h", .host("h", port: 6379), 0, "u", "", false),
            ("redis://:@h:1/2", .host("h", port: 1), 2, nil, nil, false),
            ("redis://@h", .host("h", port: 6379), 0, nil, nil, false),
            ("redis://h?username=u&password=p%26q", .host("h", port: 6379), 0, "u", "p&q", false),
            ("rediss://h:7?ssl_cert_reqs=none", .host("h", port: 7), 0, nil, nil, true),
            ("redis://[::1]:7/0", .host("::1", port: 7), 0, nil, nil, false),
            ("redis+socket:///run/r.sock?virtual_host=2", .socket("/run/r.sock"), 2, nil, nil, false),
            ("redis+socket:///run/r.sock?virtual_host=/2", .socket("/run/r.sock"), 2, nil, nil, false),
            ("unix://:p@/run/r.sock?db=6", .socket("/run/r.sock"), 6, nil, "p", false),
            ("unix:///run/r%20s.sock", .socket("/run/r s.sock"), 0, nil, nil, false),
            ("redis://h?db=4", .host("h", port: 6379), 4, nil, nil, false),
            // redis-py and Celery's result backend let the query count.
            ("redis://h/1?db=6", .host("h", port: 6379), 6, nil, nil, false),
            (
                "sentinel://:p@a:1/3;sentinel://b;sentinel://c:3?master_name=m",
                .sentinels([sentinel("a", 1), sentinel("b", 26379), sentinel("c", 3)], master: "m"), 3, nil, "p", false
            ),
        ]
        for (text, place, database, user, password, tls) in table {
            let url = try RedisURL(text)
            #expect(url.place == place && url.database == database && url.user == user, "\(text)")
            #expect(url.password == password && url.tls == tls, "\(text)")
            if let password, !password.isEmpty { #expect(!url.address.contains(password + "@"), "\(text)") }
        }
    }

    private func sentinel(_ host: String, _ port: Int) -> RedisURL.Sentinel {
        RedisURL.Sentinel(host: host, port: port)
    }

    @Test func refusalsAndAddressesShowNoSecret() throws {
        // What is refused, and the word by which the error names the form.
        let table = [
            ("http://u:hidden@h", "scheme"), ("redis://:hidden@h/x", "database"), ("://hidden", "not a URL"),
            ("redis://:hidden", "port"), ("redis+socket://", "path"), ("hidden", "not a URL"),
            ("sentinel://:hidden@h:1", "master"), ("sentinel://:hidden@h;redis://x?master_name=m", "mixes"),
            ("redis-sentinel://:hidden@h", "RedBeat"), ("redis-cluster://:hidden@h", "Cluster"),
            ("redis://:hidden@a;redis://:hidden@b", "brokers"), ("amqp://u:hidden@h//", "no Redis"),
            ("rediss://:hidden@h?ssl_certfile=/c.pem", "certificate"), ("redis://h:99999", "port"),
        ]
        for (text, word) in table {
            let error = #expect(throws: RedisError.self) { try RedisURL(text) }
            #expect(error?.code == .badURL, "\(text)")
            #expect(error?.description.contains("hidden") == false, "\(text)")
            #expect(error?.found.contains(word) == true, "\(text): \(error?.found ?? "")")
        }
        #expect(try RedisURL("redis://u:hidden@h:1/2").address == "redis://h:1/2")
    }

    @Test(.timeLimit(.minutes(2))) func sentinelsLeadToTheMaster() async throws {
        try await withRedis(password: "secret") { master in
            let rules = ["--sentinel", "monitor", "mymaster", "127.0.0.1", "\(master.port)", "1"]
            try await withRedis(options: ["--sentinel"] + rules + ["--sentinel", "auth-pass", "mymaster", "secret"]) {
                watcher in
                let url = "sentinel://:secret@127.0.0.1:1/4;sentinel://127.0.0.1:\(watcher.port)"
                let redis = try await RedisConnection.connect(to: RedisURL(url + "?master_name=mymaster"))
                #expect(redis.address == "redis://127.0.0.1:\(master.port)/4")
                #expect(try await redis.send("ROLE").array?.first?.text == "master")
                await redis.close()
                let error = await #expect(throws: RedisError.self) {
                    try await RedisConnection.connect(to: RedisURL(url + "?master_name=other"))
                }
                #expect(error?.found.contains("knows no master “other”") == true)
            }
        }
    }
}
