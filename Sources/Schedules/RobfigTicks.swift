/// The ticks that robfig/cron 3 finds, by which Kubernetes starts CronJobs, in a zone whose clock changes.
///
/// It searches along elapsed time from where it stands, setting fields of the date as Go's `time.Date` does; the source of the rules is that
/// program's `spec.go`, and what it answers (Tests/SchedulesTests/Generators/robfig_ticks.go).
struct RobfigTicks: Sendable {
    private let rule: CalendarRule
    private let zone: Zone
    private var last: Int64
    /// It gives up after as many years without a tick.
    private static let years = 5

    /// The ticks strictly after an instant.
    init(_ rule: CalendarRule, zone: Zone, after start: Instant) {
        (self.rule, self.zone, last) = (rule, zone, start.seconds)
    }

    /// The next tick in epoch seconds; nil when none comes before 2101.
    mutating func next() -> Int64? {
        guard let found = search(), found < Instant.latest.seconds else { return nil }
        last = found
        return found
    }

    private func search() -> Int64? {
        var at = last + 1
        var isSet = false
        let limit = local(at).date.year + RobfigTicks.years
        func set(_ instant: Int64) {
            guard !isSet else { return }
            isSet = true
            at = instant
        }
        search: while true {
            if local(at).date.year > limit { return nil }
            while rule.months >> UInt16(local(at).date.month) & 1 == 0 {
                var now = local(at)
                set(self.at(now.date.year, now.date.month, 1, 0))
                now = local(at)
                at = self.at(now.date.year, now.date.month + 1, now.date.day, now.ofDay)
                if local(at).date.month == 1 { continue search }
            }
            while true {
                var now = local(at)
                if rule.fits(now.date) { break }
                set(self.at(now.date.year, now.date.month, now.date.day, 0))
                now = local(at)
                at = self.at(now.date.year, now.date.month, now.date.day + 1, now.ofDay)
                now = local(at)
                // The day began at another hour than midnight.
                if now.hour != 0 { at += Int64(now.hour > 12 ? 24 - now.hour : -now.hour) * 3600 }
                if local(at).date.day == 1 { continue search }
            }
            while rule.hours >> UInt32(local(at).hour) & 1 == 0 {
                let now = local(at)
                set(self.at(now.date.year, now.date.month, now.date.day, now.hour * 3600))
                at += 3600
                if local(at).hour == 0 { continue search }
            }
            while rule.minutes >> UInt64(local(at).minute) & 1 == 0 {
                set(at.floorDivided(by: 60) * 60)
                at += 60
                if local(at).minute == 0 { continue search }
            }
            while local(at).second != 0 {
                set(at)
                at += 1
                if local(at).second == 0 { continue search }
            }
            return at
        }
    }

    private func local(_ at: Int64) -> LocalTime { LocalTime(wallSeconds: at + offset(at)) }

    private func offset(_ at: Int64) -> Int64 { Int64(zone.offsets[zone.span(atUTC: at)]) }

    /// The instant of a local time as `time.Date` finds it; months and days beyond the last are those that follow.
    private func at(_ year: Int, _ month: Int, _ day: Int, _ second: Int) -> Int64 {
        let (year, month) = month > 12 ? (year + 1, month - 12) : (year, month)
        let first = CivilDate(year: year, month: month, day: 1).epochDay
        let wall = Int64(first + day - 1) * 86_400 + Int64(second)
        let guess = offset(wall)
        // Where the guess is of another span than what it leads to, that one's counts.
        return wall - offset(wall - guess)
    }
}

extension LocalTime {
    /// Seconds since midnight.
    fileprivate var ofDay: Int { hour * 3600 + minute * 60 + second }
}

extension CalendarRule {
    /// Whether the rule holds on a day.
    fileprivate func fits(_ date: CivilDate) -> Bool {
        matches(date, weekday: CivilDate.weekday(epochDay: date.epochDay))
    }
}
