import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import TestSupport
import Testing

/// What the reader says of odd entries, against what a running beat did with them; the generators beside `Fixtures` made both files.
@Suite("Odd entries, as a running beat takes them", .timeLimit(.minutes(3))) struct BeatOutcomesTests {
    /// When the beats ran: whatever is due later never fired.
    private let ran = Instant(seconds: 1_795_816_800)

    private struct Case {
        var id: String
        var what: String
        var key: String
        var score: JSON
        var fields: [String: [UInt8]]
        var type: String?
    }

    private func lines(_ name: String) throws -> [JSON] {
        let text = try String(contentsOf: fixture("beat/\(name).jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
    }

    private func cases() throws -> [Case] {
        try lines("cases").map { json in
            var fields: [String: [UInt8]] = [:]
            for field in ["definition", "meta"] {
                if let text = json[field]?.string { fields[field] = Array(text.utf8) }
                if let text = json["\(field)_base64"]?.string, let data = Data(base64Encoded: text) {
                    fields[field] = Array(data)
                }
            }
            for member in json["extra"]?.object?.members ?? [] {
                fields[member.key] = Array((member.value.string ?? "").utf8)
            }
            return Case(
                id: json["id"]?.string ?? "",
                what: json["what"]?.string ?? "",
                key: json["key"]?.string ?? "",
                score: json["score"] ?? .null,
                fields: fields,
                type: json["type"]?.string
            )
        }
    }

    private func write(_ odd: Case, to redis: RedisConnection) async throws {
        let key = Array("redbeat:\(odd.key)".utf8)
        let x = Array("x".utf8)
        switch odd.type {
        case "string"?: _ = try await redis.send(RedisCommand("SET", raw: [key, x]))
        case "list"?: _ = try await redis.send(RedisCommand("RPUSH", raw: [key, x]))
        case "set"?: _ = try await redis.send(RedisCommand("SADD", raw: [key, x]))
        case "zset"?: _ = try await redis.send(RedisCommand("ZADD", raw: [key, Array("1".utf8), x]))
        default:
            for (field, bytes) in odd.fields {
                _ = try await redis.send(RedisCommand("HSET", raw: [key, Array(field.utf8), bytes]))
            }
        }
        guard !odd.score.isNull else { return }
        let score = odd.score.string ?? odd.score.text()
        _ = try await redis.send(RedisCommand("ZADD", "redbeat::schedule", score, raw: [key]))
    }

    /// What the reading amounts to, in the fixture's words; what beat was seen to do with the same must be among them.
    private func words(_ reading: SourceReading, _ odd: Case) throws -> (expected: Set<String>, detail: String) {
        if let record = reading.unread.first {
            let words: Set<String> =
                switch record.fate {
                case .stops: ["exits", "silences", "hangs"]
                case .dropped: ["dropped"]
                case .fires: ["fires"]
                case .floods: ["floods"]
                case .unsent: ["unsent"]
                case .never: ["never"]
                case .unknown: []
                }
            return (words, "\(record.reason) \(record.fate): \(record.detail)")
        }
        let entry = try #require(reading.entries.first)
        let schedule = try #require(entry.schedule)
        if !entry.enabled || entry.notes.contains(where: { $0.code == .neverFires }) { return (["never"], "an entry") }
        var due: Instant? = entry.lastRun == nil ? ran : nil
        if let last = entry.lastRun {
            due =
                if case .interval(let interval) = schedule { interval.due(after: last, in: .utc) } else {
                    schedule.next(after: last, in: .utc)
                }
        }
        // Beat does not look at it before its score has come.
        let isLooked = (odd.score.double ?? 0) <= Double(ran.seconds)
        return (
            isLooked && due.map { $0 <= ran } == true ? ["fires"] : ["never"], "an entry due \(due?.iso8601 ?? "never")"
        )
    }

    @Test func everyCaseIsJudgedAsBeatDid() async throws {
        let cases = try cases()
        #expect(cases.count >= 400)
        var outcomes: [String: [String: String]] = [:]
        for version in ["2.2.0", "2.3.2", "2.4.2"] {
            for line in try lines("redbeat-\(version)") {
                outcomes[line["id"]?.string ?? "", default: [:]][version] = line["outcome"]?.string
            }
        }
        try await withRedis { server in
            let redis = try await RedisConnection.connect(to: RedisURL(server.url))
            for odd in cases {
                _ = try await redis.send("FLUSHDB")
                try await write(odd, to: redis)
                let reading = try await RedBeatSource(name: "s", url: RedisURL(server.url)).read(zones: ZoneDatabase())
                #expect(reading.entries.count + reading.unread.count == 1, "\(odd.id) \(odd.what)")
                let seen = try #require(outcomes[odd.id])
                #expect(seen.count == 3)
                let (expected, detail) = try words(reading, odd)
                let newest = try #require(seen["2.4.2"])
                #expect(expected.contains(newest), "\(odd.id) \(odd.what): beat \(newest); \(detail)")
                // Where an older beat does otherwise, the record says that versions differ.
                let isTold =
                    detail.contains("RedBeat 2.3") || detail.contains("RedBeat 2.2")
                    || reading.entries.contains { $0.notes.contains { $0.code == .differsByVersion } }
                for (version, outcome) in seen where !expected.contains(outcome) && version != "2.4.2" {
                    #expect(isTold, "\(odd.id) \(odd.what): RedBeat \(version) \(outcome); \(detail)")
                }
            }
            await redis.close()
        }
    }
}
