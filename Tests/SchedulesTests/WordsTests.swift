import LosslessJSON
import Schedules
import TestSupport
import Testing

/// A sentence is true if a reader who knows it alone finds the ticks of the schedule.
@Suite("Words") struct WordsTests {
    @Test func sentencesOfCrontabsAreTrue() throws {
        var random = SplitMix(state: 20_261_126)
        for _ in 0..<80 {
            let fields = [
                random.field(0, 59, star: 2), random.field(0, 23, star: 4), random.field(1, 28, star: 5),
                random.field(1, 12, star: 7), random.field(0, 6, star: 5),
            ]
            try expectTrue(.crontab(try Crontab(cronOrder: fields.joined(separator: " "))), &random) {
                try Sentence(ofCron: $0.replacing(", UTC", with: ""))
            }
        }
    }

    @Test func sentencesOfCronExpressionsAreTrue() throws {
        var random = SplitMix(state: 20_261_127)
        for number in 0..<60 {
            var fields = [
                random.field(0, 59, star: 2), random.field(0, 23, star: 4), random.field(1, 28, star: 3),
                random.field(1, 12, star: 7), random.field(0, 6, star: 3),
            ]
            if random.below(5) == 0 { fields[2] += ",L" }
            if number % 10 == 0 { fields.append(random.field(0, 59, star: 0)) }
            let dialect: CronExpression.Dialect = random.below(2) == 0 && fields.count == 5 ? .pgCron : .croniter
            // Each has its own sign for a month's last day.
            if dialect == .pgCron { fields[2] = fields[2].replacing("L", with: "$") }
            let text = fields.joined(separator: " ")
            try expectTrue(.cron(try CronExpression(text, dialect: dialect)), &random) {
                try Sentence(ofCron: $0.replacing(", UTC", with: ""))
            }
        }
    }

    @Test func sentencesOfRulesAreTrue() throws {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        var random = SplitMix(state: 20_261_128)
        for _ in 0..<80 {
            let frequency = random.below(6)
            var rule: [(String, JSON)] = [
                ("__type__", "rrule"), ("freq", number(frequency)), ("dtstart", number(random.below(400_000_000))),
            ]
            func some(_ part: String, _ share: Int, _ values: [Int]) {
                guard random.below(10) < share else { return }
                rule.append(
                    (part, .array((0...random.below(3)).map { _ in number(values[random.below(values.count)]) }))
                )
            }
            some("bymonth", 3, Array(1...12))
            some("bymonthday", 3, Array(-31 ... -1) + Array(1...31))
            some("byyearday", 1, Array(-366 ... -1) + Array(1...366))
            some("byhour", 4, Array(0...23))
            some("byminute", 4, Array(0...59))
            some("bysecond", 4, Array(0...59))
            if random.below(10) < 4 {
                let counted = random.below(2) == 0
                let days = (0...random.below(2)).map { _ in
                    let n: JSON = counted ? number([-5, -2, -1, 1, 2, 3, 4, 5][random.below(8)]) : .null
                    return JSON.object(["__type__": "weekday", "wkday": number(random.below(7)), "n": n])
                }
                rule.append(("byweekday", .array(days)))
            }
            let stored = JSON.object(JSONObject(rule))
            guard let schedule = try? Schedule(redbeat: stored) else { continue }
            try expectTrue(schedule, &random) { try Sentence(ofRule: $0) }
        }
    }

    /// The days of a year and more, and all times of one of those on which it is due.
    private func expectTrue(_ schedule: Schedule, _ random: inout SplitMix, read: (String) throws -> Sentence) throws {
        let words = schedule.words(in: .utc)
        let sentence = try read(words)
        let first = 5000 + random.below(36_000)
        var timesRead = false
        // The first tick not before the day; looked for again only once the days have come to it.
        var upcoming: Instant? = .earliest
        for day in first..<(first + 500) {
            let midnight = Instant(seconds: Int64(day) * 86_400)
            let before = midnight.adding(microseconds: -1)
            let next = midnight.adding(seconds: 86_400)
            if let tick = upcoming, tick < midnight { upcoming = schedule.next(after: before, in: .utc) }
            let isDue = upcoming.map { $0 < next } ?? false
            let date = CivilDate(epochDay: day)
            guard sentence.onDay(date, date.weekday) == isDue else {
                Issue.record("“\(words)” is not true of \(date)")
                return
            }
            if isDue, !timesRead {
                timesRead = true
                var due: Set<Int64> = []
                for tick in schedule.ticks(after: before, in: .utc) {
                    if tick >= next { break }
                    due.insert(tick.seconds - midnight.seconds)
                }
                var said: Set<Int64> = []
                for minute in 0..<1440 {
                    for second in Set(due.map { Int($0 % 60) }).union([0, 29, 59])
                    where sentence.atTime(minute / 60, minute % 60, second) {
                        said.insert(Int64(minute * 60 + second))
                    }
                }
                #expect(due == said, "“\(words)” on \(date)")
            }
        }
    }

    @Test func runsOfCrontabsPerYearAreThoseThatHappen() throws {
        var random = SplitMix(state: 20_261_129)
        let start = Instant(seconds: 1_795_392_000)
        for _ in 0..<20 {
            let fields = [
                "\(random.below(60))", random.field(0, 23, star: 0), random.field(1, 28, star: 5),
                random.field(1, 12, star: 7), random.field(0, 6, star: 5),
            ]
            let schedule = Schedule.crontab(try Crontab(cronOrder: fields.joined(separator: " ")))
            // Twenty-eight years of 365.25 days are whole days.
            let end = start.adding(seconds: 28 * 31_557_600)
            var days: [Int64: Int] = [:]
            for tick in schedule.ticks(after: start.adding(microseconds: -1), in: .utc).prefix(while: { $0 < end }) {
                days[tick.seconds / 86_400, default: 0] += 1
            }
            let frequency = schedule.frequency(in: .utc, from: start)
            let total = days.values.reduce(0, +)
            #expect(abs(frequency.perYear * 28 - Double(total)) < 0.001, "\(schedule.shortText)")
            #expect(days.values.allSatisfy { $0 == frequency.perActiveDay }, "\(schedule.shortText)")
        }
    }

    private static let perDay: [(stored: String, runs: Double)] = [
        (#"{"__type__":"interval","every":90,"relative":false}"#, 960.0),
        // Rounded down to the full minute, it is due every minute.
        (#"{"__type__":"interval","every":90,"relative":true}"#, 1440),
        (#"{"__type__":"interval","every":90000,"relative":true}"#, 1),
        (#"{"__type__":"rrule","freq":3,"interval":2,"dtstart":0}"#, 0.5),
        (#"{"__type__":"rrule","freq":0,"interval":4,"dtstart":0}"#, 1 / 1461.0),
        (#"{"__type__":"rrule","freq":6,"dtstart":0}"#, 86_400),
        // Ten more times, and no more.
        (#"{"__type__":"rrule","freq":3,"dtstart":1795392000,"count":11}"#, 10 / 365.25),
    ]

    @Test(arguments: perDay) func runsPerDay(stored: String, runs: Double) throws {
        let schedule = try Schedule(redbeat: try JSON(parsing: stored))
        let found = schedule.frequency(in: .utc, from: Instant(seconds: 1_795_392_000)).perDay
        #expect(abs(found - runs) < runs * 0.001)
    }

    @Test func frequenciesInWords() throws {
        func words(_ text: String) throws -> String {
            let crontab = Schedule.crontab(try Crontab(cronOrder: text))
            return crontab.frequency(in: .utc, from: Instant(seconds: 1_795_392_000)).words
        }
        #expect(try words("0 2 * * *") == "1 run a day, 7 a week, 365.25 a year")
        #expect(try words("*/5 * * * *") == "288 runs a day, 2016 a week, 105192 a year")
        #expect(try words("0 0 1 1 *") == "0.00274 runs a day, 0.01916 a week, 1 a year")
    }
}

extension SplitMix {
    /// A field of a crontab, `*` in so many of ten cases.
    fileprivate mutating func field(_ low: Int, _ high: Int, star: Int) -> String {
        if below(10) < star { return "*" }
        func value() -> Int { low + below(high - low + 1) }
        return (0...below(3)).map { _ in
            let (a, b) = (value(), value())
            return switch below(4) {
            case 0: "\(min(a, b))-\(max(a, b))"
            case 1: "*/\(1 + below(high))"
            default: "\(a)"
            }
        }.joined(separator: ",")
    }
}
