import LosslessJSON
import Schedules
import TestSupport
import Testing

@Suite("Legacy's ticks beside a DAG's over a span") struct BacktestTests {
    let zones = ZoneDatabase()
    let from = Instant(seconds: 1_795_392_000)  // 2026-11-23T00:00:00Z

    /// What the batches gave is what tick by tick gives: numbers of both sides, and the first ticks that only one has.
    @Test(arguments: [
        ("*/1 * * * *", "UTC", "*/1 * * * *"), ("0 2 * * *", "Europe/Berlin", "0 2 * * *"),
        ("30 2 * * *", "Europe/Berlin", "30 2 * * *"), ("15 * * * *", "America/New_York", "15 * * * *"),
        ("*/20 1-3 * * *", "Australia/Lord_Howe", "*/20 1-3 * * *"), ("0 2 * * *", "UTC", "0 3 * * *"),
        ("0 2 * * *", "UTC", "0 2 * * 1-5"), ("0 0 29 2 *", "UTC", "0 0 29 2 *"), ("0 0 1 1 *", "UTC", "0 0 2 1 *"),
    ])
    func batchesSayWhatTickByTickSays(_ legacy: String, _ zone: String, _ cron: String) throws {
        let zone = try zones.zone(zone)
        let schedule = Schedule.crontab(try Crontab(cronOrder: legacy))
        let timetable = AirflowTimetable.cron(try CronExpression(cron, dialect: .croniter), zone: zone)
        // A span that ends on a tick, one between, and one before any.
        for until in [
            from.adding(seconds: 400 * 86_400), from.adding(seconds: 86_400 * 30 + 7321), from.adding(seconds: 1),
        ] {
            let found = Backtest.readings(of: schedule, in: zone, timetable: timetable, from: from, until: until)
            for (reading, backtest) in [(Reading.intended, found.intended), (.run, found.run)] {
                let ours = Array(schedule.ticks(after: from, in: zone, as: reading).prefix { $0 < until })
                let theirs = Array(timetable.ticks(after: from).prefix { $0 < until })
                #expect(backtest.legacyTicks == ours.count && backtest.airflowTicks == theirs.count)
                #expect(backtest.differences.isEmpty == (ours == theirs))
                let first = zip(ours, theirs).first { $0 != $1 }.map { min($0, $1) }
                if let first { #expect(backtest.differences.first?.at == first) }
            }
        }
    }
}
