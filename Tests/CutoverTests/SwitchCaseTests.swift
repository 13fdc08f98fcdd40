import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import TestSupport
import Testing

@testable import Cutover

/// What the engine makes of each state of a switch: the table that the gate in Python is tested from too.
@Suite("The states of a switch, from the table of the gate", .timeLimit(.minutes(3))) struct SwitchCaseTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var entries: Int
        var steps: [String]
        var looks: Int
        var heals: Bool
        var state: String
        var enabled: [Bool?]
        var parked: [Bool]
        var testDescription: String { name }
    }

    /// Those in which the engine would not go on waiting.
    static let cases: [Case] = {
        let json = table("switch_cases.json")
        return (json.array ?? []).filter { $0["gate_only"]?.bool != true }.map { one in
            Case(
                name: one["name"]?.string ?? "",
                entries: one["entries"]?.int ?? 1,
                steps: (one["steps"]?.array ?? []).compactMap(\.string),
                looks: one["decide"]?.int ?? 1,
                heals: one["heal"]?.bool ?? false,
                state: one["state"]?.string ?? "",
                enabled: (one["enabled"]?.array ?? []).map(\.bool),
                parked: (one["parked"]?.array ?? []).map { $0.bool ?? false }
            )
        }
    }()

    private static func table(_ name: String) -> JSON {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let data = FileManager.default.contents(atPath: root.path + "/shadow/tests/gate/" + name) ?? Data()
        return (try? JSON(parsing: data)) ?? .null
    }

    @Test func theTableIsThere() { #expect(Self.cases.count > 10) }

    @Test(arguments: SwitchCaseTests.cases) func theEngineDecidesAsTheTableSays(_ one: Case) async throws {
        try await withRedis { server in
            let bench = try SwitchBench(server, names: (1...one.entries).map { "e\($0)" })
            try bench.fill(secondsAgo: 600)
            try server.cli("SET", "redbeat::lock", "beat-one", "PX", "25000")
            for step in one.steps { try await make(step, bench) }
            let engine = try bench.engine()
            for _ in 0..<one.looks {
                if one.heals {
                    _ = try await engine.heal()
                } else {
                    do {
                        _ = try await CutoverOperation(engine: engine, group: bench.group()).run()
                    } catch is Refusal {}
                }
            }
            let status = try await engine.redbeat.status()
            await engine.redbeat.disconnect()
            #expect(Set(status.entries.map { $0.record?.state.rawValue ?? "" }) == [one.state])
            #expect(status.entries.map { RedBeatBytes.isParked($0.meta) } == one.parked)
            let enabled = status.entries.map { entry in
                entry.definition.flatMap { try? JSON(parsing: $0) }?["enabled"]?.bool
            }
            #expect(enabled == one.enabled)
        }
    }

    private func make(_ step: String, _ bench: SwitchBench) async throws {
        let words = step.split(separator: " ").map(String.init)
        let server = bench.server
        func name() -> String { "e\(words[1])" }
        switch words[0] {
        case "no-lock": try server.cli("DEL", "redbeat::lock")
        case "pass-fence": try server.cli("PEXPIRE", "redbeat::lock", "60000")
        case "wait": try await Task.sleep(for: .milliseconds(30))
        case "own": _ = try await bench.cutOver()
        case "close":
            let group = try bench.group()
            let redbeat = RedBeatSwitch(url: try RedisURL(server.url), keys: group.keys)
            let status = try await redbeat.status()
            let order = CloseOrder(
                pipeline: group.pipeline,
                by: "a dead operation",
                fence: Fence(watchesLock: true, longestTick: 20_000, grace: 0),
                hasEntryClock: true,
                slack: group.slack,
                isProven: !words.contains("unproven"),
                entries: try zip(group.entries, status.entries).map { entry, found in
                    CloseOrder.Entry(
                        definition: entry.definition,
                        closedDefinition: entry.closedDefinition,
                        meta: found.meta,
                        lastRun: try RedBeatBytes.lastRun(found.meta, zones: bench.zones)?.instant
                    )
                }
            )
            guard case .closed = try await redbeat.close(order) else { throw SwitchError("closing", "not closed", "") }
            await redbeat.disconnect()
        case "fire": try bench.fire(name(), at: SwitchBench.now())
        case "enable": try server.cli("HSET", "redbeat:\(name())", "definition", SwitchBench.definition(name()))
        case "redefine", "recreate":
            let isOpen = words.last != "closed"
            let text = SwitchBench.definition(name()).replacing(
                "\"options\": {}",
                with: "\"options\": {\"priority\": 3}"
            )
            .replacing("\"enabled\": true", with: "\"enabled\": \(isOpen)")
            try server.cli("HSET", "redbeat:\(name())", "definition", text)
            if words[0] == "recreate" {
                let meta = try RedBeatBytes.withLastRun(nil, RedBeatTime(instant: SwitchBench.now(), zone: .utc))
                try server.cli("HSET", "redbeat:\(name())", "meta", String(decoding: meta, as: UTF8.self))
            }
        case "lose": try server.cli("DEL", "bailey:switch:{redbeat:\(name())}")
        case "delete":
            try server.cli("DEL", "redbeat:\(name())")
            try server.cli("ZREM", "redbeat::schedule", "redbeat:\(name())")
        default: throw SwitchError(step, "an unknown step", "")
        }
    }

    @Test func whatTheApplicationSavedIsOpenedAsInTheGate() throws {
        let rows = Self.table("redbeat_bytes.json")["opened"]?.array ?? []
        #expect(rows.count >= 8)
        for row in rows {
            func bytes(_ name: String) -> [UInt8] { Array((row[name]?.string ?? "").utf8) }
            let opened = try RedBeatBytes.opened(bytes("written"), planned: bytes("planned"))
            #expect(String(decoding: opened, as: UTF8.self) == row["opened"]?.string)
        }
    }
}
