/// A cron expression of one of the dialects that schedulers beside Celery use.
public struct CronExpression: Sendable, Hashable {
    /// Whose rules apply.
    public enum Dialect: String, Sendable, Hashable, CaseIterable {
        /// Debian's cron, which is Vixie's. The two day fields are ORed unless one of them begins with `*`; fields after the fifth are ignored.
        case vixie
        /// pg_cron: Vixie's grammar, read on the clock of its zone minute by minute; `$` is the last day of a month (from its version 1.6).
        case pgCron = "pg_cron"
        /// procrastinate, pgqueuer and Airflow: croniter. ORed if both are restricted; an optional sixth field holds seconds.
        case croniter
        /// Kubernetes: robfig/cron 3. ORed unless one of them holds a `*` or `?` without a step; a number with a step goes up to the end.
        case robfig
    }

    /// How an expression is read where the clock of its zone changes.
    public enum Clock: String, Sendable, Hashable, CaseIterable {
        /// It is due whenever the clock shows its time: twice in a repeated hour, not at all in a skipped one.
        case shown
        /// Once: a time that is skipped is made up for at once when the clock has moved, a repeated one is run the first time (Vixie's cron, of
        /// what has neither its minute nor its hour begin with `*`).
        case fixed
        /// As robfig/cron searches: along elapsed hours, so that where a clock moves by half an hour a time may be passed over.
        case robfig
    }

    /// The expression as written.
    public let text: String
    /// Whose rules apply.
    public let dialect: Dialect
    /// The times.
    public let rule: CalendarRule
    /// How they are read where the clock changes.
    public let clock: Clock
    /// Whether the hour field was a plain `*`, which changes how Airflow walks over a change of the clock.
    let everyHour: Bool

    /// Reads an expression.
    ///
    /// What a dialect's own program takes in a way that nobody would expect (Vixie's cron ignores what follows a `*`) is refused.
    /// - Throws: `ScheduleError` with the code `bad-cron`, or `never-fires`.
    public init(_ text: String, dialect: Dialect) throws(ScheduleError) {
        let alias = dialect == .croniter ? text.lowercased() : text
        let expanded = CronExpression.aliases[alias] ?? text
        var fields = expanded.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        let isVixie = dialect == .vixie || dialect == .pgCron
        if isVixie, fields.count > 5 { fields = Array(fields.prefix(5)) }
        guard fields.count == 5 || (fields.count == 6 && dialect == .croniter) else {
            throw ScheduleError(.badCron, "the cron expression “\(text)” has \(fields.count) fields; it needs five")
        }
        let reader = CronFieldReader(expression: text, dialect: dialect)
        let minutes = try reader.read(fields[0], .minute)
        let hours = try reader.read(fields[1], .hour)
        let days = try reader.read(fields[2], .dayOfMonth)
        let months = try reader.read(fields[3], .month)
        let weekdays = try reader.read(fields[4], .dayOfWeek)
        let seconds = fields.count == 6 ? try reader.read(fields[5], .second).bits : 1
        let folded = (weekdays.bits | weekdays.bits >> 7 & 1) & 0x7F
        let combination: CalendarRule.DayCombination
        switch dialect {
        case .vixie, .pgCron: combination = fields[2].hasPrefix("*") || fields[4].hasPrefix("*") ? .and : .or
        case .croniter:
            combination = CronFieldReader.isStar(fields[2]) || CronFieldReader.isStar(fields[4]) ? .and : .or
        case .robfig: combination = days.star || weekdays.star ? .and : .or
        }
        rule = CalendarRule(
            seconds: seconds,
            minutes: minutes.bits,
            hours: UInt32(hours.bits),
            daysOfMonth: UInt32(days.bits),
            months: UInt16(months.bits),
            weekdays: UInt8(folded),
            days: combination,
            lastDayOfMonth: days.last
        )
        switch dialect {
        case .vixie: clock = fields[0].hasPrefix("*") || fields[1].hasPrefix("*") ? .shown : .fixed
        case .pgCron, .croniter: clock = .shown
        case .robfig: clock = .robfig
        }
        everyHour = CronFieldReader.isStar(fields[1]) || hours.bits == UInt64(CalendarRule.allHours)
        self.text = text
        self.dialect = dialect
        let exists = (1...12).contains { month in
            months.bits >> UInt64(month) & 1 == 1
                && (days.last
                    || (1...CivilDate.daysInMonth(year: 2000, month: month)).contains {
                        days.bits >> UInt64($0) & 1 == 1
                    })
        }
        let byWeekday = combination == .or && folded != 0 && months.bits != 0
        guard (exists && (combination == .or || folded != 0)) || byWeekday, minutes.bits != 0, hours.bits != 0 else {
            throw ScheduleError(.neverFires, "no year has the days of “\(text)”: the expression never fires")
        }
    }

    private static let aliases = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
}
