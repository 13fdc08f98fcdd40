import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import TestSupport
import Testing

/// A file of `Fixtures`.
func fixture(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
}

@Suite("RedBeat, read from a real Redis", .timeLimit(.minutes(2))) struct RedBeatSourceTests {
    private let zones = ZoneDatabase()

    private func read(_ server: RedisServer, prefix: String = "redbeat:", timezone: String? = nil) async throws
        -> SourceReading
    {
        let source = RedBeatSource(name: "s", url: try RedisURL(server.url), prefix: prefix, timezone: timezone)
        return try await source.read(zones: zones)
    }

    /// The keys that RedBeat would look at, told by redis-cli: hashes under the prefix, and members of the schedule.
    private func keys(_ server: RedisServer) throws -> Set<String> {
        let names =
            try server.cli("--no-raw", "KEYS", "redbeat:*")
            + server.cli("--no-raw", "ZRANGE", "redbeat::schedule", "0", "-1")
        let quoted = names.split(separator: "\n").compactMap { line in line.firstIndex(of: "\"").map { line[$0...] } }
        let housekeeping = ["schedule", "statics", "lock"].map { "\"redbeat::\($0)\"" }
        return Set(quoted.map { String($0) }).subtracting(housekeeping)
    }

    /// Every raw record of every entry is what Redis gives now, byte for byte.
    private func expectRawBytes(_ reading: SourceReading, _ server: RedisServer) async throws {
        let redis = try await RedisConnection.connect(to: RedisURL(server.url))
        for entry in reading.entries {
            #expect(entry.raw.contains { $0.field == "definition" }, "\(entry.id)")
            for record in entry.raw {
                let field = try #require(record.field)
                let stored = try await redis.send(RedisCommand("HGET", raw: [record.key, Array(field.utf8)]))
                #expect(stored.bytes == record.bytes, "\(entry.id) \(field)")
            }
        }
        await redis.close()
    }

    @Test func everyKindOfEntryThatRedBeatWrites() async throws {
        try await withRedis { server in
            try server.load(fixture("01_all_entry_types.redis"))
            let reading = try await read(server)
            let keys = try keys(server)
            #expect(keys.count > 60)
            #expect(reading.summary.found == keys.count)
            #expect(reading.entries.count + reading.unread.count == keys.count)
            #expect(Set(reading.entries.map(\.id)).count == reading.entries.count)
            let unread = Dictionary(uniqueKeysWithValues: reading.unread.map { ($0.key, $0.reason) })
            #expect(
                unread == [
                    "redbeat:int-neg": "bad-schedule", "redbeat:int-zero": "bad-schedule", "redbeat:no-task": "no-task",
                ]
            )
            try await expectRawBytes(reading, server)
            func entry(_ name: String) throws -> LegacyEntry {
                let found = reading.entries.first { $0.id.name == name }
                return try #require(found, "\(name)")
            }
            for name in [
                "", "42", "name with spaces", "naïve-日本語-🚀", "ns:team:report", "quote\"back\\slash", "tab\tnl\n",
            ] {
                #expect(try entry(name).task == "lab.add")
            }
            #expect(try !entry("disabled").enabled)
            let args = try entry("opt-args").args
            #expect(args.text() == #"[1,"deux",null,3.5,true,{"a":[1]}]"#)
            #expect(try entry("opt-args").kwargs["é"]?.string == "日本")
            #expect(try entry("opt-args-none").args.isNull)
            #expect(try entry("opt-queue").options["queue"]?.string == "priority_q")
            func isKind(_ name: String, _ test: (Schedule) -> Bool) throws -> Bool {
                try entry(name).schedule.map(test) ?? false
            }
            #expect(try isKind("cron-simple") { if case .crontab = $0 { true } else { false } })
            #expect(try isKind("int-30s") { if case .interval = $0 { true } else { false } })
            #expect(try isKind("rrule-count") { if case .rrule = $0 { true } else { false } })
        }
    }

    @Test func staticsAreKnownAndTheirLastRunsTellTheZone() async throws {
        try await withRedis { server in
            try server.load(fixture("02_static_after_run.redis"))
            let reading = try await read(server)
            #expect(reading.unread.isEmpty)
            #expect(
                reading.entries.map(\.id.name) == ["static-10s", "static-cron", "static-daily", "static-hourly-rel"]
            )
            for entry in reading.entries {
                #expect(entry.isStatic == true)
                #expect(entry.notes.contains { $0.code == .staticEntry })
            }
            let first = try #require(reading.entries.first)
            #expect(first.lastRun == Instant(iso8601: "2026-11-23T07:48:31.707262Z"))
            #expect(first.timezone == "UTC")
            try await expectRawBytes(reading, server)
        }
    }

    @Test func zonesOldVersionsAndDefects() async throws {
        try await withRedis { server in
            try server.load(fixture("08_tz_legacy_malformed.redis"))
            let reading = try await read(server)
            #expect(try reading.summary.found == keys(server).count)
            #expect(reading.entries.count + reading.unread.count == reading.summary.found)
            let unread = Dictionary(uniqueKeysWithValues: reading.unread.map { ($0.key, $0.reason) })
            #expect(
                unread == [
                    "redbeat:bad-cron": "bad-schedule", "redbeat:bad-extra-field": "unknown-field",
                    "redbeat:bad-json": "malformed-json", "redbeat:bad-solar": "unknown-schedule",
                    "redbeat:dangling-member": "dangling",
                ]
            )
            for record in reading.unread where record.reason != "dangling" {
                #expect(record.stopsLegacy, "\(record.key)")
            }
            #expect(reading.entries.allSatisfy { $0.timezone == "America/New_York" })
            func last(_ name: String) -> Instant? { reading.entries.first { $0.id.name == name }?.lastRun }
            // A naive time is UTC, an offset counts east of Greenwich, a name is a zone.
            #expect(last("legacy-naive-utc") == Instant(iso8601: "2019-03-01T03:00:00.001234Z"))
            #expect(last("legacy-offset-tz") == Instant(iso8601: "2021-03-01T08:00:00.001234Z"))
            #expect(last("ny-daily") == Instant(iso8601: "2026-11-23T07:48:20.719764Z"))
            #expect(last("legacy-null-last-run") == nil)
            let orphan = reading.entries.first { $0.id.name == "orphan-not-in-schedule" }
            #expect(orphan?.notes.contains { $0.code == .neverFires } == true)
            try await expectRawBytes(reading, server)
            let set = try await read(server, timezone: "Europe/Moscow")
            #expect(set.entries.allSatisfy { $0.timezone == "Europe/Moscow" })
            #expect(set.summary.notes.contains { $0.code == .zoneDisagrees })
        }
    }

    @Test func everyReasonWhyAKeyIsNoEntry() async throws {
        let crontab =
            #"{"__type__":"crontab","minute":"0","hour":"3","day_of_week":"*","day_of_month":"*","month_of_year":"*"}"#
        func definition(_ name: String, schedule: String? = nil, more: String = "") -> String {
            #"{"name":"\#(name)","task":"t","args":[],"kwargs":{},"options":{},"schedule":\#(schedule ?? crontab),"enabled":true\#(more)}"#
        }
        let meta =
            #"{"last_run_at":{"__type__":"datetime","year":2026,"month":1,"day":1,"hour":0,"minute":0,"second":0,"microsecond":0,"timezone":"UTC"},"total_run_count":1}"#
        // Name, definition, meta, reason, whether beat stops.
        let table: [(String, [UInt8]?, [UInt8]?, String?, Bool)] = [
            ("good", Array(definition("good").utf8), Array(meta.utf8), nil, false),
            ("empty-meta", Array(definition("empty-meta").utf8), [], nil, false),
            ("no-definition", nil, Array(meta.utf8), "no-definition", false),
            ("cut", Array(definition("cut").utf8.dropLast(20)), nil, "malformed-json", true),
            ("list", Array("[1]".utf8), nil, "malformed-definition", true),
            ("bytes", Array(#"{"name":"bytes","task":""#.utf8) + [0xFF] + Array(#""}"#.utf8), nil, "not-utf8", true),
            ("more", Array(definition("more", more: #","owner":"me""#).utf8), nil, "unknown-field", true),
            ("taskless", Array(#"{"name":"taskless","schedule":60}"#.utf8), nil, "no-task", false),
            ("other", Array(definition("another").utf8), nil, "name-differs", false),
            (
                "celery.backend_cleanup", Array(definition("celery.backend_cleanup").utf8), nil, "celery-housekeeping",
                false
            ),
            (
                "never", Array(definition("never", schedule: #"{"__type__":"interval","every":-1}"#).utf8), nil,
                "bad-schedule", false
            ),
            (
                "wrong", Array(definition("wrong", schedule: crontab.replacing("\"3\"", with: "\"25\"")).utf8), nil,
                "bad-schedule", true
            ),
            ("moon", Array(definition("moon", schedule: #"{"__type__":"lunar"}"#).utf8), nil, "unknown-schedule", true),
            ("null", Array(definition("null", schedule: "null").utf8), nil, "unknown-schedule", true),
            ("meta-cut", Array(definition("meta-cut").utf8), Array(meta.utf8.dropLast(9)), "malformed-json", true),
            (
                "meta-bytes", Array(definition("meta-bytes").utf8), [0x7B, 0x22, 0xC0, 0xAF, 0x22, 0x7D], "not-utf8",
                true
            ),
            ("meta-bare", Array(definition("meta-bare").utf8), Array("{}".utf8), "malformed-meta", false),
            (
                "meta-odd", Array(definition("meta-odd").utf8), Array(#"{"last_run_at":"yesterday"}"#.utf8),
                "malformed-meta", true
            ),
            (
                "meta-zone", Array(definition("meta-zone").utf8), Array(meta.replacing("UTC", with: "Mars/Base").utf8),
                "unknown-zone", false
            ),
            (
                "meta-more", Array(definition("meta-more").utf8),
                Array(meta.replacing("}}", with: "}}").dropLast().utf8) + Array(#","x":1}"#.utf8), "unknown-field", true
            ),
        ]
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            for (name, definition, meta, _, _) in table {
                let key = Array("redbeat:\(name)".utf8)
                for (field, value) in [("definition", definition), ("meta", meta)] {
                    guard let value else { continue }
                    _ = try await redis.send(RedisCommand("HSET", raw: [key, Array(field.utf8), value]))
                }
                _ = try await redis.send(
                    RedisCommand("ZADD", raw: [Array("redbeat::schedule".utf8), Array("1".utf8), key])
                )
            }
            // Other types under the prefix, a member without a key, and one whose name is not UTF-8.
            _ = try await redis.send("SET", "redbeat:text", "x")
            _ = try await redis.send("RPUSH", "redbeat:line", "x")
            _ = try await redis.send("ZADD", "redbeat::schedule", "1", "redbeat:gone")
            let odd = Array("redbeat:".utf8) + [0xFF, 0xFE]
            _ = try await redis.send(
                RedisCommand("HSET", raw: [odd, Array("definition".utf8), Array(definition("odd").utf8)])
            )
            // What is not RedBeat's is not looked at.
            _ = try await redis.send("SET", "celery", "x")
            let reading = try await read(server)
            #expect(reading.summary.found == table.count + 4)
            #expect(reading.entries.count + reading.unread.count == reading.summary.found)
            #expect(reading.entries.map(\.id.name).sorted() == ["empty-meta", "good"])
            let unread = Dictionary(uniqueKeysWithValues: reading.unread.map { ($0.key, $0) })
            for (name, _, _, reason, stops) in table where reason != nil {
                let record = unread["redbeat:\(name)"]
                #expect(record?.reason == reason, "\(name): \(record?.detail ?? "not there")")
                #expect(record?.stopsLegacy == stops, "\(name)")
            }
            #expect(unread["redbeat:text"]?.reason == "not-a-hash")
            #expect(unread["redbeat:line"]?.reason == "not-a-hash")
            #expect(unread["redbeat:gone"]?.reason == "dangling")
            #expect(unread[#"redbeat:\xff\xfe"#]?.reason == "name-differs")
            await redis.close()
        }
    }

    @Test func aPrefixOfItsOwnMeansItselfAlone() async throws {
        try await withRedis { server in
            for prefix in ["a*b:", "axb:"] {
                for name in ["one", "two"] {
                    try server.cli(
                        "HSET",
                        "\(prefix)\(name)",
                        "definition",
                        #"{"name":"\#(name)","task":"t","schedule":{"__type__":"interval","every":60,"relative":false}}"#
                    )
                }
            }
            try server.cli("HSET", "a*b:lonely", "other", "x")
            let reading = try await read(server, prefix: "a*b:")
            #expect(reading.entries.map(\.id.name) == ["one", "two"])
            #expect(reading.unread.map(\.reason) == ["no-definition"])
            #expect(reading.summary.notes.contains { $0.code == .zoneUnknown })
        }
    }
}
