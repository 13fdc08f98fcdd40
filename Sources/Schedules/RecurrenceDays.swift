/// Which days a recurrence rule holds on.
extension RecurrenceRule {
    /// Whether all day parts hold on a day, which is looked at as a part of the year `periodYear` (a week may reach into the next one).
    func matches(_ date: CivilDate, periodYear: Int) -> Bool {
        if !months.isEmpty, !months.contains(date.month) { return false }
        let weekday = (date.weekday + 6) % 7
        if !weekdays.isEmpty || !nthWeekdays.isEmpty {
            // dateutil asks for both where plain and numbered weekdays are mixed.
            if !weekdays.isEmpty, !weekdays.contains(weekday) { return false }
            if !nthWeekdays.isEmpty, !matchesNth(date, weekday: weekday) { return false }
        }
        if !monthDays.isEmpty {
            let length = CivilDate.daysInMonth(year: date.year, month: date.month)
            guard monthDays.contains(date.day) || monthDays.contains(date.day - length - 1) else { return false }
        }
        if !yearDays.isEmpty {
            let length = CivilDate.isLeap(date.year) ? 366 : 365
            let number = date.dayOfYear
            guard yearDays.contains(number) || yearDays.contains(number - length - 1) else { return false }
        }
        if !easterOffsets.isEmpty {
            let easter = RecurrenceRule.easter(year: periodYear).epochDay
            guard easterOffsets.contains(date.epochDay - easter) else { return false }
        }
        return weekNumbers.isEmpty || matchesWeekNumber(date, periodYear: periodYear)
    }

    private func matchesNth(_ date: CivilDate, weekday: Int) -> Bool {
        let ranges: (from: Int, to: Int)
        let today = date.epochDay
        if frequency == .yearly, months.isEmpty {
            ranges = (
                CivilDate(year: date.year, month: 1, day: 1).epochDay,
                CivilDate(year: date.year, month: 12, day: 31).epochDay
            )
        } else {
            let first = today - date.day + 1
            ranges = (first, first + CivilDate.daysInMonth(year: date.year, month: date.month) - 1)
        }
        let fromStart = (today - ranges.from) / 7 + 1
        let fromEnd = -((ranges.to - today) / 7 + 1)
        return nthWeekdays.contains { $0.day == weekday && ($0.nth == fromStart || $0.nth == fromEnd) }
    }

    /// Week numbers count from the first week with four days in the year; weeks begin on `weekStart`.
    private func matchesWeekNumber(_ date: CivilDate, periodYear year: Int) -> Bool {
        let today = date.epochDay
        let first = firstWeek(of: year)
        let following = firstWeek(of: year + 1)
        if today < first {
            // The days before week 1 are in the last week of the year before.
            return weekNumbers.contains(-1) || weekNumbers.contains(weeksOfYear(before: year))
        }
        if today >= following { return weekNumbers.contains(1) }
        let number = (today - first) / 7 + 1
        return weekNumbers.contains(number) || weekNumbers.contains(number - (following - first) / 7 - 1)
    }

    /// How many weeks dateutil 2.9 gives the year before one whose first days lie in them. Where that year itself began within a week, it
    /// reckons with the later year's length and days, and so finds a week 53 that there was not.
    private func weeksOfYear(before year: Int) -> Int {
        func length(_ year: Int) -> Int { CivilDate.isLeap(year) ? 366 : 365 }
        /// The days of a year before its first whole week.
        func loose(_ year: Int) -> Int {
            (7 - (CivilDate(year: year, month: 1, day: 1).weekday + 6) % 7 + weekStart) % 7
        }
        let ofLast = loose(year - 1)
        let rest = ofLast >= 4 ? length(year - 1) + (7 - ofLast) % 7 : length(year) - loose(year)
        return 52 + rest % 7 / 4
    }

    private func firstWeek(of year: Int) -> Int {
        let newYear = CivilDate(year: year, month: 1, day: 1)
        let weekday = (newYear.weekday + 6) % 7
        let intoWeek = (weekday - weekStart + 7) % 7
        return intoWeek <= 3 ? newYear.epochDay - intoWeek : newYear.epochDay + 7 - intoWeek
    }

    /// Easter Sunday in the Gregorian calendar (the anonymous algorithm of 1876).
    static func easter(year: Int) -> CivilDate {
        let a = year % 19
        let (b, c) = (year / 100, year % 100)
        let (d, e) = (b / 4, b % 4)
        let g = (b - (b + 8) / 25 + 1) / 3
        let h = (19 * a + b - d - g + 15) % 30
        let (i, k) = (c / 4, c % 4)
        let l = (32 + 2 * e + 2 * i - h - k) % 7
        let m = (a + 11 * h + 22 * l) / 451
        let sum = h + l - 7 * m + 114
        return CivilDate(year: year, month: sum / 31, day: sum % 31 + 1)
    }
}
