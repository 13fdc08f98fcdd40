/// A day of the proleptic Gregorian calendar.
public struct CivilDate: Sendable, Hashable {
    /// The year, for example 2026.
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int

    /// Makes a date; it is not checked.
    public init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date so many days after 1970-01-01 (Howard Hinnant's `civil_from_days`).
    public init(epochDay: Int) {
        let shifted = epochDay + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
    public var epochDay: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.floorDivided(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The weekday, Sunday being 0.
    public var weekday: Int { CivilDate.weekday(epochDay: epochDay) }

    /// The number of the day in its year, 1 January being 1.
    public var dayOfYear: Int { epochDay - CivilDate(year: year, month: 1, day: 1).epochDay + 1 }

    /// The weekday of a day since 1970-01-01 (a Thursday), Sunday being 0.
    static func weekday(epochDay: Int) -> Int {
        let value = (epochDay + 4) % 7
        return value < 0 ? value + 7 : value
    }

    /// Whether 29 February exists.
    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// The number of days of a month.
    public static func daysInMonth(year: Int, month: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension CivilDate: CustomStringConvertible {
    /// ISO 8601: `2026-11-23`.
    public var description: String { padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) }
}

/// A time on a wall clock, to the second, without a zone.
public struct LocalTime: Sendable, Hashable {
    /// The day.
    public var date: CivilDate
    /// 0 to 23.
    public var hour: Int
    /// 0 to 59.
    public var minute: Int
    /// 0 to 59.
    public var second: Int

    /// The time that a clock shows so many seconds after it showed 1970-01-01 00:00:00.
    public init(wallSeconds: Int64) {
        let days = wallSeconds.floorDivided(by: 86_400)
        let rest = Int(wallSeconds - days * 86_400)
        date = CivilDate(epochDay: Int(days))
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
    }

    /// Seconds that a clock shows after it showed 1970-01-01 00:00:00.
    public var wallSeconds: Int64 { Int64(date.epochDay) * 86_400 + Int64(hour * 3600 + minute * 60 + second) }

    /// The time of day: `06:54:14`.
    public var clock: String { padded(hour, 2) + ":" + padded(minute, 2) + ":" + padded(second, 2) }
}
