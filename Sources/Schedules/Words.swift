/// Schedules in English.
enum Words {
    /// A length of time: `90 s`, `5 min`, `2 h`, `1 day`.
    static func duration(_ seconds: Double) -> String {
        if seconds != seconds.rounded() || seconds < 1 { return "\(seconds) s" }
        let whole = Int(seconds)
        if whole % 604_800 == 0 { return count(whole / 604_800, "week") }
        if whole % 86_400 == 0 { return count(whole / 86_400, "day") }
        if whole % 3600 == 0 { return "\(whole / 3600) h" }
        return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole) s"
    }

    static func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }

    /// `1, 2 and 5`.
    static func list(_ items: [String], last: String = "and") -> String {
        guard let end = items.last, items.count > 1 else { return items.first ?? "" }
        return items.dropLast().joined(separator: ", ") + " \(last) " + end
    }

    /// Numbers with runs of three or more shortened: `1–5 or 9`.
    static func numbers(_ values: [Int], name: (Int) -> String = { String($0) }) -> String {
        list(runs(values, name: name), last: "or")
    }

    /// Numbers of which those below zero count from the end: `1, 2 or the last`.
    static func numbersFromEitherEnd(_ values: some Collection<Int>) -> String {
        let fromEnd = values.filter { $0 < 0 }.sorted().map { "the " + ordinal($0) }
        return list(runs(values.filter { $0 >= 0 }.sorted()) + fromEnd, last: "or")
    }

    private static func runs(_ values: [Int], name: (Int) -> String = { String($0) }) -> [String] {
        var items: [String] = []
        var index = 0
        while index < values.count {
            var end = index
            while end + 1 < values.count, values[end + 1] == values[end] + 1 { end += 1 }
            if end - index >= 2 {
                items.append(name(values[index]) + "–" + name(values[end]))
            } else {
                items += values[index...end].map(name)
            }
            index = end + 1
        }
        return items
    }

    /// `3rd`, `last`, `2nd last`.
    static func ordinal(_ number: Int) -> String {
        if number < 0 { return (number == -1 ? "" : ordinal(of: number.magnitude) + " ") + "last" }
        return ordinal(of: number.magnitude)
    }

    private static func ordinal(of number: UInt) -> String {
        let ending =
            switch (number % 100, number % 10) {
            case (11...13, _): "th"
            case (_, 1): "st"
            case (_, 2): "nd"
            case (_, 3): "rd"
            default: "th"
            }
        return "\(number)\(ending)"
    }

    static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
}

extension CalendarRule {
    /// The rule as one sentence without its full stop: `at 02:30 when the day is 25–31 and a Sunday`.
    var words: String {
        var text = timeWords
        let conditions = dayWords
        if !conditions.isEmpty { text += " when " + conditions }
        if months != CalendarRule.allMonths {
            text += " in " + Words.numbers(members(UInt64(months))) { Words.months[$0 - 1] }
        }
        return text
    }

    private var timeWords: String {
        let (hourList, minuteList) = (members(UInt64(hours)), members(minutes))
        let within = seconds == 1 ? "" : ", at second " + Words.numbers(members(seconds))
        if hourList.count * minuteList.count <= 6 {
            let times = hourList.flatMap { hour in minuteList.map { padded(hour, 2) + ":" + padded($0, 2) } }
            return "at " + Words.list(times) + within
        }
        let everyHour = hours == CalendarRule.allHours
        let hourWords =
            everyHour
            ? "of every hour" : (hourList.count == 1 ? "of the hour " : "of the hours ") + Words.numbers(hourList)
        if minutes == CalendarRule.allMinutes {
            return (everyHour ? "every minute" : "every minute " + hourWords) + within
        }
        if minuteList.count == 1, let minute = minuteList.first { return "at minute \(minute) " + hourWords + within }
        if let step = CalendarRule.step(minuteList, within: 60) { return "every \(step) minutes " + hourWords + within }
        return "at minutes " + Words.numbers(minuteList) + " " + hourWords + within
    }

    private var dayWords: String {
        let anyDay = daysOfMonth == CalendarRule.allDaysOfMonth
        let anyWeekday = weekdays == CalendarRule.allWeekdays
        var byDay = anyDay ? "" : "the day is " + Words.numbers(members(UInt64(daysOfMonth)))
        if lastDayOfMonth, !anyDay {
            byDay = byDay.isEmpty || daysOfMonth == 0 ? "the day is the month's last" : byDay + " or the month's last"
        }
        let names = members(UInt64(weekdays)).map { Words.weekdays[$0] }
        let byWeekday = anyWeekday ? "" : "a " + Words.list(names, last: "or")
        if days == .or, byDay.isEmpty || byWeekday.isEmpty { return "" }
        if byDay.isEmpty { return byWeekday.isEmpty ? "" : "the day is " + byWeekday }
        if byWeekday.isEmpty { return byDay }
        guard days == .and else { return byDay + " or " + byWeekday }
        // Else “1 or 2 and a Sunday or Monday” could be read in other ways.
        let comma = byDay.contains(" or ") ? "," : ""
        return byDay + comma + " and " + (names.count > 1 ? "either " : "") + byWeekday
    }

    /// The step of values that divide a whole evenly from 0 on.
    private static func step(_ values: [Int], within size: Int) -> Int? {
        guard values.count > 1, values[0] == 0 else { return nil }
        let step = values[1]
        return size % step == 0 && values == Array(stride(from: 0, to: size, by: step)) ? step : nil
    }
}

extension Schedule {
    /// The schedule as one true English sentence without its full stop, in a zone.
    public func words(in zone: Zone) -> String {
        switch self {
        case .crontab(let crontab): crontab.rule.words + ", " + zone.name
        case .cron(let cron): cron.rule.words + ", " + zone.name
        case .interval(let interval): Schedule.words(interval, zone: zone)
        case .rrule(let rule): rule.words
        }
    }

    private static func words(_ interval: Interval, zone: Zone) -> String {
        let every = Words.duration(interval.seconds) + " after the run before it began"
        guard interval.relative else { return every }
        let unit =
            interval.seconds >= 86_400
            ? "midnight"
            : interval.seconds >= 3600 ? "full hour" : interval.seconds >= 60 ? "full minute" : "full second"
        return every + ", rounded down to the \(unit), \(zone.name)"
    }

    /// How often it is due, counted over the 28 years from an instant (the cycle of weekdays and leap years); a rule that ends sooner is
    /// counted until it ends, but over a year at least.
    public func frequency(in zone: Zone, from start: Instant) -> ScheduleFrequency {
        switch self {
        case .crontab(let crontab): return ScheduleFrequency(crontab.rule, from: start)
        case .cron(let cron): return ScheduleFrequency(cron.rule, from: start)
        case .interval(let interval): return ScheduleFrequency(perYear: 31_557_600 / interval.meanSeconds)
        case .rrule:
            let end = start.adding(seconds: 28 * 31_557_600)
            var count = 0.0
            var last = start
            for tick in ticks(after: start, in: zone) {
                // A rule of seconds is counted over a part of the years and scaled.
                if tick > end || count == 200_000 {
                    let span = tick > end ? end.seconds(since: start) : last.seconds(since: start)
                    return ScheduleFrequency(perYear: count * 31_557_600 / max(1, span))
                }
                count += 1
                last = tick
            }
            return ScheduleFrequency(perYear: count * 31_557_600 / max(31_557_600, last.seconds(since: start)))
        }
    }
}

/// Mean numbers of runs.
public struct ScheduleFrequency: Sendable, Hashable {
    /// Runs in a mean year of 365.25 days.
    public var perYear: Double
    /// Runs on a day on which it is due at all; nil where days differ.
    public var perActiveDay: Int?

    init(perYear: Double) { self.perYear = perYear }

    init(_ rule: CalendarRule, from start: Instant) {
        let date = CivilDate(epochDay: Int(start.seconds / 86_400))
        var (year, month) = (date.year, date.month)
        var first = CivilDate(year: year, month: month, day: 1).epochDay
        var days = 0
        for _ in 0..<(28 * 12) {
            let length = CivilDate.daysInMonth(year: year, month: month)
            days +=
                rule.days(ofMonth: month, length: length, firstWeekday: CivilDate.weekday(epochDay: first))
                .nonzeroBitCount
            first += length
            month += 1
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        perYear = Double(days * rule.timesPerDay) / 28
        perActiveDay = rule.timesPerDay
    }

    /// Runs in a mean week.
    public var perWeek: Double { perYear * 7 / 365.25 }
    /// Runs on a mean day.
    public var perDay: Double { perYear / 365.25 }

    /// `1 run a day, 7 a week, 365.25 a year`, to three digits and more.
    public var words: String {
        func text(_ runs: Double) -> String {
            if runs >= 1000 { return String(Int(runs.rounded())) }
            let scale = runs >= 100 ? 100.0 : runs >= 1 ? 1000 : 100_000
            let rounded = (runs * scale).rounded() / scale
            return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
        }
        return
            "\(text(perDay)) \(text(perDay) == "1" ? "run" : "runs") a day, \(text(perWeek)) a week, \(text(perYear)) a year"
    }
}

extension RecurrenceRule {
    /// The rule as one sentence without its full stop.
    var words: String {
        let unit = ["year", "month", "week", "day", "hour", "minute", "second"][frequency.rawValue]
        var text = interval == 1 ? "every \(unit)" : "every \(interval) \(unit)s"
        func add(_ name: String, _ values: [Int], _ show: (Int) -> String = { String($0) }) {
            if !values.isEmpty { text += ", \(name) " + Words.numbers(values, name: show) }
        }
        add("in", months.sorted()) { Words.months[$0 - 1] }
        func addCounted(_ name: String, _ values: some Collection<Int>) {
            if !values.isEmpty { text += ", \(name) " + Words.numbersFromEitherEnd(values) }
        }
        addCounted("in week", weekNumbers)
        addCounted("on day of the year", yearDays)
        addCounted("on day of the month", monthDays)
        add("on", weekdays.sorted()) { Words.weekdays[($0 + 1) % 7] }
        if !nthWeekdays.isEmpty {
            let whole = frequency == .yearly && months.isEmpty ? "year" : "month"
            let named = nthWeekdays.map { "\(Words.ordinal($0.nth ?? 0)) \(Words.weekdays[($0.day + 1) % 7])" }
            text += ", on the " + Words.list(named, last: "or") + " of the " + whole
        }
        if !easterOffsets.isEmpty {
            let days = easterOffsets.sorted().map {
                $0 == 0 ? "at Easter" : "\(Words.count(abs($0), "day")) \($0 < 0 ? "before" : "after") Easter"
            }
            text += ", " + Words.list(days, last: "or")
        }
        add("at hour", hours)
        add("minute", minutes)
        add("second", seconds)
        addCounted("of these only number", positions)
        text += ", from \(start.iso8601)"
        if let until { text += " until \(until.iso8601)" }
        if let count { text += ", \(Words.count(count, "time")) in all" }
        return text + ", at the fixed offset \(Zone.describe(offset))"
    }
}
