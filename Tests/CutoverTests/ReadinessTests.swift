import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import TestSupport
import Testing

@Suite("What a cutover refuses before anything is changed", .timeLimit(.minutes(3))) struct ReadinessTests {
    @Test func aReplica() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            try server.cli("REPLICAOF", "127.0.0.1", "1")
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .notWritable)
            #expect(refusal?.advice.contains("master") == true)
            try server.cli("REPLICAOF", "NO", "ONE")
        }
    }

    @Test func aFullMemoryAndOneThatThrowsKeysAway() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            let before = try bench.contents()
            try server.cli("CONFIG", "SET", "maxmemory", "1")
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .notWritable)
            // In this order: a full memory that may throw keys away throws all of them away.
            try server.cli("CONFIG", "SET", "maxmemory", "1gb")
            try server.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            let evicting = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(evicting?.reason == .evicting)
            #expect(try bench.contents() == before)
        }
    }

    /// Whatever Redis refuses in the middle of the protocol, each script is done as a whole or not at all.
    @Test func aWriteThatRedisRefusesChangesNothing() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: ["a", "b"])
            try bench.fill()
            let group = try bench.group()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: group.keys, patience: 0.2)
            let status = try await redbeat.status()
            let order = CloseOrder(
                pipeline: "p",
                by: "t1",
                fence: group.place.fence,
                hasEntryClock: true,
                entries: zip(group.entries, status.entries).map { entry, found in
                    CloseOrder.Entry(
                        definition: entry.definition,
                        closedDefinition: entry.closedDefinition,
                        meta: found.meta,
                        lastRun: nil
                    )
                }
            )
            let before = try bench.contents()
            try server.cli("CONFIG", "SET", "min-replicas-to-write", "1")
            await #expect(throws: RedisError.self) { try await redbeat.close(order) }
            #expect(try bench.contents() == before)
            try server.cli("CONFIG", "SET", "min-replicas-to-write", "0")
            try server.cli("CONFIG", "SET", "maxmemory", "1")
            await #expect(throws: RedisError.self) { try await redbeat.close(order) }
            try server.cli("CONFIG", "SET", "maxmemory", "0")
            #expect(try bench.contents() == before)
            await redbeat.disconnect()
        }
    }

    @Test func anotherPipelinesEntry() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            _ = try await bench.cutOver()
            let other = try bench.group(pipeline: "q")
            let engine = try bench.engine()
            let refusal = await #expect(throws: Refusal.self) {
                try await CutoverOperation(engine: engine, group: other).run()
            }
            #expect(refusal?.reason == .heldByOthers)
            #expect(refusal?.advice.contains("bailey rollback p") == true)
            await engine.redbeat.disconnect()
        }
    }

    @Test func aClockThatSomebodyElseStopped() async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server)
            try bench.fill()
            try bench.fire("a", at: SwitchBench.now().adding(seconds: 10 * 86_400))
            let before = try bench.contents()
            let refusal = await #expect(throws: Refusal.self) { try await bench.cutOver() }
            #expect(refusal?.reason == .parkedByOthers)
            #expect(try bench.contents() == before)
        }
    }

    @Test func keysInTheSlotsOfACluster() async throws {
        try await withRedis(options: ["--cluster-enabled", "yes"]) { server in
            try server.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            try await waitUntil("the cluster is up") { try server.cli("CLUSTER", "INFO").contains("cluster_state:ok") }
            func checks(_ prefix: String) async throws -> [Check] {
                let place = RedBeatPlace(source: "s", prefix: prefix, lock: nil, maxInterval: 1)
                let keys = place.keys([Array("\(prefix)a".utf8), Array("\(prefix)b".utf8)])
                let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: keys)
                defer { Task { await redbeat.disconnect() } }
                return try await redbeat.readiness(now: SwitchBench.now)
            }
            #expect(try await checks("redbeat:").contains { $0.refusal?.reason == .slots })
            #expect(try await checks("{redbeat}:").allSatisfy(\.holds))
        }
    }

    @Test func aRecurrenceRuleThatWouldStallBeat() throws {
        let zones = ZoneDatabase()
        func refusal(_ frequency: Int) throws -> Refusal.Reason? {
            let stored =
                "{\"__type__\": \"rrule\", \"freq\": \(frequency), \"interval\": 1, \"dtstart\": 1700000000, \"dtstart_tz\": 0}"
            let id = EntryID(source: "s", name: "r")
            var entry = LegacyEntry(id: id, kind: .redbeat, task: "t")
            entry.schedule = try Schedule(redbeat: JSON(parsing: stored))
            entry.raw = [RawRecord(key: Array("redbeat:r".utf8), field: "definition", bytes: Array("{}".utf8))]
            let dag = DAGDefinition(
                id: "p",
                name: "p",
                clock: PipelineClock(driver: id, schedule: nil, timezone: "UTC", timetable: nil),
                entries: [id],
                tasks: []
            )
            let place = RedBeatPlace(source: "s", prefix: "redbeat:", lock: nil, maxInterval: 1)
            do {
                _ = try RedBeatGroup(
                    dag,
                    inventory: Inventory(readAt: .earliest, entries: [entry]),
                    place: place,
                    zones: zones
                )
                return nil
            } catch { return error.reason }
        }
        #expect(try refusal(3) == nil)
        #expect(try refusal(5) == .cannotPark)
    }
}
