import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Legacy

/// SplitMix64.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Everything that reads what others wrote, driven with extreme values put into real fixtures. `BAILEY_READER_INPUTS` sets how many
/// inputs, `BAILEY_SEED` the seed, which is printed.
@Suite("No foreign value hurts a reader", .timeLimit(.minutes(60))) struct ReadersPropertyTests {
    private let zones = ZoneDatabase()

    /// Values that once hurt, or that lie at the end of a type; a find is added here.
    private static let extremes = [
        "1e-9223372036854775808", "1e9223372036854775808", "9223372036854775807", "-9223372036854775808",
        "9223372036854775809", "99999999999999999999999999", "1e308", "-1e308", "1e400", "NaN", "Infinity", "-Infinity",
        "0", "-0", "-1", "60", "294276", "2147483648", "-0.0", "1e-320", "0.1e1", "253402300800", "-62135596801",
        "null", "true",
        "false", "\"\"", "\"9223372036854775808\"", "[]", "{}", "[[[]]]", "\"\\ud800\"", "\"\\u0000\"", "\"+99:99\"",
        "\"*/9223372036854775809\"", "\"9223372036854775809\"", "\"1-9223372036854775809\"", "\"١٢\"",
        "\"../../etc/passwd\"",
        "{\"__type__\":\"weekday\",\"wkday\":4,\"n\":-9223372036854775808}",
        "{\"__type__\":\"weekday\",\"wkday\":4,\"n\":9223372036854775807}",
        "{\"__type__\":\"datetime\",\"year\":9999,\"month\":12,\"day\":31,\"hour\":23,\"timezone\":-86399}",
        "{\"__type__\":\"interval\",\"every\":31557599999,\"relative\":true}",
        "\"294276-12-31T23:59:59Z\"", "\"9999-12-31T23:59:59-23:59\"", "\"0000-01-01T00:00:00+23:59\"",
    ].map { Array($0.utf8) }

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

    /// A text with values replaced, bytes changed, parts repeated or cut.
    private func mutated(_ text: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = text
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0 where !bytes.isEmpty:
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            case 1 where !bytes.isEmpty: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            default: replaceValue(&bytes, &random)
            }
        }
        return bytes
    }

    /// Puts an extreme value where a value stands after a colon.
    private func replaceValue(_ bytes: inout [UInt8], _ random: inout Seeded) {
        let colons = bytes.indices.filter { bytes[$0] == UInt8(ascii: ":") }
        guard let colon = colons.randomElement(using: &random) else { return }
        var end = colon + 1
        var depth = 0
        while end < bytes.count {
            let byte = bytes[end]
            if depth == 0, byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { break }
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
            if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
            end += 1
        }
        let value = Self.extremes.randomElement(using: &random) ?? []
        bytes.replaceSubrange(colon + 1..<end, with: value)
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

    @Test func everyInputIsAccountedForInTime() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["BAILEY_READER_INPUTS"].flatMap { Int($0) } ?? 20_000
        let seed = environment["BAILEY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        print("readers: \(count) inputs, BAILEY_SEED=\(seed)")
        var random = Seeded(state: seed)
        let texts = try corpus()
        let entry = LegacyEntry(id: EntryID(source: "s", name: "a"), kind: .redbeat, task: "lab.add", args: [2, 3])
        let results = CeleryResultRecord(entries: [entry], zones: zones)
        let definition = Array(#"{"name":"a","task":"t","schedule":{"__type__":"crontab"}}"#.utf8)
        var accounted = 0
        var slowest = Duration.zero
        let clock = ContinuousClock()
        for _ in 0..<count {
            let input = mutated(texts.randomElement(using: &random) ?? [], &random)
            let key = Array("redbeat:a".utf8)
            let took = clock.measure {
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
                if good { accounted += 1 }
            }
            slowest = max(slowest, took)
            if took > .seconds(1) { Issue.record("\(took): \(String(decoding: input, as: UTF8.self))") }
        }
        #expect(accounted == count)
        print("readers: \(accounted) accounted for, the slowest took \(slowest)")
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
