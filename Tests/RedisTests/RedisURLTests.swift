import Redis
import Testing

@Suite("Redis URLs") struct RedisURLTests {
    @Test func formsThatCeleryTakes() throws {
        let table: [(String, RedisURL.Place, Int, String?, String?, Bool)] = [
            ("redis://h", .host("h", port: 6379), 0, nil, nil, false),
            ("redis://h:1/3", .host("h", port: 1), 3, nil, nil, false),
            ("redis://:pa%40ss@h/1", .host("h", port: 6379), 1, nil, "pa@ss", false),
            ("redis://u:p@h", .host("h", port: 6379), 0, "u", "p", false),
            ("rediss://h:7?ssl_cert_reqs=none", .host("h", port: 7), 0, nil, nil, true),
            ("redis://[::1]:7/0", .host("::1", port: 7), 0, nil, nil, false),
            ("redis+socket:///run/r.sock?virtual_host=2", .socket("/run/r.sock"), 2, nil, nil, false),
            ("redis://h?db=4", .host("h", port: 6379), 4, nil, nil, false),
        ]
        for (text, place, database, user, password, tls) in table {
            let url = try RedisURL(text)
            #expect(url.place == place && url.database == database && url.user == user, "\(text)")
            #expect(url.password == password && url.tls == tls, "\(text)")
        }
    }

    @Test func refusalsAndAddressesShowNoSecret() throws {
        for text in [
            "http://u:hidden@h", "redis://u:hidden@", "redis://:hidden@h/x", "://hidden", "redis://:hidden",
            "redis+socket://",
        ] {
            let error = #expect(throws: RedisError.self) { try RedisURL(text) }
            #expect(error?.code == .badURL, "\(text)")
            #expect(error?.description.contains("hidden") == false, "\(text)")
        }
        #expect(try RedisURL("redis://u:hidden@h:1/2").address == "redis://h:1/2")
    }
}
