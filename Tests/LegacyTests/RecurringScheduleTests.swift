import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Legacy

/// Rows of queues that recur: what is told of their times is what the programs themselves say (Generators/recurring_ticks.py), or nothing.
@Suite("Recurring rows of queues") struct RecurringScheduleTests {
    private let zones = ZoneDatabase()

    private func times(_ dialect: QueueRecurring.Dialect, _ row: [String: String], _ zone: String?) throws
        -> RecurringSchedule.Times
    {
        try RecurringSchedule(dialect: dialect, row: row, zone: zone, zones: zones).read()
    }

    @Test(arguments: [
        (QueueRecurring.Dialect.croniter, 210), (.fugit, 110), (.djangoQ, 48),
    ]) func timesAreExactOrNotTold(_ dialect: QueueRecurring.Dialect, _ least: Int) throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/recurring.jsonl")
        var told = 0
        for line in try Data(contentsOf: url).split(separator: 10) {
            let json = try JSON(parsing: Array(line))
            guard json["dialect"]?.string == dialect.rawValue else { continue }
            let row = (json["row"]?.object?.members ?? []).reduce(into: [String: String]()) {
                $0[$1.key] = $1.value.string
            }
            let zone = try #require(json["zone"]?.string)
            guard let fires = json["fires"]?.array?.compactMap(\.int), !fires.isEmpty else {
                #expect(throws: RecurringSchedule.Unknown.self, "\(row)") { try times(dialect, row, zone) }
                continue
            }
            guard let found = try? times(dialect, row, zone) else { continue }
            told += 1
            var start = Instant(seconds: Int64(try #require(json["start"]?.int)))
            if let begins = found.begins { start = begins.adding(seconds: -1) }
            let clock = try zones.zone(found.zone ?? zone)
            let expected = fires.filter { $0 < Instant.latest.seconds }
            let ticks = found.schedule.ticks(after: found.last ?? start, in: clock).prefix(expected.count)
            #expect(ticks.map { Int($0.seconds) } == expected, "\(dialect) \(row) in \(zone)")
            #expect(try Schedule(stored: found.schedule.storedJSON) == found.schedule)
        }
        #expect(told >= least, "\(told)")
    }

    @Test(arguments: [
        (QueueRecurring.Dialect.cronParser, ["schedule": "30 2 * * *", "zone": "Europe/Berlin"], "clock changes"),
        (.cronParser, ["schedule": "0 30 2 * * *"], "every cron reads alike"),
        (.cronParser, ["schedule": "0 0 L * *"], "every cron reads alike"),
        (.cronParser, ["schedule": "0 0 * * 5-0"], "every cron reads alike"),
        (.cronParser, ["schedule": "0 0 * * 1", "zone": "Mars/Olympus"], "clock changes"),
        (.fugit, ["schedule": "every monday at noon"], "none of the forms"),
        (.fugit, ["schedule": "every day at 9pm"], "none of the forms"),
        (.fugit, ["schedule": "0 2 * * * Europe/Berlin"], "whose clock changes"),
        (.djangoQ, ["schedule": "M", "next": "2026-12-31T02:30:00Z"], "drifts"),
        (.djangoQ, ["schedule": "O", "next": "2026-12-31T02:30:00Z"], "runs once, at 2026-12-31T02:30:00Z"),
        (.djangoQ, ["schedule": "D"], "no next run"), (.djangoQ, ["schedule": "X"], "does not have"),
        (.djangoQ, ["schedule": "C", "cron": "0 0 * * mon#2"], "more than what was tried"),
        (.code, ["name": "x"], "stands in the application's code"),
    ]) func whatWasNotTriedIsNotTold(_ dialect: QueueRecurring.Dialect, _ row: [String: String], _ words: String) {
        let error = #expect(throws: RecurringSchedule.Unknown.self) { try times(dialect, row, nil) }
        #expect(error?.reason.contains(words) == true, "\(error?.reason ?? "")")
    }

    @Test func djangosSchedulesInAZoneWhoseClockChangesAreNotTold() throws {
        #expect(throws: RecurringSchedule.Unknown.self) {
            try times(.djangoQ, ["schedule": "D", "next": "2026-12-01T02:30:00Z"], "Europe/Berlin")
        }
        // Minutes and hours are counted along elapsed time everywhere.
        #expect(
            try times(.djangoQ, ["schedule": "H", "next": "2026-12-01T02:30:00Z"], "Europe/Berlin").last?.iso8601
                == "2026-12-01T01:30:00Z"
        )
        #expect(
            try times(.cronParser, ["schedule": "30 2 1-7 * mon", "zone": "Asia/Kolkata"], nil).zone == "Asia/Kolkata"
        )
    }
}
