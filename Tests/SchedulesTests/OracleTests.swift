import Foundation
import LosslessJSON
import Schedules
import TestSupport
import Testing

/// Every line that Celery 5.7 and dateutil computed (see Fixtures) must be reproduced.
@Suite("Oracles computed by Celery") struct OracleTests {
    let zones = ZoneDatabase()

    @Test func crontabTicks() throws {
        for line in try fixture("crontab") {
            let zone = try zones.zone(try #require(line["tz"]?.string))
            var fields: [CrontabField: JSON] = [:]
            for field in CrontabField.allCases { fields[field] = line[field.rawValue] }
            let crontab = try Crontab(fields)
            let expected = try #require(line["fires"]?.array).compactMap(\.int)
            let start = Instant(seconds: Int64(try #require(line["start"]?.int)))
            let found = Schedule.crontab(crontab).ticks(after: start, in: zone).prefix(expected.count).map {
                Int($0.seconds)
            }
            #expect(found == expected, "\(crontab.cronOrder) \(zone.name) after \(start.seconds)")
        }
    }

    @Test func crontabFields() throws {
        for line in try fixture("cronspec") { try expectField(line) }
    }

    @Test func intervalsDue() throws {
        for line in try fixture("interval") {
            let zone = try zones.zone(try #require(line["tz"]?.string))
            let schedule = try Schedule(redbeat: try #require(line["schedule"]))
            let last = Instant(microseconds: Int64(try #require(line["last_run_at"]?.int)))
            guard case .interval(let interval) = schedule else { throw Unexpected.schedule(schedule) }
            #expect(
                interval.due(after: last, in: zone).microseconds == Int64(try #require(line["due"]?.int)),
                "\(line.text())"
            )
        }
    }

    @Test func recurrenceTicks() throws {
        for line in try fixture("rrule") {
            let zone = try zones.zone(try #require(line["tz"]?.string))
            let schedule = try Schedule(redbeat: try #require(line["schedule"]))
            let expected = try #require(line["next"]?.array).compactMap(\.int)
            let exhausted = line["exhausted"]?.bool ?? false
            let from = Instant(seconds: Int64(try #require(line["from"]?.int)))
            let found = schedule.ticks(after: from, in: zone).prefix(expected.count + (exhausted ? 1 : 0)).map {
                Int($0.seconds)
            }
            #expect(found == expected, "\(line["schedule"]?.text() ?? "")")
        }
    }
}

/// Random schedules that Celery, RedBeat and dateutil compute afresh in this run; `BAILEY_CELERY_PYTHON` is an interpreter that has
/// them, and `BAILEY_SEED` repeats a run.
@Suite(
    "Oracles computed by Celery in this run",
    .enabled(if: ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"] != nil, "needs Celery")
)
struct FreshOracleTests {
    let zones = ZoneDatabase()

    @Test(arguments: ["crontab", "interval"]) func ticks(kind: String) throws {
        for row in try rows(of: kind, count: 3000) { try expectAnswer(row) }
    }

    /// dateutil itself is slow, hence fewer.
    @Test func recurrenceTicks() throws {
        let rows = try rows(of: "rrule", count: 500)
        for row in rows { try expectAnswer(row) }
        #expect(rows.contains { $0["error"] != nil } && rows.contains { $0["complete"]?.bool == true })
    }

    /// dateutil counts the weeks of a year that began within one in a way of its own.
    @Test func weeksAtTheEndsOfYears() throws {
        for row in try rows(of: "weeks", count: 500) { try expectAnswer(row) }
    }

    /// Rules with a count, which must be counted from their start, asked thousands of steps after it.
    @Test func countedRecurrenceTicks() throws {
        for row in try rows(of: "counted", count: 60) { try expectAnswer(row) }
    }

    @Test func crontabFields() throws {
        for row in try rows(of: "field", count: 3000) { try expectField(row) }
    }

    private func rows(of kind: String, count: Int) throws -> [JSON] {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["BAILEY_SEED"] ?? String(UInt32.random(in: 0...UInt32.max))
        print("celery_oracles.py \(kind) \(seed) \(count)")
        let generator = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Generators/celery_oracles.py")
        let python = try #require(environment["BAILEY_CELERY_PYTHON"])
        let ended = try run(python, generator.path, kind, seed, "\(count)")
        #expect(ended.status == 0, "\(ended.errors)")
        let rows = try ended.output.utf8.split(separator: UInt8(ascii: "\n")).map { try JSON(parsing: $0) }
        #expect(rows.count == count)
        return rows
    }

    private func expectAnswer(_ row: JSON) throws {
        let question = try #require(row["question"])
        guard row["error"] == nil else {
            #expect(throws: ScheduleError.self, "\(question.text())") { try TickQuery(question, zones: zones) }
            return
        }
        let expected = try #require(row["ticks"]?.array).compactMap(\.int).map { Instant(microseconds: Int64($0)) }
        let complete = row["complete"]?.bool == true
        var found: [Instant] = []
        let end = try TickQuery(question, zones: zones).batches { found += $0 }
        #expect(Array(found.prefix(complete ? .max : expected.count)) == expected, "\(question.text())")
        if complete { #expect(end == "exhausted", "\(question.text())") }
    }
}

/// A line with a field of a crontab, and the set of its values or Celery's error.
func expectField(_ line: JSON) throws {
    let field = try #require(line["field"]?.string.flatMap(CrontabField.init(rawValue:)))
    let spec = try #require(line["spec"])
    if let expected = line["set"]?.array?.compactMap(\.int) {
        #expect(try Crontab.values(of: spec, field: field).sorted() == expected.sorted(), "\(field) \(spec.text())")
    } else {
        #expect(throws: ScheduleError.self, "\(field) \(spec.text())") { try Crontab.values(of: spec, field: field) }
    }
}

enum Unexpected: Error { case schedule(Schedule) }

/// The lines of a fixture.
func fixture(_ name: String) throws -> [JSON] {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "jsonl", subdirectory: "Fixtures"))
    return try Data(contentsOf: url).split(separator: 10).map { try JSON(parsing: $0) }
}
