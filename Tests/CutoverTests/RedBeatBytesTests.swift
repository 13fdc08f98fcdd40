import Foundation
import Legacy
import LosslessJSON
import Schedules
import TestSupport
import Testing

@Suite("Bytes of RedBeat entries, spliced") struct RedBeatBytesTests {
    private let zones = ZoneDatabase()

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test(arguments: [
        (#"{"name": "é", "enabled": true, "args": [1]}"#, #"{"name": "é", "enabled": false, "args": [1]}"#),
        (#"{"enabled":true}"#, #"{"enabled":false}"#),
        (#"{"enabled": 1}"#, #"{"enabled": false}"#),
        // A string is true to beat, whatever it says.
        (#"{"enabled": "false", "x": 1.50}"#, #"{"enabled": false, "x": 1.50}"#),
        (#"{"kwargs": {"enabled": true}, "enabled": true}"#, #"{"kwargs": {"enabled": true}, "enabled": false}"#),
        (#"{"kwargs": {"enabled": true}}"#, #"{"kwargs": {"enabled": true}, "enabled": false}"#),
        // Of duplicate keys Python takes the last.
        (#"{"enabled": false, "enabled": true}"#, #"{"enabled": false, "enabled": false}"#),
        (#"{ "name" : "}" }"#, #"{ "name" : "}" , "enabled": false}"#),
        (#"{"en\u0061bled": true}"#, #"{"en\u0061bled": false}"#),
    ]) func closedChangesOneValue(_ before: String, _ after: String) throws {
        #expect(String(decoding: try RedBeatBytes.closed(bytes(before)), as: UTF8.self) == after)
    }

    @Test(arguments: ["", "[]", "null", "{", "\u{FEFF}{}"]) func whatIsNoObjectIsRefused(_ text: String) {
        #expect(throws: RedBeatBytesError.self) { try RedBeatBytes.closed(bytes(text)) }
    }

    /// The table that the runtime in Airflow is tested by too.
    @Test func theGatesTableIsReadAlike() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../shadow/tests/gate/redbeat_bytes.json")
        let table = try JSON(parsing: String(contentsOf: file, encoding: .utf8))
        func cases(_ name: String) throws -> [JSON] { try #require(table[name]?.array) }
        func stored(_ json: JSON?) -> [UInt8]? { json?.string.map(bytes) }
        for one in try cases("last_run") {
            let read = try RedBeatBytes.lastRun(stored(one["meta"]), zones: zones)?.instant.microseconds
            #expect(read == one["us"]?.int.map { Int64($0) }, "\(one)")
        }
        for one in try cases("unreadable") {
            #expect(throws: RedBeatBytesError.self, "\(one)") { try RedBeatBytes.lastRun(stored(one), zones: zones) }
        }
        for one in try cases("with_last_run") {
            let instant = Instant(microseconds: Int64(try #require(one["us"]?.int)))
            let zone = try zones.zone(#require(one["zone"]?.string))
            let made = try RedBeatBytes.withLastRun(stored(one["meta"]), RedBeatTime(instant: instant, zone: zone))
            #expect(String(decoding: made, as: UTF8.self) == one["result"]?.string)
        }
        for one in try cases("closed") {
            let made = try RedBeatBytes.closed(#require(stored(one["definition"])))
            #expect(String(decoding: made, as: UTF8.self) == one["closed"]?.string)
        }
        for one in try cases("parked") {
            #expect(
                String(decoding: try RedBeatBytes.parked(stored(one["meta"])), as: UTF8.self) == one["parked"]?.string
            )
        }
        for one in try cases("opened") {
            let made = try RedBeatBytes.opened(
                #require(stored(one["written"])),
                planned: #require(stored(one["planned"]))
            )
            #expect(String(decoding: made, as: UTF8.self) == one["opened"]?.string)
        }
        for one in try cases("of_a_fire") {
            #expect(RedBeatBytes.isOfAFire(stored(one["meta"])) == one["fired"]?.bool, "\(one)")
        }
    }

    private static let newYork =
        #"{"last_run_at": {"__type__": "datetime", "year": 2026, "month": 11, "day": 23, "hour": 2, "minute": 54, "second": 14, "microsecond": 305759, "timezone": "America/New_York"}, "total_run_count": 7}"#

    @Test func lastRunIsReadInItsZone() throws {
        func read(_ text: String?) throws -> Int64? {
            try RedBeatBytes.lastRun(text.map(bytes), zones: zones)?.instant.microseconds
        }
        #expect(try read(Self.newYork) == 1_795_420_454_305_759)
        #expect(try read(nil) == nil)
        #expect(try read("") == nil)
        #expect(try read(#"{"last_run_at": null}"#) == nil)
        let fields = #""__type__": "datetime", "year": 2026, "month": 11, "day": 23, "hour": 2"#
        #expect(try read("{\"last_run_at\": {\(fields)}}") == 1_795_399_200_000_000)
        #expect(try read("{\"last_run_at\": {\(fields), \"timezone\": -18000.0}}") == 1_795_417_200_000_000)
        #expect(throws: RedBeatBytesError.self) { try read("{\"last_run_at\": {\(fields), \"timezone\": \"+01:00\"}}") }
        #expect(throws: RedBeatBytesError.self) { try read(#"{"last_run_at": 5}"#) }
    }

    @Test func onlyAFireCounts() {
        #expect(RedBeatBytes.isOfAFire(bytes(Self.newYork)))
        #expect(!RedBeatBytes.isOfAFire(bytes(#"{"last_run_at": null}"#)))
        #expect(!RedBeatBytes.isOfAFire(nil))
    }

    /// RedBeat's own decoder reads every spliced text, and finds in it what was to be there and nothing else changed.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"] != nil, "needs RedBeat"))
    func redBeatReadsWhatWasSpliced() throws {
        let instants: [Int64] = [
            0, 1_795_420_454_305_759, 1_793_511_000_000_001, 1_793_514_600_000_000, 1_772_954_999_999_999,
            RedBeatBytes.parking.microseconds,
        ]
        let metas: [String?] = [
            nil, "", #"{"last_run_at": null}"#, Self.newYork,
            #"{"total_run_count": 3, "last_run_at":{"__type__":"datetime","year":2026,"month":1,"day":2} }"#,
        ]
        var cases: [JSON] = []
        for name in ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            for instant in instants {
                for meta in metas {
                    let time = RedBeatTime(instant: Instant(microseconds: instant), zone: try zones.zone(name))
                    let result = try RedBeatBytes.withLastRun(meta.map(bytes), time)
                    #expect(try RedBeatBytes.lastRun(result, zones: zones)?.instant.microseconds == instant)
                    cases.append([
                        "meta": .string(String(decoding: result, as: UTF8.self)),
                        "instant": .number(JSONNumber(Int(instant))),
                        "count": .bool(meta?.contains("total_run_count") == true),
                    ])
                }
            }
        }
        let program = """
            import json, sys
            from datetime import datetime, timedelta, timezone
            from redbeat.schedulers import RedBeatSchedulerEntry
            epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
            for case in json.load(sys.stdin):
                meta = RedBeatSchedulerEntry.decode_meta(case["meta"])
                assert set(meta) <= {"last_run_at", "total_run_count"}, meta
                assert ("total_run_count" in meta) == case["count"], case
                found = (meta["last_run_at"].astimezone(timezone.utc) - epoch) // timedelta(microseconds=1)
                assert found == case["instant"], (case, found)
            print("all read")
            """
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-\(UUID().uuidString).json")
        try Data(JSON.array(cases).text().utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let python = try #require(ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"])
        let ended = try run(python, "-c", program, input: file)
        #expect(ended.output == "all read\n", "\(ended.errors)")
    }
}
