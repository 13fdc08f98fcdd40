import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Legacy

/// What beats and applications keep in Redis.
@Suite("No foreign value hurts a reader: RedBeat", .timeLimit(.minutes(60))) struct RedBeatReadersTests {
    private let zones = ZoneDatabase()

    /// A file of the fixtures of `LegacyTests`.
    private func fixture(_ name: String) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../LegacyTests/Fixtures/\(name)"
        )
    }

    /// Stored values of real applications: what stands after HSET in the fixtures, and the cases that beats were shown.
    private func corpus() throws -> [[UInt8]] {
        var texts: [[UInt8]] = []
        for line in try String(contentsOf: fixture("beat/cases.jsonl"), encoding: .utf8).split(separator: "\n") {
            let json = try JSON(parsing: String(line))
            for field in ["definition", "meta"] {
                if let text = json[field]?.string { texts.append(Array(text.utf8)) }
            }
        }
        for name in ["06_results_noext.redis", "07_results_ext.redis", "01_all_entry_types.redis"] {
            let text = try String(contentsOf: fixture(name), encoding: .utf8)
            for line in text.split(separator: "\n") {
                for part in line.split(separator: "\"{").dropFirst() {
                    texts.append(Array("{\(part)".replacing("\\\"", with: "\"").utf8))
                }
            }
        }
        return texts
    }

    /// Uses everything that was read, as the import, the plan and the reports do; counts what became of it.
    private func use(_ record: RedBeatRecord) -> Bool {
        switch record {
        case .unread(let unread): return !unread.reason.isEmpty && !unread.detail.isEmpty
        case .entry(let entry):
            guard let schedule = entry.schedule else { return false }
            let zone = Zone.utc
            let start = entry.lastRun ?? .earliest
            _ = schedule.words(in: zone)
            _ = schedule.shortText
            _ = schedule.redbeatJSON
            if case .interval(let interval) = schedule { _ = interval.due(after: start, in: zone).iso8601 }
            let isCounted: Bool = if case .rrule = schedule { true } else { false }
            if !isCounted { _ = Array(schedule.ticks(after: max(start, .earliest), in: zone).prefix(2)) }
            _ = entry.args.text(.canonical)
            _ = entry.json.text()
            _ = entry.lastRun?.iso8601
            return true
        }
    }

    @Test func entriesMetasAndResults() throws {
        let entry = LegacyEntry(id: EntryID(source: "s", name: "a"), kind: .redbeat, task: "lab.add", args: [2, 3])
        let results = CeleryResultRecord(entries: [entry], zones: zones)
        let definition = Array(#"{"name":"a","task":"t","schedule":{"__type__":"crontab"}}"#.utf8)
        let key = Array("redbeat:a".utf8)
        try Drive(name: "RedBeat", corpus: try corpus(), share: 5).run { input in
            var good = true
            for (definition, meta) in [(input, nil), (definition, input)] as [([UInt8], [UInt8]?)] {
                let stored = RedBeatRecord.Stored(
                    key: key,
                    definition: definition,
                    meta: meta,
                    score: 1,
                    isStatic: false
                )
                good = use(RedBeatRecord.read(stored, source: "s", prefix: "redbeat:", zones: zones)) && good
            }
            _ = try? RedBeatBytes.lastRun(input, zones: zones)
            _ = try? RedBeatBytes.parked(input)
            if case .outcome(let outcome) = results.read(input, started: .latest) {
                _ = outcome.result?.text(.canonical)
                _ = outcome.end?.iso8601
            }
            if let json = try? JSON(parsing: input) {
                _ = json.text(.canonical)
                _ = try? Inventory(json: json)
            }
            return good
        }
    }

    @Test func instantsAndNumbersEndAtTheirEnds() {
        let ends: [Int64] = [.min, .max, 0, -1, 9_224_318_016_000]
        for a in ends {
            for b in ends {
                let one = Instant(seconds: a)
                _ = one.adding(seconds: b).adding(microseconds: a).iso8601
                #expect(one.seconds(since: Instant(microseconds: b)).isFinite)
            }
        }
        #expect(Instant(timestamp: 9.3e18) == nil && Instant(timestamp: .nan) == nil)
        #expect(Instant(timestamp: 1.5) == Instant(microseconds: 1_500_000))
        #expect(JSONNumber(lexeme: "1e-9223372036854775808")?.canonical == "1e-9223372036854775808")
        #expect(throws: ScheduleError.self) { try CrontabField.minute.values(of: "9223372036854775809") }
    }
}
