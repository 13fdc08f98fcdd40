import LosslessJSON
import Schedules
import TestSupport
import Testing

@Suite("Schedules") struct ScheduleTests {
    let zones = ZoneDatabase()

    @Test func words() throws {
        for (crontab, expected) in [
            ("30 2 25-31 * sun", "at 02:30 when the day is 25–31 and a Sunday, UTC"),
            ("* * * * *", "every minute of every hour, UTC"),
            ("30 * * * *", "at minute 30 of every hour, UTC"), ("*/15 * * * *", "every 15 minutes of every hour, UTC"),
            ("0 0 1 jan *", "at 00:00 when the day is 1 in January, UTC"),
            ("* 2 * * *", "every minute of the hour 2, UTC"),
            ("0 9 * * mon-fri", "at 09:00 when the day is a Monday, Tuesday, Wednesday, Thursday or Friday, UTC"),
        ] {
            let words = Schedule.crontab(try Crontab(cronOrder: crontab)).words(in: .utc)
            #expect(
                words.replacing("every minute of every hour", with: "every minute")
                    == expected.replacing("every minute of every hour", with: "every minute")
            )
        }
    }

    /// The last tick until an instant, and the one before a tick, are those that counting finds, over each change of the clock.
    @Test func theLastTickIsThatOfCounting() throws {
        var chance = SplitMix(state: 19)
        let minutes = ["0", "30", "*/20", "15,45", "59"]
        let hours = ["*", "2", "*/6", "0", "1-3", "23"]
        let days = ["*", "1", "*/2", "sun"]
        let names = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "UTC"]
        let begin = Instant(seconds: 1_767_225_600)  // 2026-01-01T00:00:00Z
        for _ in 0..<60 {
            let text =
                "\(minutes[chance.below(minutes.count)]) \(hours[chance.below(hours.count)]) * * \(chance.below(4) == 0 ? "sun" : "*")"
            let other =
                "\(minutes[chance.below(minutes.count)]) \(hours[chance.below(hours.count)]) \(days[chance.below(3)]) * *"
            let zone = try zones.zone(names[chance.below(names.count)])
            for crontab in [text, other] {
                let schedule = Schedule.crontab(try Crontab(cronOrder: crontab))
                let ticks = Array(
                    schedule.ticks(after: begin, in: zone).prefix { $0 < begin.adding(seconds: 366 * 86_400) }
                )
                for _ in 0..<20 {
                    let place = 1 + chance.below(ticks.count - 2)
                    // At the tick, a moment before it, and anywhere until the next.
                    let gap = Int(ticks[place + 1].seconds(since: ticks[place]))
                    let later = ticks[place].adding(seconds: Int64(chance.below(gap)))
                    let asked = "\(crontab) \(zone.name) \(ticks[place].iso8601)"
                    #expect(schedule.last(until: later, in: zone) == ticks[place], "\(asked)")
                    #expect(schedule.last(until: ticks[place], in: zone) == ticks[place], "\(asked)")
                    #expect(schedule.previous(before: ticks[place], in: zone) == ticks[place - 1], "\(asked)")
                }
            }
        }
    }

    /// A step beyond every field leaves its first value, however large it is.
    @Test(arguments: [61, 999, 1001, Int.max - 58, Int.max - 1, Int.max]) func aStepBeyondAFieldIsItsFirstValue(
        _ step: Int
    ) throws {
        let now = Instant(seconds: 1_795_392_000)
        for (stepped, plain) in [("*/\(step) * * * *", "0 * * * *"), ("7-40/\(step) 5-20/\(step) * * *", "7 5 * * *")] {
            for dialect in [CronExpression.Dialect.vixie, .croniter] {
                let ticks = Schedule.cron(try CronExpression(stepped, dialect: dialect)).ticks(after: now, in: .utc)
                let wanted = Schedule.cron(try CronExpression(plain, dialect: dialect)).ticks(after: now, in: .utc)
                #expect(Array(ticks.prefix(5)) == Array(wanted.prefix(5)), "\(stepped)")
            }
        }
    }

    @Test func runsPerYear() throws {
        let start = Instant(seconds: 1_795_392_000)
        let daily = Schedule.crontab(try Crontab(cronOrder: "0 2 * * *")).frequency(in: .utc, from: start)
        #expect(daily.perDay == 1)
        let starred = Schedule.crontab(try Crontab(cronOrder: "* 2 * * *")).frequency(in: .utc, from: start)
        #expect(starred.perActiveDay == 60)
    }

    @Test func vixieStarRule() throws {
        let start = Instant(seconds: 1_795_392_000)
        let starred = Schedule.cron(try CronExpression("0 0 */2 * mon", dialect: .vixie))
        let plain = Schedule.cron(try CronExpression("0 0 */2 * mon", dialect: .croniter))
        // pg_cron ANDs because the day begins with a star; croniter ORs.
        #expect(
            starred.ticks(after: start, in: .utc).prefix(2).map(\.iso8601) == [
                "2026-12-07T00:00:00Z", "2026-12-21T00:00:00Z",
            ]
        )
        #expect(plain.next(after: start, in: .utc)?.iso8601 == "2026-11-25T00:00:00Z")
        // Fields after the fifth are ignored by pg_cron; croniter takes the sixth for seconds.
        #expect(
            Schedule.cron(try CronExpression("0 0 * * * *", dialect: .vixie)).next(after: start, in: .utc)?.iso8601
                == "2026-11-24T00:00:00Z"
        )
        #expect(
            Schedule.cron(try CronExpression("0 0 * * * *", dialect: .croniter)).next(after: start, in: .utc)?.iso8601
                == "2026-11-23T00:00:01Z"
        )
    }

    @Test func whatBeatReallyDoesAtFallBack() throws {
        let zone = try zones.zone("America/New_York")
        func run(_ crontab: String, after: String, maxInterval: Int) throws -> [String] {
            let start = try #require(Instant(iso8601: after))
            let schedule = Schedule.crontab(try Crontab(cronOrder: crontab))
            return schedule.ticks(after: start, in: zone, as: .run, maxInterval: maxInterval).prefix(2).map {
                zone.local(at: $0).clock
            }
        }
        // Measured on RedBeat 2.4.2 with a virtual clock.
        #expect(try run("0 9 * * *", after: "2026-10-31T13:00:00Z", maxInterval: 300).first == "09:55:00")
        #expect(try run("15 0 * * *", after: "2026-11-01T04:15:00Z", maxInterval: 300).first == "01:10:00")
        #expect(try run("*/20 * * * *", after: "2026-11-01T05:40:00Z", maxInterval: 300) == ["02:55:00", "03:00:00"])
        // An entry that ran in the second pass of the repeated hour is overdue at each wake-up.
        #expect(try run("*/20 * * * *", after: "2026-11-01T06:30:00Z", maxInterval: 300) == ["01:35:00", "01:40:00"])
    }

    private func answer(_ line: String) throws -> String {
        var text: [UInt8] = []
        var answers = TickAnswer { text += $0 }
        try answers.answer(line: Array(line.utf8), zones: zones)
        #expect(text.last == UInt8(ascii: "\n"))
        return String(decoding: text.dropLast(), as: UTF8.self)
    }

    @Test func ticksQueries() throws {
        #expect(
            try answer(
                #"{"tz":"UTC","schedule":{"__type__":"crontab","minute":"30","hour":"2"},"from":1795392000,"count":2}"#
            )
                == #"{"ticks":[1795401000,1795487400],"end":null}"#
        )
        #expect(
            try answer(
                #"{"tz":"UTC","schedule":{"__type__":"interval","every":0.25,"relative":false},"from":1795392000.5,"count":2}"#
            )
                == #"{"ticks":[1795392000.75,1795392001],"end":null}"#
        )
        #expect(
            try answer(#"{"tz":"UTC","schedule":{"__type__":"crontab"},"from":0,"until":180}"#)
                == #"{"ticks":[60,120],"end":"until"}"#
        )
    }

    /// West of Greenwich the clocks still showed 1969, and at the other end east of it they show 2101 already.
    @Test func bothEndsOfWhatIsComputed() throws {
        let every = #""schedule":{"__type__":"crontab"}"#
        let hourly = #""schedule":{"__type__":"crontab","minute":"30"}"#
        #expect(
            try answer(#"{"tz":"America/New_York",\#(every),"from":0,"count":2}"#) == #"{"ticks":[60,120],"end":null}"#
        )
        #expect(
            try answer(#"{"tz":"America/St_Johns",\#(hourly),"from":0,"count":2}"#)
                == #"{"ticks":[3600,7200],"end":null}"#
        )
        #expect(
            try answer(#"{"tz":"Asia/Tokyo",\#(hourly),"from":4133973600,"count":9}"#)
                == #"{"ticks":[4133975400,4133979000],"end":"exhausted"}"#
        )
    }

    @Test(arguments: [
        (#"{"tz":"Mars/Olympus","schedule":{"__type__":"crontab"},"from":0,"count":1}"#, "unknown-zone"),
        (#"{"tz":"../../etc/passwd","schedule":{"__type__":"crontab"},"from":0,"count":1}"#, "unknown-zone"),
        (#"{"tz":"UTC","schedule":{"__type__":"crontab"},"from":-1,"count":1}"#, "bad-span"),
        (#"{"tz":"UTC","schedule":{"__type__":"crontab"},"from":4133980801,"count":1}"#, "bad-span"),
        (
            #"{"tz":"UTC","schedule":{"__type__":"crontab","day_of_month":"30","month_of_year":"2"},"from":0,"count":1}"#,
            "never-fires"
        ),
        (
            #"{"tz":"UTC","schedule":{"__type__":"interval","every":0,"relative":false},"from":0,"count":1}"#,
            "bad-interval"
        ),
        (
            #"{"tz":"UTC","schedule":{"__type__":"interval","every":-5,"relative":false},"from":0,"count":1}"#,
            "bad-interval"
        ),
        (
            #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":3,"dtstart":0,"byfortnight":1},"from":0,"count":1}"#,
            "bad-rrule"
        ),
        (#"{"tz":"UTC","schedule":{"__type__":"solar"},"from":0,"count":1}"#, "unknown-schedule"),
        (#"{"tz":"UTC","schedule":{"__type__":"crontab"},"from":0}"#, "bad-request"), ("not json", "bad-request"),
        ("[]", "bad-request"),
    ]) func refusals(line: String, code: String) throws {
        #expect(try JSON(parsing: answer(line))["error"]?["code"]?.string == code)
    }

    @Test func instantsAsText() {
        for text in ["2026-11-23T06:54:14Z", "1970-01-01T00:00:00Z", "2026-11-23T06:54:14.305759Z"] {
            #expect(Instant(iso8601: text)?.iso8601 == text)
        }
        #expect(Instant(iso8601: "2026-11-23 07:54:14+01:00")?.iso8601 == "2026-11-23T06:54:14Z")
        for text in ["2026-11-23T06:54:14", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", ""] {
            #expect(Instant(iso8601: text) == nil)
        }
    }
}
