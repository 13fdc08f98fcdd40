/// A cron expression of one of the dialects that PostgreSQL schedulers and Airflow use.
public struct CronExpression: Sendable, Hashable {
    /// Whose rules apply.
    public enum Dialect: String, Sendable, Hashable, CaseIterable {
        /// pg_cron: Vixie cron. The two day fields are ORed unless one of them begins with `*`; fields after the fifth are ignored.
        case vixie
        /// procrastinate, pgqueuer and Airflow: croniter. ORed if both are restricted; an optional sixth field holds seconds.
        case croniter
    }

    /// The expression as written.
    public let text: String
    /// Whose rules apply.
    public let dialect: Dialect
    /// The times.
    public let rule: CalendarRule
    /// Whether the hour field was a plain `*`, which changes how Airflow walks over a change of the clock.
    let everyHour: Bool

    /// Reads an expression.
    ///
    /// - Throws: `ScheduleError` with the code `bad-cron`, or `never-fires`.
    public init(_ text: String, dialect: Dialect) throws(ScheduleError) {
        let expanded = CronExpression.aliases[text.lowercased()] ?? text
        var fields = expanded.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        if dialect == .vixie, fields.count > 5 { fields = Array(fields.prefix(5)) }
        guard fields.count == 5 || (fields.count == 6 && dialect == .croniter) else {
            throw ScheduleError(.badCron, "the cron expression “\(text)” has \(fields.count) fields; it needs five")
        }
        let reader = CronFieldReader(expression: text)
        let minutes = try reader.read(fields[0], 0...59, names: [])
        let hours = try reader.read(fields[1], 0...23, names: [])
        let days = try reader.read(fields[2], 1...31, names: [], last: true)
        let months = try reader.read(fields[3], 1...12, names: CronFieldReader.months)
        let weekdays = try reader.read(fields[4], 0...7, names: CronFieldReader.weekdays)
        let seconds = fields.count == 6 ? try reader.read(fields[5], 0...59, names: []).bits : 1
        let folded = (weekdays.bits | weekdays.bits >> 7 & 1) & 0x7F
        let combination: CalendarRule.DayCombination
        switch dialect {
        case .vixie: combination = fields[2].hasPrefix("*") || fields[4].hasPrefix("*") ? .and : .or
        case .croniter:
            combination = CronFieldReader.isStar(fields[2]) || CronFieldReader.isStar(fields[4]) ? .and : .or
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
        guard exists || combination == .or else {
            throw ScheduleError(.neverFires, "no year has the days of “\(text)”: the expression never fires")
        }
    }

    private static let aliases = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
}

/// Reads one field of a cron expression.
private struct CronFieldReader {
    let expression: String

    static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    static let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    static func isStar(_ field: String) -> Bool { field == "*" || field == "?" || field == "*/1" }

    func read(
        _ field: String,
        _ range: ClosedRange<Int>,
        names: [String],
        last: Bool = false
    ) throws(ScheduleError) -> (bits: UInt64, last: Bool) {
        var result: UInt64 = 0
        var lastDay = false
        for part in field.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            if last, part.lowercased() == "l" || part == "$" {
                lastDay = true
                continue
            }
            let halves = part.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard halves.count <= 2, let body = halves.first, !body.isEmpty else { throw refusal(field, part) }
            var step = 1
            if halves.count == 2 {
                guard let value = Int(halves[1]), value > 0 else { throw refusal(field, part) }
                // As far as any field goes, so that nothing is added beyond what numbers hold.
                step = min(value, 1000)
            }
            let (from, to) = try bounds(body, range, names, stepped: halves.count == 2, field: field)
            var value = from
            // A range that ends before it begins wraps round.
            let size = range.upperBound == 7 ? 7 : range.upperBound - range.lowerBound + 1
            let end = to < from ? to + size : to
            while value <= end {
                let folded = to < from && value > (range.upperBound == 7 ? 6 : range.upperBound) ? value - size : value
                result |= 1 << UInt64(folded)
                value += step
            }
        }
        return (result, lastDay)
    }

    private func bounds(
        _ body: String,
        _ range: ClosedRange<Int>,
        _ names: [String],
        stepped: Bool,
        field: String
    ) throws(ScheduleError) -> (Int, Int) {
        if body == "*" || body == "?" { return (range.lowerBound, range.upperBound == 7 ? 6 : range.upperBound) }
        let ends = body.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        func number(_ text: String) throws(ScheduleError) -> Int {
            if let value = Int(text), range.contains(value) { return value }
            if let index = names.firstIndex(of: String(text.lowercased())) { return index + range.lowerBound }
            throw refusal(field, text)
        }
        if ends.count == 1 {
            let value = try number(ends[0])
            return (value, stepped ? (range.upperBound == 7 ? 6 : range.upperBound) : value)
        }
        guard ends.count == 2 else { throw refusal(field, body) }
        return (try number(ends[0]), try number(ends[1]))
    }

    private func refusal(_ field: String, _ part: String) -> ScheduleError {
        ScheduleError(
            .badCron,
            "the cron expression “\(expression)” has “\(part)” in its field “\(field)”, which is not understood"
        )
    }
}
