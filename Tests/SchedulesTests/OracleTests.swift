import Foundation
import LosslessJSON
import Schedules
import Testing

/// Every line that Celery 5.7 and dateutil computed (see Fixtures) must be reproduced.
@Suite("Oracles computed by Celery") struct OracleTests {
    let zones = ZoneDatabase()

    @Test func crontabTicks() throws {
        for line in try fixture("crontab") { try expectTicks(line) }
    }

    /// Random crontabs that Celery computes afresh in this run; `BAILEY_CELERY_PYTHON` is an interpreter that has Celery, and
    /// `BAILEY_SEED` repeats a run.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"] != nil, "needs Celery"))
    func crontabTicksComputedAfresh() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["BAILEY_SEED"] ?? String(UInt32.random(in: 0...UInt32.max))
        print("celery_ticks.py, seed \(seed)")
        let generator = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Generators/celery_ticks.py")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(environment["BAILEY_CELERY_PYTHON"]))
        process.arguments = [generator.path, seed, "3000"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let lines = pipe.fileHandleForReading.readDataToEndOfFile().split(separator: UInt8(ascii: "\n"))
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(lines.count == 3000)
        for line in lines { try expectTicks(try JSON(parsing: line)) }
    }

    private func expectTicks(_ line: JSON) throws {
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

    @Test func crontabFields() throws {
        for line in try fixture("cronspec") {
            let field = try #require(line["field"]?.string.flatMap(CrontabField.init(rawValue:)))
            let spec = try #require(line["spec"])
            if let expected = line["set"]?.array?.compactMap(\.int) {
                #expect(
                    try Crontab.values(of: spec, field: field).sorted() == expected.sorted(),
                    "\(field) \(spec.text())"
                )
            } else {
                #expect(throws: ScheduleError.self, "\(field) \(spec.text())") {
                    try Crontab.values(of: spec, field: field)
                }
            }
        }
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

enum Unexpected: Error { case schedule(Schedule) }

/// The lines of a fixture.
func fixture(_ name: String) throws -> [JSON] {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "jsonl", subdirectory: "Fixtures"))
    return try Data(contentsOf: url).split(separator: 10).map { try JSON(parsing: $0) }
}
