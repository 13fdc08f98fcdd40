import Foundation
import Redis
import Synchronization
import TestSupport
import Testing

@Suite("The Redis client, against a real Redis", .timeLimit(.minutes(2))) struct RedisConnectionTests {
    @Test func valuesOfAnyBytesAndTenThousandCommandsAtOnce() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let bytes = [UInt8](0...255)
            let commands = (0..<10_000).map { RedisCommand([Array("SET".utf8), Array("k\($0)".utf8), bytes]) }
            let replies = try await redis.pipeline(commands)
            #expect(replies.count == 10_000)
            #expect(try await redis.send("GET", "k9999").bytes == bytes)
            #expect(try await redis.send("GET", "none").isNull)
            #expect(try await redis.send("DBSIZE").int == 10_000)
            await redis.close()
        }
    }

    @Test func anErrorAnswersItsOwnCommandAlone() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let replies = try await redis.pipeline([
                RedisCommand("SET", "a", "1"), RedisCommand("LPUSH", "a", "1"), RedisCommand("GET", "a"),
            ])
            #expect(replies[2].text == "1")
            let error = await #expect(throws: RedisError.self) { try await redis.send("LPUSH", "a", "1") }
            #expect(error?.code == .server)
            #expect(error?.description.contains("LPUSH") == true)
            await redis.close()
        }
    }

    @Test func aScriptTakesOneRoundTripAndSurvivesAFlushOfTheScriptCache() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let script = RedisScript("return {KEYS[1], ARGV[1]}")
            func call() async throws {
                let reply = try await script.run(on: redis, keys: [Array("k".utf8)], arguments: [[0, 255]])
                #expect(reply.array?.last?.bytes == [0, 255])
            }
            func calls(_ command: String) throws -> Int {
                let lines = try server.cli("INFO", "commandstats").split(whereSeparator: \.isNewline)
                let line = lines.first { $0.hasPrefix("cmdstat_\(command):calls=") }
                return line.flatMap { Int($0.drop { $0 != "=" }.dropFirst().prefix { $0 != "," }) } ?? 0
            }
            for _ in 0..<5 { try await call() }
            #expect(try calls("script|load") == 1)
            #expect(try calls("eval") == 1)
            #expect(try calls("evalsha") == 4)
            _ = try await redis.send("SCRIPT", "FLUSH")
            try await call()
            try await call()
            #expect(try calls("eval") == 2)
            await redis.close()
        }
    }

    @Test func anOldServerIsRefusedByName() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let version = try await redis.serverVersion(atLeast: 5)
            #expect(try server.cli("INFO", "server").contains("redis_version:\(version)"))
            let error = await #expect(throws: RedisError.self) { try await redis.serverVersion(atLeast: 99) }
            #expect(error?.found == "it is Redis \(version)")
            await redis.close()
        }
    }

    @Test func aScriptThatFailsIsNotRunAgain() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let script = RedisScript("redis.call('INCR', 'n') return redis.error_reply('ODD NOSCRIPT is only said')")
            for count in 1...2 {
                let error = await #expect(throws: RedisError.self) {
                    try await script.run(on: redis, keys: [], arguments: [])
                }
                #expect(error?.code == .server)
                #expect(try await redis.send("GET", "n").int == count)
            }
            await redis.close()
        }
    }

    @Test func loginTLSSocketAndDatabase() async throws {
        try await withRedis(password: "pa ss@:/") { server in
            let right = "redis://:pa%20ss%40%3A%2F@127.0.0.1:\(server.port)/3"
            let redis = try await RedisConnection.connect(to: RedisURL(right))
            _ = try await redis.send("SET", "a", "1")
            #expect(try server.cli("-n", "3", "GET", "a").hasPrefix("1"))
            await redis.close()
            let error = await #expect(throws: RedisError.self) {
                try await RedisConnection.connect(to: RedisURL("redis://:hidden-word@127.0.0.1:\(server.port)"))
            }
            #expect(error?.code == .authentication)
            #expect(error?.description.contains("hidden-word") == false)
            await #expect(throws: RedisError.self) {
                try await RedisConnection.connect(to: RedisURL("redis://127.0.0.1:\(server.port)"))
            }
        }
        try await withRedis { server in
            let redis = try await RedisConnection.connect(
                to: RedisURL("redis+socket://\(server.socket)?virtual_host=2")
            )
            #expect(try await redis.send("PING").text == "PONG")
            await redis.close()
        }
        try await withRedis(tls: true) { server in
            let trusted = "\(server.url)?ssl_ca_certs=\(server.folder.path)/ca.pem"
            let redis = try await RedisConnection.connect(to: RedisURL(trusted))
            #expect(try await redis.send("PING").text == "PONG")
            await redis.close()
            // A certificate that nobody vouches for is refused, in words that say what decides.
            func refusal(_ url: String) async -> RedisError? {
                await #expect(throws: RedisError.self) { _ = try await RedisConnection.connect(to: RedisURL(url)) }
            }
            let untrusted = await refusal(server.url)
            #expect(untrusted?.found.contains("certificate is not trusted") == true, "\(untrusted as Any)")
            #expect(untrusted?.advice.contains("ssl_ca_certs=FILE") == true)
            let missing = await refusal(server.url + "?ssl_ca_certs=/nowhere.pem")
            try Data("no PEM".utf8).write(to: server.folder.appendingPathComponent("not.pem"))
            let noPEM = await refusal(server.url + "?ssl_ca_certs=\(server.folder.path)/not.pem")
            for error in [untrusted, missing, noPEM] {
                let text = error?.description ?? ""
                #expect(text.contains("ssl_ca_certs") && !text.contains(".cc") && !text.contains("OPENSSL"), "\(text)")
            }
        }
    }

    @Test func aServerThatDoesNotAnswerIsATimeout() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url), timeoutSeconds: 0.5)
            let pid = try #require(server.pid)
            kill(pid, SIGSTOP)
            let error = await #expect(throws: RedisError.self) { try await redis.send("PING") }
            kill(pid, SIGCONT)
            #expect(error?.code == .timeout)
            // A late answer would belong to another command, so the connection is gone.
            await #expect(throws: RedisError.self) { try await redis.send("PING") }
        }
    }

    @Test func nobodyThereIsUnreachableAfterTheLimitOfAttempts() async throws {
        let error = await #expect(throws: RedisError.self) {
            try await RedisConnection.connect(to: RedisURL("redis://u:hidden@127.0.0.1:1/0"), attempts: 3)
        }
        #expect(error?.code == .unreachable)
        #expect(error?.description.contains("hidden") == false)
        #expect(error?.description.contains("redis://127.0.0.1:1/0") == true)
    }

    @Test func cancellingEndsTheWait() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url), timeoutSeconds: 60)
            let work = Task { try await redis.send("BLPOP", "nothing", "0") }
            try await waitUntil("the command waits") { try server.cli("INFO", "clients").contains("blocked_clients:1") }
            work.cancel()
            await #expect(throws: (any Error).self) { _ = try await work.value }
        }
    }

    @Test func aSubscriptionOutlivesARestart() async throws {
        try await withRedis { server in
            let url = try RedisURL(server.url)
            let seen = Mutex<[String]>([])
            let ready = Mutex(false)
            let work = Task {
                try await RedisSubscription.listen(
                    to: url,
                    patterns: ["a-*"],
                    attempts: 50,
                    ready: { ready.withLock { $0 = true } }
                ) { event in
                    switch event {
                    case .message(_, let payload): seen.withLock { $0.append(String(decoding: payload, as: UTF8.self)) }
                    case .gap: seen.withLock { $0.append("gap") }
                    }
                }
            }
            try await waitUntil("it listens") { ready.withLock { $0 } }
            try server.cli("PUBLISH", "a-1", "one")
            try server.cli("PUBLISH", "b-1", "other")
            try await waitUntil("the message came") { seen.withLock { $0 } == ["one"] }
            try await server.stop()
            try await server.start()
            try await waitUntil("the connection was renewed") { seen.withLock { $0 } == ["one", "gap"] }
            try server.cli("PUBLISH", "a-2", "two")
            try await waitUntil("the next message came") { seen.withLock { $0 } == ["one", "gap", "two"] }
            work.cancel()
            _ = try? await work.value
        }
    }
}
