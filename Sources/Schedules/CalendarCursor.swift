/// Walks the times of a calendar rule in order, keeping the month it is in with the days of it that count.
struct CalendarCursor: Sendable {
    let rule: CalendarRule
    private let firstSecond: Int
    private let firstMinute: Int
    private let onlyWholeMinutes: Bool
    private var year = 0
    private var month = 0
    /// The day before the first of the month, and the last of the month, in days since 1970.
    private var before = Int.min
    private var last = Int.min
    /// Bits 1–31: the days of the month on which the rule holds.
    private var days: UInt32 = 0

    init(_ rule: CalendarRule) {
        self.rule = rule
        firstSecond = rule.seconds.trailingZeroBitCount
        firstMinute = rule.minutes.trailingZeroBitCount
        onlyWholeMinutes = rule.seconds == 1
    }

    /// The first time strictly after another; nil if none comes before a limit.
    mutating func next(after wall: Int64, limit: Int64) -> Int64? {
        var day: Int
        let second: Int
        if onlyWholeMinutes {
            let minute = Int(wall.floorDivided(by: 60)) + 1
            day = minute.floorDivided(by: 1440)
            second = (minute - day * 1440) * 60
        } else {
            let next = Int(wall) + 1
            day = next.floorDivided(by: 86_400)
            second = next - day * 86_400
        }
        if day <= before || day > last { enter(CivilDate(epochDay: day), epochDay: day) }
        if days >> UInt32(day - before) & 1 == 1, let found = firstTime(from: second) {
            let time = Int64(day) * 86_400 + Int64(found)
            return time < limit ? time : nil
        }
        var rest = days >> UInt32(day - before + 1)
        while rest == 0 {
            day = last
            if Int64(day) * 86_400 >= limit { return nil }
            enterNextMonth()
            rest = days >> 1
        }
        day += 1 + rest.trailingZeroBitCount
        let time = Int64(day) * 86_400 + Int64(firstTimeOfDay)
        return time < limit ? time : nil
    }

    private var firstTimeOfDay: Int { rule.hours.trailingZeroBitCount * 3600 + firstMinute * 60 + firstSecond }

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

    private mutating func enter(_ date: CivilDate, epochDay: Int) {
        (year, month) = (date.year, date.month)
        before = epochDay - date.day
        last = before + CivilDate.daysInMonth(year: year, month: month)
        days = rule.days(ofMonth: month, length: last - before, firstWeekday: CivilDate.weekday(epochDay: before + 1))
    }

    /// To the next month.
    private mutating func enterNextMonth() {
        let first = last + 1
        if month == 12 { (year, month) = (year + 1, 1) } else { month += 1 }
        enter(CivilDate(year: year, month: month, day: 1), epochDay: first)
    }
}

extension CalendarRule {
    /// The days of a month (bits 1–31) on which the rule holds.
    func days(ofMonth month: Int, length: Int, firstWeekday: Int) -> UInt32 {
        guard months >> UInt16(month) & 1 == 1 else { return 0 }
        let all = (UInt32.max >> UInt32(31 - length)) & ~1
        var byDay = daysOfMonth
        if lastDayOfMonth { byDay |= 1 << UInt32(length) }
        if weekdays == CalendarRule.allWeekdays { return (self.days == .and ? byDay : .max) & all }
        // Five weeks of weekday bits, Sunday first, begun at the weekday of the first.
        let week = UInt64(weekdays)
        let weeks = week | week << 7 | week << 14 | week << 21 | week << 28 | week << 35
        let byWeekday = UInt32(truncatingIfNeeded: (weeks >> UInt64(firstWeekday)) << 1)
        return (self.days == .and ? byDay & byWeekday : byDay | byWeekday) & all
    }
}
