/// The wall-clock times of a crontab or cron expression, as bit sets: what remains of either once it is parsed.
///
/// It knows no zone: times are seconds that a wall clock shows after it showed 1970-01-01 00:00:00.
public struct CalendarRule: Sendable, Hashable {
    /// Bits 0–59.
    public var seconds: UInt64
    /// Bits 0–59.
    public var minutes: UInt64
    /// Bits 0–23.
    public var hours: UInt32
    /// Bits 1–31.
    public var daysOfMonth: UInt32
    /// Bits 1–12.
    public var months: UInt16
    /// Bits 0–6, Sunday being 0.
    public var weekdays: UInt8
    /// How the two day fields combine.
    public var days: DayCombination
    /// Whether the last day of each month counts, whatever its number.
    public var lastDayOfMonth: Bool

    /// How day of month and day of week combine.
    public enum DayCombination: String, Sendable, Hashable {
        /// A day must satisfy both (Celery).
        case and
        /// A day must satisfy either (cron with both fields restricted).
        case or
    }

    /// Makes a rule.
    public init(
        seconds: UInt64 = 1,
        minutes: UInt64,
        hours: UInt32,
        daysOfMonth: UInt32,
        months: UInt16,
        weekdays: UInt8,
        days: DayCombination = .and,
        lastDayOfMonth: Bool = false
    ) {
        self.seconds = seconds
        self.minutes = minutes
        self.hours = hours
        self.daysOfMonth = daysOfMonth
        self.months = months
        self.weekdays = weekdays
        self.days = days
        self.lastDayOfMonth = lastDayOfMonth
    }

    /// The sets of a field without a restriction.
    public static let allMinutes: UInt64 = (1 << 60) - 1
    public static let allHours: UInt32 = (1 << 24) - 1
    public static let allDaysOfMonth: UInt32 = 0xFFFF_FFFE
    public static let allMonths: UInt16 = 0x1FFE
    public static let allWeekdays: UInt8 = 0x7F

    /// Whether the rule holds on a day.
    func matches(_ date: CivilDate, weekday: Int) -> Bool {
        guard months >> UInt16(date.month) & 1 == 1 else { return false }
        var byDay = daysOfMonth >> UInt32(date.day) & 1 == 1
        if lastDayOfMonth, !byDay { byDay = date.day == CivilDate.daysInMonth(year: date.year, month: date.month) }
        let byWeekday = weekdays >> UInt8(weekday) & 1 == 1
        return days == .and ? byDay && byWeekday : byDay || byWeekday
    }

    /// How often it holds on a day on which it holds at all.
    var timesPerDay: Int { seconds.nonzeroBitCount * minutes.nonzeroBitCount * hours.nonzeroBitCount }
}

/// Walks the times of a calendar rule in order, keeping the day it is on.
struct CalendarCursor: Sendable {
    let rule: CalendarRule
    private let firstSecond: Int
    private let firstMinute: Int
    private let onlyWholeMinutes: Bool
    private var epochDay = Int.min
    private var date = CivilDate(year: 1970, month: 1, day: 1)
    private var weekday = 4
    private var matches = false

    init(_ rule: CalendarRule) {
        self.rule = rule
        firstSecond = rule.seconds.trailingZeroBitCount
        firstMinute = rule.minutes.trailingZeroBitCount
        onlyWholeMinutes = rule.seconds == 1
    }

    /// The first time strictly after another; nil if none comes before a limit.
    mutating func next(after wall: Int64, limit: Int64) -> Int64? {
        var second: Int
        var day: Int
        if onlyWholeMinutes {
            let minute = wall.floorDivided(by: 60) + 1
            day = Int(minute.floorDivided(by: 1440))
            second = (Int(minute) - day * 1440) * 60
        } else {
            day = Int((wall + 1).floorDivided(by: 86_400))
            second = Int(wall + 1) - day * 86_400
        }
        if day != epochDay { move(to: day) }
        while true {
            if matches, let found = firstTime(from: second) {
                let time = Int64(epochDay) * 86_400 + Int64(found)
                return time < limit ? time : nil
            }
            second = 0
            advance()
            if Int64(epochDay) * 86_400 >= limit { return nil }
        }
    }

    /// The first second of the day at or after one, by the time fields alone.
    private func firstTime(from second: Int) -> Int? {
        var hour = second / 3600
        var minute = second / 60 % 60
        let within = second % 60
        if rule.hours >> UInt32(hour) & 1 == 1 {
            if within > 0, rule.minutes >> UInt64(minute) & 1 == 1 {
                let rest = rule.seconds >> UInt64(within)
                if rest != 0 { return hour * 3600 + minute * 60 + within + rest.trailingZeroBitCount }
            }
            if within > 0 { minute += 1 }
            let rest = rule.minutes >> UInt64(minute)
            if rest != 0 { return hour * 3600 + (minute + rest.trailingZeroBitCount) * 60 + firstSecond }
        }
        hour += 1
        let rest = rule.hours >> UInt32(hour)
        guard rest != 0 else { return nil }
        return (hour + rest.trailingZeroBitCount) * 3600 + firstMinute * 60 + firstSecond
    }

    private mutating func move(to day: Int) {
        if day == epochDay + 1 {
            advance(byOneDayOnly: true)
            return
        }
        epochDay = day
        date = CivilDate(epochDay: day)
        weekday = CivilDate.weekday(epochDay: day)
        matches = rule.matches(date, weekday: weekday)
    }

    /// To the next day, or, where the month does not count, to the first day of the next one.
    private mutating func advance(byOneDayOnly: Bool = false) {
        if !byOneDayOnly, rule.months >> UInt16(date.month) & 1 == 0 {
            let rest = CivilDate.daysInMonth(year: date.year, month: date.month) - date.day + 1
            epochDay += rest
            weekday = (weekday + rest) % 7
            date.day = 1
            nextMonth()
        } else {
            epochDay += 1
            weekday = weekday == 6 ? 0 : weekday + 1
            date.day += 1
            if date.day > 28, date.day > CivilDate.daysInMonth(year: date.year, month: date.month) {
                date.day = 1
                nextMonth()
            }
        }
        matches = rule.matches(date, weekday: weekday)
    }

    private mutating func nextMonth() {
        date.month += 1
        if date.month == 13 {
            date.month = 1
            date.year += 1
        }
    }
}
