/// The rule for the years after a zone file's last transition: a POSIX `TZ` string with the extensions of RFC 8536 §3.3.1
/// (`CET-1CEST,M3.5.0,M10.5.0/3`, `<-03>3<-02>,M3.5.0/-1,M10.5.0/-1`).
struct POSIXZoneRule {
    var standardName: String
    /// Seconds east of UTC.
    var standardOffset: Int
    var daylight: Daylight?

    struct Daylight {
        var name: String
        /// Seconds east of UTC.
        var offset: Int
        var start: Change
        var end: Change
    }

    /// When in a year the clock changes, and at what wall-clock second of that day (may be negative or over a day).
    struct Change {
        var day: Day
        var second: Int
    }

    enum Day {
        /// The so-manieth (5: last) weekday (Sunday 0) of a month.
        case weekday(month: Int, week: Int, weekday: Int)
        /// 1 to 365; 29 February is never counted.
        case julian(Int)
        /// 0 to 365.
        case zeroBased(Int)
    }

    /// Reads a rule; nil if it is malformed.
    init?(_ text: String) {
        var scanner = RuleScanner(text)
        guard let name = scanner.name(), let offset = scanner.time() else { return nil }
        standardName = name
        standardOffset = -offset
        daylight = nil
        guard !scanner.isAtEnd else { return }
        guard let daylightName = scanner.name() else { return nil }
        var daylightOffset = standardOffset + 3600
        if !scanner.peek(",") {
            guard let value = scanner.time() else { return nil }
            daylightOffset = -value
        }
        guard scanner.skip(","), let start = scanner.change(), scanner.skip(","), let end = scanner.change(),
            scanner.isAtEnd
        else { return nil }
        daylight = Daylight(name: daylightName, offset: daylightOffset, start: start, end: end)
    }

    /// The transitions of a year, in order: seconds since the epoch, the offset and the abbreviation after each.
    func transitions(year: Int) -> [(at: Int64, offset: Int, name: String)] {
        guard let daylight else { return [] }
        let on = daylight.start.wallSeconds(year: year) - Int64(standardOffset)
        let off = daylight.end.wallSeconds(year: year) - Int64(daylight.offset)
        let both = [
            (at: on, offset: daylight.offset, name: daylight.name),
            (at: off, offset: standardOffset, name: standardName),
        ]
        return both.sorted { $0.at < $1.at }
    }
}

extension POSIXZoneRule.Change {
    /// Seconds that a wall clock shows after it showed 1970-01-01 00:00:00.
    fileprivate func wallSeconds(year: Int) -> Int64 {
        let first = CivilDate(year: year, month: 1, day: 1).epochDay
        let epochDay: Int
        switch day {
        case .julian(let number):
            epochDay = first + number - 1 + (CivilDate.isLeap(year) && number >= 60 ? 1 : 0)
        case .zeroBased(let number):
            epochDay = first + number
        case .weekday(let month, let week, let weekday):
            let monthStart = CivilDate(year: year, month: month, day: 1)
            var day = 1 + (weekday - monthStart.weekday + 7) % 7 + (week - 1) * 7
            while day > CivilDate.daysInMonth(year: year, month: month) { day -= 7 }
            epochDay = CivilDate(year: year, month: month, day: day).epochDay
        }
        return Int64(epochDay) * 86_400 + Int64(second)
    }
}

private struct RuleScanner {
    private let text: [Character]
    private var position = 0

    init(_ text: String) { self.text = Array(text) }

    var isAtEnd: Bool { position >= text.count }

    func peek(_ character: Character) -> Bool { position < text.count && text[position] == character }

    mutating func skip(_ character: Character) -> Bool {
        guard peek(character) else { return false }
        position += 1
        return true
    }

    mutating func name() -> String? {
        var name = ""
        if skip("<") {
            while position < text.count, text[position] != ">" {
                name.append(text[position])
                position += 1
            }
            return skip(">") ? name : nil
        }
        while position < text.count, text[position].isLetter {
            name.append(text[position])
            position += 1
        }
        return name.isEmpty ? nil : name
    }

    mutating func number() -> Int? {
        var digits = ""
        while position < text.count, text[position].isNumber {
            digits.append(text[position])
            position += 1
        }
        return Int(digits)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    mutating func time() -> Int? {
        let sign = skip("-") ? -1 : 1
        if sign == 1 { _ = skip("+") }
        guard let hours = number() else { return nil }
        var seconds = hours * 3600
        if skip(":") {
            guard let minutes = number() else { return nil }
            seconds += minutes * 60
            if skip(":") {
                guard let rest = number() else { return nil }
                seconds += rest
            }
        }
        return sign * seconds
    }

    mutating func change() -> POSIXZoneRule.Change? {
        let day: POSIXZoneRule.Day
        if skip("M") {
            guard let month = number(), skip("."), let week = number(), skip("."), let weekday = number(),
                (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
            else { return nil }
            day = .weekday(month: month, week: week, weekday: weekday)
        } else if skip("J") {
            guard let value = number(), (1...365).contains(value) else { return nil }
            day = .julian(value)
        } else {
            guard let value = number(), (0...365).contains(value) else { return nil }
            day = .zeroBased(value)
        }
        var second = 7200
        if skip("/") {
            guard let value = time() else { return nil }
            second = value
        }
        return POSIXZoneRule.Change(day: day, second: second)
    }
}
