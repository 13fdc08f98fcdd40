import LosslessJSON
import Schedules
import Testing

/// The ticks of Airflow's own classes (Generators/airflow_ticks.py, run in each version) must be reproduced.
@Suite("Airflow's timetables") struct AirflowTimetableTests {
    @Test(arguments: ["airflow-3.3", "airflow-2.11"]) func ticksOfTheRealClasses(name: String) throws {
        let zones = ZoneDatabase()
        for line in try fixture(name) {
            guard let expected = line["ticks"]?.array?.compactMap(\.int) else { continue }
            let zone = try zones.zone(try #require(line["tz"]?.string))
            let start = Instant(seconds: Int64(try #require(line["start"]?.int)))
            let timetable: AirflowTimetable
            var after = start.adding(microseconds: -1)
            if let text = line["cron"]?.string {
                timetable = .cron(try CronExpression(text, dialect: .croniter), zone: zone)
            } else if let texts = line["crons"]?.array?.compactMap(\.string) {
                let crons = try texts.map { text throws(ScheduleError) in try CronExpression(text, dialect: .croniter) }
                timetable = .multipleCron(crons, zone: zone)
            } else {
                let delta = Int64(try #require(line["delta"]?.int))
                timetable = .delta(delta * 1_000_000)
                after = start.adding(seconds: -delta)
            }
            let found = timetable.ticks(after: after).prefix(expected.count).map { Int($0.seconds) }
            #expect(found == expected, "\(timetable.shortText) from \(start.iso8601)")
        }
    }
}
