public import LosslessJSON

/// The form in which an inventory keeps schedules: RedBeat's own, and one beside it for what RedBeat has no form for.
extension Schedule {
    /// Reads a stored form.
    ///
    /// - Throws: `ScheduleError` as `init(redbeat:)`, or with the code `bad-cron` or `never-fires`.
    public init(stored json: JSON) throws(ScheduleError) {
        guard json["__type__"]?.string == "cron" else {
            try self.init(redbeat: json)
            return
        }
        guard let text = json["expression"]?.string else {
            throw ScheduleError(.badCron, "the cron schedule has no “expression”")
        }
        guard let dialect = json["dialect"]?.string.flatMap(CronExpression.Dialect.init(rawValue:)) else {
            throw ScheduleError(
                .unknownSchedule,
                "the cron schedule's dialect is \(json["dialect"]?.text() ?? "missing"); known are "
                    + CronExpression.Dialect.allCases.map(\.rawValue).joined(separator: ", ")
            )
        }
        self = .cron(try CronExpression(text, dialect: dialect))
    }

    /// The stored form: RedBeat's where it has one, else `{"__type__": "cron", "dialect", "expression"}`.
    public var storedJSON: JSON {
        guard case .cron(let cron) = self else { return redbeatJSON ?? .null }
        return [
            "__type__": "cron", "dialect": .string(cron.dialect.rawValue), "expression": .string(cron.text),
        ]
    }

    /// What Bailey's timetable in Airflow takes: RedBeat's form, or of a cron expression the sets it was read into, so that its grammar is known in
    /// one place.
    public var timetableJSON: JSON {
        guard case .cron(let cron) = self else { return redbeatJSON ?? .null }
        let rule = cron.rule
        var found: [(String, JSON)] = [
            ("__type__", "calendar"), ("expression", .string(cron.text)), ("clock", .string(cron.clock.rawValue)),
        ]
        func add(_ name: String, _ set: UInt64, all: UInt64) {
            if set != all { found.append((name, .array(members(set).map { .number(JSONNumber($0)) }))) }
        }
        add("seconds", rule.seconds, all: 1)
        add("minutes", rule.minutes, all: CalendarRule.allMinutes)
        add("hours", UInt64(rule.hours), all: UInt64(CalendarRule.allHours))
        add("days", UInt64(rule.daysOfMonth), all: UInt64(CalendarRule.allDaysOfMonth))
        add("months", UInt64(rule.months), all: UInt64(CalendarRule.allMonths))
        add("weekdays", UInt64(rule.weekdays), all: UInt64(CalendarRule.allWeekdays))
        if rule.lastDayOfMonth { found.append(("last_day", .bool(true))) }
        if rule.days == .or { found.append(("either_day", .bool(true))) }
        return .object(JSONObject(found))
    }

    /// A schedule as pg_cron reads it: a cron expression, or `N seconds` from 1 to 59.
    ///
    /// - Parameter version: of the extension, as `1.6`; nil where nobody knows.
    /// - Throws: `ScheduleError` with the code `bad-cron`, `bad-interval` or `never-fires`.
    public init(pgCron text: String, version: (Int, Int)?) throws(ScheduleError) {
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        if words.count == 2, words[1].lowercased() == "seconds" || words[1].lowercased() == "second" {
            guard version.map({ $0 >= (1, 5) }) ?? true, let seconds = Int(words[0]), (1...59).contains(seconds) else {
                throw ScheduleError(
                    .badInterval,
                    "“\(text)” is no interval of this pg_cron: it knows 1 to 59 seconds from version 1.5 on"
                )
            }
            self = .interval(try Interval(seconds: Double(seconds)))
            return
        }
        if text.contains("$"), let version, version < (1, 6) {
            throw ScheduleError(
                .badCron,
                "“\(text)” has “$”, the last day of a month, which pg_cron knows from version 1.6 on"
            )
        }
        self = .cron(try CronExpression(text, dialect: .pgCron))
    }

    /// A schedule as Kubernetes reads that of a CronJob: a cron expression, or `@every` with a duration of Go's.
    ///
    /// - Throws: `ScheduleError` with the code `bad-cron`, `bad-interval` or `never-fires`.
    public init(kubernetes text: String) throws(ScheduleError) {
        let prefix = "@every "
        guard text.hasPrefix(prefix) else {
            self = .cron(try CronExpression(text, dialect: .robfig))
            return
        }
        guard let seconds = GoDuration.seconds(text.dropFirst(prefix.count)) else {
            throw ScheduleError(.badInterval, "“\(text)” has no duration such as 90m or 1h30m")
        }
        // Less than a second is one, and parts of a second are cut off.
        self = .interval(try Interval(seconds: max(1, seconds.rounded(.down))))
    }
}

/// A duration as Go writes it: `1h30m`, `1.5h`, `-5s`.
enum GoDuration {
    private static let units: [(String, Double)] = [
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]

    /// Its seconds; nil if it is none, or none that Go can hold.
    static func seconds(_ text: Substring) -> Double? {
        var rest = text
        var sign = 1.0
        if let first = rest.first, first == "-" || first == "+" {
            sign = first == "-" ? -1 : 1
            rest = rest.dropFirst()
        }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { return nil }
        var seconds = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            guard digits.contains(where: { $0 != "." }),
                let value = Double(digits.hasSuffix(".") ? digits + "0" : digits)
            else { return nil }
            rest = rest[digits.endIndex...]
            let name = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            guard let unit = units.first(where: { $0.0 == name }) else { return nil }
            seconds += value * unit.1
            rest = rest[name.endIndex...]
        }
        return seconds < 9_223_372_036 ? sign * seconds : nil
    }
}
