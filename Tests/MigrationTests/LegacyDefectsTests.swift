import Migration
import Schedules
import Testing

@Suite("Defects of legacy, told from its recorded runs") struct LegacyDefectsTests {
    private let hour = Instant(seconds: 1_795_392_000)  // 2026-11-23T00:00:00Z

    private func defects(_ crontab: String, _ minutes: [Double]) throws -> LegacyDefects? {
        LegacyDefects(
            schedule: .crontab(try Crontab(cronOrder: crontab)),
            in: try ZoneDatabase().zone("UTC"),
            ended: minutes.map { hour.adding(microseconds: Int64($0 * 60_000_000)) }
        )
    }

    @Test func punctualRunsHaveNone() throws {
        let found = try #require(try defects("0 * * * *", [0.1, 60.2, 120.1, 180.3]))
        #expect(found.ticks == 4 && found.runs == 4 && found.defects.isEmpty)
    }

    @Test func aTickWithoutARunWasMissed() throws {
        let found = try #require(try defects("0 * * * *", [180.3, 0.1, 120.1]))
        #expect(found.defects == [.missed(tick: hour.adding(seconds: 3600))])
    }

    @Test func twoRunsForOneTickAreADuplicate() throws {
        let found = try #require(try defects("0 * * * *", [0.1, 0.2, 60.1]))
        #expect(found.defects == [.duplicate(tick: hour, runs: 2)])
    }

    @Test func lateIsWhatIsLaterThanUsual() throws {
        // The usual run takes ten minutes; the one of 02:00 ended thirty minutes after its tick.
        let found = try #require(try defects("0 * * * *", [10, 70, 150, 190, 250]))
        #expect(found.defects == [.late(tick: hour.adding(seconds: 7200), seconds: 1200)])
    }

    @Test func nothingIsToldOfNoRunsOrOfIntervals() throws {
        #expect(try defects("0 * * * *", []) == nil)
        let interval = Schedule.interval(try Interval(seconds: 60))
        #expect(LegacyDefects(schedule: interval, in: try ZoneDatabase().zone("UTC"), ended: [hour]) == nil)
    }
}
