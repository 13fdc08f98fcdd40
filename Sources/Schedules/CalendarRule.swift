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

    /// The microseconds after midnight at which it holds on a day on which it holds at all; none if it holds within minutes.
    var wholeMinutesOfDay: [Int64] {
        guard seconds == 1 else { return [] }
        let minutes = members(minutes)
        return members(UInt64(hours)).flatMap { hour in minutes.map { Int64(hour * 3600 + $0 * 60) * 1_000_000 } }
    }

    /// How often it holds on a day on which it holds at all.
    var timesPerDay: Int { seconds.nonzeroBitCount * minutes.nonzeroBitCount * hours.nonzeroBitCount }
}
