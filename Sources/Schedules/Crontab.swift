public import LosslessJSON

/// A Celery crontab: five sets, all of which a time must satisfy.
public struct Crontab: Sendable, Hashable {
    /// The fields as they were written: an integer, a text, or a list.
    public let source: [CrontabField: JSON]
    /// The times.
    public let rule: CalendarRule

    /// A crontab of fields as RedBeat stores them; fields left out are `*`.
    ///
    /// - Throws: `ScheduleError` with the code `bad-crontab`, or `never-fires` for a date that no year has (30 February), which
    ///   Celery 5.7 refuses too.
    public init(_ fields: [CrontabField: JSON]) throws(ScheduleError) {
        source = fields
        func values(_ field: CrontabField) throws(ScheduleError) -> Set<Int> {
            try Crontab.values(of: fields[field] ?? "*", field: field)
        }
        let days = try values(.dayOfMonth)
        let months = try values(.monthOfYear)
        rule = CalendarRule(
            minutes: bits(try values(.minute)),
            hours: UInt32(bits(try values(.hour))),
            daysOfMonth: UInt32(bits(days)),
            months: UInt16(bits(months)),
            weekdays: UInt8(bits(try values(.dayOfWeek)))
        )
        for (field, set) in [
            (CrontabField.minute, rule.minutes), (.hour, UInt64(rule.hours)), (.dayOfWeek, UInt64(rule.weekdays)),
        ]
        where set == 0 {
            throw ScheduleError(.badCrontab, "the crontab's \(field.rawValue) is an empty list")
        }
        let exists = months.contains { month in days.contains { $0 <= CivilDate.daysInMonth(year: 2000, month: month) }
        }
        guard exists else {
            throw ScheduleError(
                .neverFires,
                "no year has a day \(days.sorted().map(String.init).joined(separator: ", ")) in month "
                    + "\(months.sorted().map(String.init).joined(separator: ", ")): the crontab never fires"
            )
        }
    }

    /// A crontab written as five fields in cron's order: minute, hour, day of month, month, day of week.
    ///
    /// - Throws: `ScheduleError` with the code `bad-crontab` or `never-fires`.
    public init(cronOrder text: String) throws(ScheduleError) {
        let parts = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard parts.count == 5 else {
            throw ScheduleError(
                .badCrontab,
                "“\(text)” has \(parts.count) fields; a crontab has five: minute hour day month weekday"
            )
        }
        try self.init([
            .minute: .string(parts[0]), .hour: .string(parts[1]), .dayOfMonth: .string(parts[2]),
            .monthOfYear: .string(parts[3]), .dayOfWeek: .string(parts[4]),
        ])
    }

    /// The values of one field as RedBeat stores it: an integer, a text, or a list of integers.
    ///
    /// - Throws: `ScheduleError` with the code `bad-crontab`.
    public static func values(of json: JSON, field: CrontabField) throws(ScheduleError) -> Set<Int> {
        switch json {
        case .string(let text):
            return try field.values(of: text)
        case .number, .bool:
            return [try member(json, field: field)]
        case .array(let list):
            var values: Set<Int> = []
            for element in list { values.insert(try member(element, field: field)) }
            return values
        case .null, .object:
            throw ScheduleError(
                .badCrontab,
                "the crontab's \(field.rawValue) is \(json.kind); it must be a text, an integer or a list"
            )
        }
    }

    private static func member(_ json: JSON, field: CrontabField) throws(ScheduleError) -> Int {
        let value: Int
        if let number = json.int {
            value = number
        } else if let flag = json.bool {
            value = flag ? 1 : 0
        } else {
            throw ScheduleError(
                .badCrontab,
                "the crontab's \(field.rawValue) holds \(json.text()), which is no integer"
            )
        }
        guard field.range.contains(value) else {
            throw ScheduleError(
                .badCrontab,
                "the crontab's \(field.rawValue) holds \(value), which is not in \(field.range.lowerBound)–\(field.range.upperBound)"
            )
        }
        return value
    }

    /// The fields in RedBeat's form.
    public var redbeatJSON: JSON {
        var members: [(String, JSON)] = [("__type__", "crontab")]
        for field in CrontabField.allCases { members.append((field.rawValue, source[field] ?? "*")) }
        return .object(JSONObject(members))
    }

    /// The fields in cron's order: `30 2 * * *`.
    public var cronOrder: String {
        let order: [CrontabField] = [.minute, .hour, .dayOfMonth, .monthOfYear, .dayOfWeek]
        return order.map { field in
            let value = source[field] ?? "*"
            return value.string ?? value.text()
        }.joined(separator: " ")
    }
}

/// A set of small numbers as bits.
func bits(_ values: Set<Int>) -> UInt64 { values.reduce(0) { $0 | 1 << UInt64($1) } }

/// The members of a bit set, ascending.
func members(_ bits: UInt64) -> [Int] { (0..<64).filter { bits >> UInt64($0) & 1 == 1 } }
