public import LosslessJSON

/// A recurrence rule as RedBeat stores it and dateutil 2.9 reads it: RFC 5545's RRULE from a start with a fixed offset.
public struct RecurrenceRule: Sendable, Hashable {
    /// dateutil's numbers of the frequencies.
    public enum Frequency: Int, Sendable, Hashable, CaseIterable, Comparable {
        case yearly = 0, monthly, weekly, daily, hourly, minutely, secondly
        public static func < (a: Frequency, b: Frequency) -> Bool { a.rawValue < b.rawValue }
        /// `yearly`, `monthly`, …
        public var name: String { "\(self)" }
        /// The seconds of a period that is shorter than a day.
        var secondsWithinDay: Int? {
            switch self {
            case .yearly, .monthly, .weekly, .daily: nil
            case .hourly: 3600
            case .minutely: 60
            case .secondly: 1
            }
        }
    }

    /// A weekday (Monday 0), with its number in the month or year where one is given.
    struct Weekday: Sendable, Hashable {
        var day: Int
        var nth: Int?
    }

    /// The stored form, kept so that it can be written back unchanged.
    public let source: JSON
    public let frequency: Frequency
    public let interval: Int
    /// The start, to the second.
    public let start: Instant
    /// The start's offset in seconds east of UTC, in which all parts are read.
    public let offset: Int
    /// The last instant that may fire.
    public let until: Instant?
    /// The number of times it fires from its start.
    public let count: Int?
    /// The first day of a week, Monday being 0.
    let weekStart: Int
    let positions: [Int]
    let months: Set<Int>
    let monthDays: Set<Int>
    let yearDays: Set<Int>
    let easterOffsets: Set<Int>
    let weekNumbers: Set<Int>
    let weekdays: Set<Int>
    let nthWeekdays: [Weekday]
    let hours: [Int]
    let minutes: [Int]
    let seconds: [Int]

    /// Reads the stored form.
    ///
    /// - Throws: `ScheduleError` with the code `bad-rrule`, naming the part.
    public init(redbeat json: JSON) throws(ScheduleError) {
        let reader = try PartReader(json)
        source = json
        frequency = try reader.frequency()
        interval = try reader.one("interval") ?? 1
        guard interval > 0 else { throw PartReader.refusal("interval", "\(interval)", "it must be 1 or more") }
        guard let began = try reader.timestamp("dtstart") else {
            throw ScheduleError(
                .badRecurrence,
                "the rrule has no “dtstart”: RedBeat takes the moment it was loaded, which differs at each start of beat"
            )
        }
        offset = try reader.offsetSeconds("dtstart_tz")
        start = began
        until = try reader.timestamp("until")
        count = try reader.one("count")
        weekStart = try reader.weekdays("wkst").first?.day ?? 0
        positions = try reader.many("bysetpos", in: -366...366, zero: false).sorted()
        easterOffsets = Set(try reader.many("byeaster", in: -366...366, zero: true))
        yearDays = Set(try reader.many("byyearday", in: -366...366, zero: false))
        weekNumbers = Set(try reader.many("byweekno", in: -53...53, zero: false))

        let local = LocalTime(wallSeconds: start.seconds + Int64(offset))
        var months = Set(try reader.many("bymonth", in: 1...12, zero: false))
        var monthDays = Set(try reader.many("bymonthday", in: -31...31, zero: false))
        var given = try reader.weekdays("byweekday")
        let noDays =
            weekNumbers.isEmpty && yearDays.isEmpty && monthDays.isEmpty && given.isEmpty && easterOffsets.isEmpty
            && reader.isNull("byweekday") && reader.isNull("byeaster")
        if noDays {
            // dateutil takes what no part says from the start.
            if frequency == .yearly {
                if months.isEmpty { months = [local.date.month] }
                monthDays = [local.date.day]
            } else if frequency == .monthly {
                monthDays = [local.date.day]
            } else if frequency == .weekly {
                given = [Weekday(day: (local.date.weekday + 6) % 7, nth: nil)]
            }
        }
        self.months = months
        self.monthDays = monthDays
        let counted = frequency <= .monthly
        weekdays = Set(given.filter { $0.nth == nil || !counted }.map(\.day))
        nthWeekdays = counted ? given.filter { $0.nth != nil } : []
        let frequency = frequency
        func times(_ name: String, _ range: ClosedRange<Int>, from: Int, below limit: Frequency) throws(ScheduleError)
            -> [Int]
        {
            let given = try reader.many(name, in: range, zero: true)
            return given.isEmpty && frequency < limit && reader.isNull(name) ? [from] : Set(given).sorted()
        }
        hours = try times("byhour", 0...23, from: local.hour, below: .hourly)
        minutes = try times("byminute", 0...59, from: local.minute, below: .minutely)
        seconds = try times("bysecond", 0...59, from: local.second, below: .secondly)
        guard stepsReachTimes else {
            throw ScheduleError(
                .neverFires,
                "steps of \(interval) \(frequency.name) from \(local.clock) never meet the rrule's hours, minutes and seconds: it never "
                    + "fires, and beat stops on it"
            )
        }
    }

    /// Whether the steps of a rule within the day ever meet its times of day; dateutil refuses one whose steps do not.
    private var stepsReachTimes: Bool {
        guard let unit = frequency.secondsWithinDay else { return true }
        let shared = greatestCommonDivisor(interval % 86_400 * unit, 86_400)
        let first = Int((start.seconds + Int64(offset)).floorDivided(by: Int64(unit))) * unit
        let minutes = unit < 3600 ? minutes : [0]
        let seconds = unit == 1 ? seconds : [0]
        for hour in hours.isEmpty ? Array(0...23) : hours {
            for minute in minutes.isEmpty ? Array(0...59) : minutes {
                for second in seconds.isEmpty ? Array(0...59) : seconds
                where (hour * 3600 + minute * 60 + second - first) % shared == 0 { return true }
            }
        }
        return false
    }

    /// Whether a period within the day is long enough for one of the positions.
    var positionsExist: Bool {
        guard !positions.isEmpty else { return true }
        let size: Int
        switch frequency {
        case .hourly: size = minutes.count * seconds.count
        case .minutely: size = seconds.count
        case .secondly: size = 1
        case .yearly, .monthly, .weekly, .daily: return true
        }
        return positions.contains { abs($0) <= size }
    }
}

private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

/// Reads the parts of a stored rule, each an integer, a list, or null.
private struct PartReader {
    private let object: JSONObject

    static let known: Set<String> = [
        "__type__", "freq", "interval", "wkst", "count", "bysetpos", "bymonth", "bymonthday", "byyearday", "byeaster",
        "byweekno",
        "byweekday", "byhour", "byminute", "bysecond", "dtstart", "dtstart_tz", "until", "until_tz",
    ]

    init(_ json: JSON) throws(ScheduleError) {
        guard let object = json.object else {
            throw ScheduleError(.badRecurrence, "an rrule is an object, not \(json.kind)")
        }
        for key in object.keys where !PartReader.known.contains(key) {
            throw ScheduleError(
                .badRecurrence,
                "the rrule has a part “\(key)” that dateutil does not know; beat stops on it"
            )
        }
        self.object = object
    }

    static func refusal(_ part: String, _ found: String, _ rule: String) -> ScheduleError {
        ScheduleError(.badRecurrence, "the rrule's “\(part)” is \(found); \(rule)")
    }

    func isNull(_ part: String) -> Bool { object[part]?.isNull ?? true }

    func frequency() throws(ScheduleError) -> RecurrenceRule.Frequency {
        if let number = object["freq"]?.int, let frequency = RecurrenceRule.Frequency(rawValue: number) {
            return frequency
        }
        if let name = object["freq"]?.string?.lowercased(),
            let frequency = RecurrenceRule.Frequency.allCases.first(where: { $0.name == name })
        {
            return frequency
        }
        throw PartReader.refusal("freq", object["freq"]?.text() ?? "missing", "it must be 0 (yearly) to 6 (secondly)")
    }

    func one(_ part: String) throws(ScheduleError) -> Int? {
        guard let value = object[part], !value.isNull else { return nil }
        guard let number = value.int else { throw PartReader.refusal(part, value.text(), "it must be an integer") }
        return number
    }

    /// Seconds since 1970 in the years 1 to 9999, which are those of Python; dateutil drops a fraction.
    func timestamp(_ part: String) throws(ScheduleError) -> Instant? {
        guard let value = object[part], !value.isNull else { return nil }
        guard let number = value.double, number >= -62_135_596_800, number < 253_402_300_800 else {
            throw PartReader.refusal(part, value.text(), "it must be seconds since 1970, in the years 1 to 9999")
        }
        return Instant(seconds: Int64(number.rounded(.down)))
    }

    func offsetSeconds(_ part: String) throws(ScheduleError) -> Int {
        guard let value = object[part], !value.isNull else { return 0 }
        guard let minutes = value.double, minutes.isFinite, abs(minutes) < 1440 else {
            throw PartReader.refusal(part, value.text(), "it must be minutes east of UTC")
        }
        return Int((minutes * 60).rounded())
    }

    func many(_ part: String, in range: ClosedRange<Int>, zero: Bool) throws(ScheduleError) -> [Int] {
        guard let value = object[part], !value.isNull else { return [] }
        var numbers: [Int] = []
        for element in value.array ?? [value] {
            guard let number = element.int, range.contains(number), zero || number != 0 else {
                throw PartReader.refusal(
                    part,
                    element.text(),
                    "it must be in \(range.lowerBound)…\(range.upperBound)\(zero ? "" : " and not 0")"
                )
            }
            numbers.append(number)
        }
        return numbers
    }

    func weekdays(_ part: String) throws(ScheduleError) -> [RecurrenceRule.Weekday] {
        guard let value = object[part], !value.isNull else { return [] }
        var days: [RecurrenceRule.Weekday] = []
        for element in value.array ?? [value] {
            let number = element["__type__"]?.string == "weekday" ? element["wkday"]?.int : element.int
            guard let number, (0...6).contains(number) else {
                throw PartReader.refusal(part, element.text(), "a weekday is 0 (Monday) to 6")
            }
            let nth = element["n"]?.int
            guard nth != 0 else {
                throw PartReader.refusal(part, element.text(), "the number of a weekday cannot be 0")
            }
            days.append(RecurrenceRule.Weekday(day: number, nth: nth))
        }
        return days
    }
}
