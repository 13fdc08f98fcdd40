import Foundation
import Redis
import TestSupport
import Testing

@Suite("A Redis that does not end", .timeLimit(.minutes(3))) struct LyingRedisTests {
    @Test func aWalkThroughItsKeysEnds() async throws {
        try await LyingServer.with(.endlessScan) { server in
            let redis = try await RedisConnection.connect(to: RedisURL("redis://127.0.0.1:\(server.port)/0"))
            var walk = KeyWalk(matching: "*")
            let error = await #expect(throws: RedisError.self) { while try await walk.next(on: redis) != nil {} }
            #expect(error?.code == .overflow)
            #expect(error?.found.contains("has not ended") == true)
            await redis.close()
        }
    }

    @Test func anAnswerWithoutEndIsRefused() async throws {
        try await LyingServer.with(.endlessReply) { server in
            let url = try RedisURL("redis://127.0.0.1:\(server.port)/0")
            let redis = try await RedisConnection.connect(to: url, timeoutSeconds: 100)
            let error = await #expect(throws: RedisError.self) { try await redis.send("GET", "k") }
            #expect(error?.code == .overflow)
        }
    }

    @Test func aWalkThroughARealDatabaseSeesEveryKey() async throws {
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            let commands = (0..<30_000).map { RedisCommand("SET", "k\($0)", "1") }
            _ = try await redis.pipeline(commands)
            var keys: Set<[UInt8]> = []
            var walk = KeyWalk(matching: "k*", count: 100)
            while let some = try await walk.next(on: redis) { keys.formUnion(some) }
            #expect(keys.count == 30_000)
            // A table that has shrunk has many empty places.
            _ = try await redis.pipeline((10..<30_000).map { RedisCommand("DEL", "k\($0)") })
            var rest = KeyWalk(matching: "k*", count: 10)
            keys = []
            while let some = try await rest.next(on: redis) { keys.formUnion(some) }
            #expect(keys.count == 10)
            await redis.close()
        }
    }

    @Test func oneWhoIsCancelledDoesNotWaitForAConnection() async throws {
        // A listener whose queue is full: the kernel answers no further one.
        let listener = try Running([
            "python3", "-c",
            "import socket,time\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen(0)\nprint(s.getsockname()[1],flush=True)\nh=[]\nfor _ in range(3):\n c=socket.socket();c.setblocking(False);c.connect_ex(s.getsockname());h.append(c)\nprint('full',flush=True)\ntime.sleep(100)",
        ])
        defer {
            listener.signal(SIGKILL)
            _ = listener.ended()
        }
        try await waitUntil("its queue is full") { listener.outputSoFar.contains("full") }
        let port = try #require(listener.outputSoFar.split(separator: "\n").first)
        let url = try RedisURL("redis://127.0.0.1:\(port)/0")
        let work = Task { try await RedisConnection.connect(to: url, timeoutSeconds: 60) }
        try await Task.sleep(for: .milliseconds(300))
        work.cancel()
        let start = ContinuousClock.now
        await #expect(throws: (any Error).self) { _ = try await work.value }
        #expect(ContinuousClock.now - start < .seconds(10))
    }
}
