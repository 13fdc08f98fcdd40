import Foundation
import LosslessJSON
import Schedules
import Testing

/// What other programs make of cron expressions: robfig/cron, pg_cron and Debian's cron, as they answered (see Generators).
@Suite("Dialects of cron") struct CronDialectTests {
    let zones = ZoneDatabase()

    @Test func everythingThatKubernetesSchedulesIsDueWhenItSays() throws {
        var (ticks, refused) = (0, 0)
        for line in try fixture("robfig") {
            let text = try #require(line["cron"]?.string)
            // A zone in the text is for whoever reads manifests.
            if text.contains("TZ=") { continue }
            let zone = try zones.zone(try #require(line["tz"]?.string))
            // It ignores what follows the star, which nobody means.
            if text == "*-5 * * * *" {
                #expect(throws: ScheduleError.self) { try Schedule(kubernetes: text) }
                continue
            }
            guard let fires = line["fires"]?.array?.compactMap(\.int), !fires.isEmpty else {
                refused += 1
                #expect(throws: ScheduleError.self, "“\(text)”") { try Schedule(kubernetes: text) }
                continue
            }
            let schedule = try Schedule(kubernetes: text)
            let start = Instant(seconds: Int64(try #require(line["start"]?.int)))
            let expected = fires.filter { $0 < Instant.latest.seconds }
            let found = schedule.ticks(after: start, in: zone).prefix(expected.count).map { Int($0.seconds) }
            #expect(found == expected, "“\(text)” \(zone.name) after \(start.iso8601)")
            ticks += expected.count
            #expect(try Schedule(stored: schedule.storedJSON) == schedule)
            guard let sets = line["sets"] else { continue }
            let said = schedule.timetableJSON
            for (name, all) in [("minutes", 60), ("hours", 24), ("days", 31), ("months", 12), ("weekdays", 7)] {
                let values = sets[name]?.array?.compactMap(\.int) ?? []
                #expect((said[name]?.array?.compactMap(\.int) ?? values) == values, "“\(text)” \(name)")
                #expect(said[name] != nil || values.count == all, "“\(text)” \(name)")
            }
            #expect((said["either_day"]?.bool ?? false) == sets["either_day"]?.bool, "“\(text)”")
        }
        #expect(ticks > 20_000 && refused > 20)
    }

    /// As pg_cron 1.4.2 took or refused them, one by one, in `cron.schedule`.
    @Test(arguments: [
        "0,15,30 * * * *", "0 0 * jan mon", "0 0 * Jan MON", "0 0 1-31/2 * *", "0 0 * * 7", "*,5 * * * *",
        "5-5 * * * *", "0 0 * * 6-7",
        "\t0\t0  * * *", "0 0 * * * *", "0 0 * * * garbage", "1-10/3 * * * *", "00 02 * * *", " 0 0 * * *",
        "0 0 * 1-feb *", "007 * * * *",
        "0 0 * * mon-fri/2", "*/5,7 * * * *", "0 0 29 2 *", "0 0 30 2 mon", "@hourly", "@midnight", "@yearly",
        "@annually", "@weekly",
        "@monthly", "*/61 * * * *", "0 0 * * 0-7/7",
    ]) func pgCronTakes(_ text: String) throws {
        let schedule = try Schedule(pgCron: text, version: (1, 4))
        #expect(try Schedule(stored: schedule.storedJSON) == schedule)
    }

    @Test(arguments: [
        "5/15 * * * *", "* * ? * *", "*/0 * * * *", "@HOURLY", "@every 5m", "10 seconds", "0 0 $ * *", "0 0 L * *",
        "0, * * * *", ",0 * * * *",
        "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * * monday", "+5 * * * *", "0 0 * *", "0 0 1,L * *",
        "* /5 * * * *", "5x * * * *",
        "0 0 * * 8", "0 0 31 2 *",
        // These it takes, and means by them what nobody would: nothing, or all that a “*” means.
        "5-1 * * * *", "0 0 * * sat-sun", "0 0 * * 5-0", "*5 * * * *", "*-5 * * * *", "1-5-7 * * * *", "@reboot",
    ]) func pgCronDoesNotTakeOrMean(_ text: String) {
        #expect(throws: ScheduleError.self) { try Schedule(pgCron: text, version: (1, 4)) }
        if !text.contains("$") { #expect(throws: ScheduleError.self) { try CronExpression(text, dialect: .vixie) } }
    }

    @Test func laterVersionsOfPgCronKnowSecondsAndLastDays() throws {
        #expect(try Schedule(pgCron: "10 seconds", version: (1, 5)) == .interval(Interval(seconds: 10)))
        #expect(throws: ScheduleError.self) { try Schedule(pgCron: "60 seconds", version: (1, 6)) }
        #expect(throws: ScheduleError.self) { try Schedule(pgCron: "0 0 $ * *", version: (1, 5)) }
        let last = try Schedule(pgCron: "0 0 $ * *", version: (1, 6))
        let start = try #require(Instant(iso8601: "2027-02-01T00:00:00Z"))
        #expect(
            last.ticks(after: start, in: .utc).prefix(3).map(\.iso8601) == [
                "2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z", "2027-04-30T00:00:00Z",
            ]
        )
        #expect(try Schedule(stored: last.storedJSON) == last)
    }

    /// Debian's cron 3.0pl1-162 itself, on a clock that was sped up through a change (Generators/debian_cron.py).
    @Test func debiansCronIsDueWhenItRan() throws {
        var compared = 0
        for line in try fixture("debian-cron") {
            let zone = try zones.zone(try #require(line["tz"]?.string))
            let schedule = Schedule.cron(
                try CronExpression(try #require(line["cron"]?.string), dialect: .vixie)
            )
            let expected = try #require(line["fires"]?.array).compactMap(\.int)
            let from = Instant(seconds: Int64(try #require(line["from"]?.int)))
            let until = Instant(seconds: Int64(try #require(line["until"]?.int)))
            let found = schedule.ticks(after: from, in: zone).prefix { $0 < until }.map { Int($0.seconds) }
            #expect(found == expected, "\(line.text())")
            let (said, meant) = (schedule.timetableJSON, try #require(line["calendar"]))
            for (name, all) in [("minutes", 60), ("hours", 24)] {
                let values = try #require(meant[name]?.array)
                #expect(said[name]?.array ?? (values.count == all ? values : []) == values, "\(line.text())")
            }
            #expect(said["clock"] == meant["clock"], "\(line.text())")
            compared += expected.count
        }
        #expect(compared > 50)
    }

    @Test func aTimetableOfAirflowIsProvedOrRefuted() throws {
        let start = try #require(Instant(iso8601: "2026-11-30T00:00:00Z"))
        func target(_ text: String, _ dialect: CronExpression.Dialect, _ zone: String) throws -> AirflowTimetable {
            let schedule = Schedule.cron(try CronExpression(text, dialect: dialect))
            return Equivalence.target(for: schedule, in: try zones.zone(zone), from: start).0
        }
        // Where no clock changes a cron is a cron; Vixie's AND of a day that begins with a star is none of Airflow's.
        for dialect in CronExpression.Dialect.allCases {
            guard case .cron = try target("30 2 1 * mon", dialect, "UTC") else {
                Issue.record("\(dialect) in UTC is stock")
                continue
            }
        }
        guard case .exact = try target("0 0 */2 * mon", .vixie, "UTC") else {
            Issue.record("no stock timetable ANDs days")
            return
        }
        guard case .cron = try target("0 0 */2 * mon", .robfig, "UTC") else {
            Issue.record("robfig ORs a star with a step")
            return
        }
        // Kubernetes leaves out 02:30 of the night that has none.
        guard case .exact = try target("30 2 * * *", .robfig, "Europe/Berlin") else {
            Issue.record("no stock timetable leaves out a skipped time")
            return
        }
        let zone = try zones.zone("Europe/Berlin")
        let stock = AirflowTimetable.cron(try CronExpression("30 2 * * *", dialect: .croniter), zone: zone)
        let schedule = try Schedule(kubernetes: "30 2 * * *")
        guard
            case .different(let found) = Equivalence.compare(schedule, in: zone, with: stock, from: start, limit: 2)
        else {
            Issue.record("they differ")
            return
        }
        #expect(found.first?.at.iso8601 == "2027-03-28T01:30:00Z")
        #expect(found.first?.legacy == nil)
    }
}
