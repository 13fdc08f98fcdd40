import LosslessJSON
import Schedules
import TestSupport
import Testing

@Suite("Equivalence of schedules") struct EquivalenceTests {
    let zones = ZoneDatabase()
    let start = Instant(seconds: 1_795_392_000)  // 2026-11-23T00:00:00Z

    private func target(_ crontab: String, _ zone: String) throws -> AirflowTimetable {
        Equivalence.target(for: .crontab(try Crontab(cronOrder: crontab)), in: try zones.zone(zone), from: start).0
    }

    @Test func stockTimetableWhereItIsProvedEqual() throws {
        for (crontab, zone, expected) in [
            ("0 2 * * *", "UTC", "0 2 * * *"), ("30 * * * *", "UTC", "30 * * * *"),
            ("0 9 * * mon-fri", "Europe/Berlin", "0 9 * * 1-5"),
            ("30 2 31 * *", "UTC", "30 2 31 * *"), ("0 22-2 * * *", "UTC", "0 0,1,2,22,23 * * *"),
            ("*/61 * * * *", "UTC", "0 * * * *"),
        ] {
            guard case .cron(let cron, _) = try target(crontab, zone) else {
                Issue.record("\(crontab) in \(zone) should be a stock timetable")
                continue
            }
            #expect(cron.text == expected)
        }
    }

    @Test func ownTimetableWhereAStockOneDiffers() throws {
        for (crontab, zone) in [
            ("0 9 1-7 * mon", "UTC"), ("30 2 25-31 * sun", "UTC"), ("30 2 * * *", "Europe/Berlin"),
            ("*/20 * * * *", "America/New_York"),
        ] {
            guard case .exact = try target(crontab, zone) else {
                Issue.record("\(crontab) in \(zone) cannot be a stock timetable")
                continue
            }
        }
    }

    @Test func severalStockTimetablesWhereThatIsProvedEqual() throws {
        // Monday hourly never meets the repeated Sunday hour, but one `*` strays over it.
        guard case .multipleCron(let crons, _) = try target("0 * * * mon", "America/New_York") else {
            Issue.record("two halves of the day are equal")
            return
        }
        #expect(crons.map(\.text) == ["0 0-11 * * 1", "0 12-23 * * 1"])
    }

    @Test func differencesAtTheRepeatedHourHaveTheirReason() throws {
        let zone = try zones.zone("Europe/Berlin")
        let schedule = Schedule.crontab(try Crontab(cronOrder: "30 2 * * *"))
        let cron = AirflowTimetable.cron(try CronExpression("30 2 * * *", dialect: .croniter), zone: zone)
        guard case .different(let found) = Equivalence.compare(schedule, in: zone, with: cron, from: start, limit: 1)
        else {
            Issue.record("they differ each autumn")
            return
        }
        #expect(
            found.first?.reason
                == "2027-10-31 02:30 Europe/Berlin: legacy at 00:30 UTC, the first 02:30; Airflow at 01:30 UTC, the second 02:30"
        )
    }

    @Test func differingDaysAreFound() throws {
        let schedule = Schedule.crontab(try Crontab(cronOrder: "0 9 1-7 * mon"))
        let cron = AirflowTimetable.cron(try CronExpression("0 9 1-7 * 1", dialect: .croniter), zone: .utc)
        guard case .different(let found) = Equivalence.compare(schedule, in: .utc, with: cron, from: start, limit: 3)
        else {
            Issue.record("AND is not OR")
            return
        }
        #expect(
            found.map { $0.airflow?.iso8601 } == [
                "2026-11-23T09:00:00Z", "2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z",
            ]
        )
        #expect(found.allSatisfy { $0.legacy == nil })
    }

    /// The proof must agree with a comparison of every tick.
    @Test func proofsAgreeWithEnumeration() throws {
        var random = SplitMix(state: 20_261_124)
        let names = [
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Antarctica/Troll",
        ]
        for _ in 0..<150 {
            let zone = try zones.zone(names[random.below(names.count)])
            func field(_ low: Int, _ high: Int, _ star: Int) -> String {
                random.below(10) < star ? "*" : "\(random.below(high - low + 1) + low)"
            }
            let text = "\(field(0, 59, 1)) \(field(0, 5, 4)) \(field(1, 28, 6)) \(field(1, 12, 9)) \(field(0, 6, 6))"
            let schedule = Schedule.crontab(try Crontab(cronOrder: text))
            let cron = AirflowTimetable.cron(try CronExpression(text, dialect: .croniter), zone: zone)
            var legacy = schedule.ticks(after: start, in: zone)
            var airflow = cron.ticks(after: start)
            var firstDifference: Instant?
            for _ in 0..<60_000 {
                let (a, b) = (legacy.next(), airflow.next())
                if a != b {
                    firstDifference = [a, b].compactMap { $0 }.min()
                    break
                }
                if a == nil { break }
            }
            switch Equivalence.compare(schedule, in: zone, with: cron, from: start, limit: 1) {
            case .equal: #expect(firstDifference == nil, "\(text) \(zone.name)")
            case .different(let found):
                if let firstDifference { #expect(found.first?.at == firstDifference, "\(text) \(zone.name)") }
            case .undecided: Issue.record("\(text) \(zone.name) must be decided")
            }
        }
    }

    /// The first local day differs only before the start: the search must go on.
    @Test func aDayThatDiffersBeforeTheStartOnly() throws {
        let nine = Schedule.crontab(try Crontab(cronOrder: "0 9 * * *"))
        let ten = AirflowTimetable.cron(try CronExpression("0 10 * * *", dialect: .croniter), zone: .utc)
        let noon = try #require(Instant(iso8601: "2026-11-23T12:00:00Z"))
        guard case .different(let found) = Equivalence.compare(nine, in: .utc, with: ten, from: noon, limit: 1) else {
            Issue.record("9 is not 10")
            return
        }
        #expect(found.map(\.at.iso8601) == ["2026-11-24T09:00:00Z"])
    }

    /// Every difference that is told, and none that is not, over six years of ticks of both sides.
    @Test func differencesAreThoseOfBruteForce() throws {
        var random = SplitMix(state: 20_261_125)
        let names = [
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll",
            "America/Havana", "Pacific/Chatham",
        ]
        let end = start.adding(seconds: 6 * 365 * 86_400)
        var kinds: Set<String> = []
        for _ in 0..<250 {
            let zone = try zones.zone(names[random.below(names.count)])
            func field(_ low: Int, _ high: Int, _ star: Int) -> String {
                if random.below(10) < star { return "*" }
                let (a, b) = (random.below(high - low + 1) + low, random.below(high - low + 1) + low)
                return random.below(3) == 0 ? "\(min(a, b))-\(max(a, b))" : "\(a)"
            }
            let minute = "\(random.below(4) * 15)"
            let fields = [minute, field(0, 4, 3), field(1, 28, 6), field(1, 12, 9), field(0, 6, 6)]
            var others = fields
            // Half of the pairs are written alike; of the others one field is not.
            if random.below(2) == 0 { others[random.below(2) * 2 + 1] = field(1, 4, 3) }
            let (one, other) = (fields.joined(separator: " "), others.joined(separator: " "))
            let schedule = Schedule.crontab(try Crontab(cronOrder: one))
            let timetable: AirflowTimetable
            switch random.below(3) {
            case 0: timetable = .exact(.crontab(try Crontab(cronOrder: other)), zone: zone)
            case 1: timetable = .cron(try CronExpression(other, dialect: .croniter), zone: zone)
            default:
                let night = try CronExpression("30 1 * * *", dialect: .croniter)
                timetable = .multipleCron([try CronExpression(other, dialect: .croniter), night], zone: zone)
            }
            let legacy = Set(schedule.ticks(after: start, in: zone).prefix { $0 < end })
            let airflow = Set(timetable.ticks(after: start).prefix { $0 < end })
            let limit = 40
            let found: [TickDifference]
            if case .exact(let second, _) = timetable {
                let equivalence = Equivalence.compare(
                    schedule,
                    in: zone,
                    with: second,
                    in: zone,
                    from: start,
                    limit: limit
                )
                found = differences(equivalence)
            } else {
                found = differences(Equivalence.compare(schedule, in: zone, with: timetable, from: start, limit: limit))
            }
            // A pair may straddle the end of what was told.
            let told = found.count == limit ? (found.last?.at ?? end) : end
            func before(_ instants: some Sequence<Instant>) -> [Instant] {
                instants.filter { $0 < told && $0 < end }.sorted()
            }
            let what = "\(one) against \(timetable.shortText) in \(zone.name)"
            #expect(before(found.compactMap(\.legacy)) == before(legacy.subtracting(airflow)), "\(what)")
            #expect(before(found.compactMap(\.airflow)) == before(airflow.subtracting(legacy)), "\(what)")
            kinds.insert(found.isEmpty ? "equal" : legacy == airflow ? "later" : "different")
        }
        #expect(kinds.isSuperset(of: ["equal", "different"]))
    }

    private func differences(_ equivalence: Equivalence) -> [TickDifference] {
        switch equivalence {
        case .equal: return []
        case .different(let found): return found
        case .undecided:
            Issue.record("a pair of crontabs is always decided")
            return []
        }
    }
}
