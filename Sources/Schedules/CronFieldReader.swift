/// Reads one field of a cron expression, by the grammar of its dialect.
struct CronFieldReader {
    /// The expression, for messages.
    let expression: String
    /// Whose grammar.
    let dialect: CronExpression.Dialect

    /// A field.
    enum Field: Sendable {
        case minute, hour, dayOfMonth, month, dayOfWeek, second

        fileprivate var range: ClosedRange<Int> {
            switch self {
            case .minute, .second: 0...59
            case .hour: 0...23
            case .dayOfMonth: 1...31
            case .month: 1...12
            case .dayOfWeek: 0...7
            }
        }

        fileprivate var names: [String] {
            switch self {
            case .month:
                ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
            case .dayOfWeek: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
            default: []
            }
        }
    }

    /// What a field says.
    struct Values {
        /// Its numbers.
        var bits: UInt64 = 0
        /// Whether the last day of a month is among them.
        var last = false
        /// Whether a part of it is `*` or `?` without a step.
        var star = false
    }

    static func isStar(_ field: String) -> Bool { field == "*" || field == "?" || field == "*/1" }

    /// The values of a field.
    ///
    /// - Throws: `ScheduleError` with the code `bad-cron`.
    func read(_ field: String, _ place: Field) throws(ScheduleError) -> Values {
        var values = Values()
        let parts = field.split(separator: ",", omittingEmptySubsequences: dialect == .robfig)
        for part in parts.map(String.init) {
            if place == .dayOfMonth, isLastDay(part) {
                values.last = true
                continue
            }
            try add(part, of: field, place, to: &values)
        }
        return values
    }

    private func isLastDay(_ part: String) -> Bool {
        switch dialect {
        case .croniter: part.lowercased() == "l"
        case .pgCron: part == "$"
        case .vixie, .robfig: false
        }
    }

    /// The highest number of a field: that of weekdays is 6 where 7 is not Sunday too.
    private func highest(_ place: Field) -> Int {
        place == .dayOfWeek && dialect == .robfig ? 6 : place.range.upperBound
    }

    private func add(_ part: String, of field: String, _ place: Field, to values: inout Values) throws(ScheduleError) {
        let halves = part.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard halves.count <= 2, let body = halves.first, !body.isEmpty else { throw refusal(field, part) }
        var step = 1
        if halves.count == 2 {
            guard let value = number(halves[1]), value > 0 else { throw refusal(field, part) }
            // As far as any field goes, so that nothing is added beyond what numbers hold.
            step = min(value, 1000)
        }
        let isStepped = halves.count == 2
        let (from, to) = try bounds(body, place, of: part, isStepped: isStepped, field: field)
        let isAll = body == "*" || (body == "?" && dialect != .vixie && dialect != .pgCron)
        values.star = values.star || (isAll && step == 1)
        // A range that ends before it begins wraps round, in croniter alone.
        let size = place == .dayOfWeek ? 7 : place.range.upperBound - place.range.lowerBound + 1
        let top = place == .dayOfWeek ? 6 : place.range.upperBound
        var value = from
        let end = to < from ? to + size : to
        while value <= end {
            let folded = to < from && value > top ? value - size : value
            values.bits |= 1 << UInt64(folded)
            value += step
        }
    }

    private func bounds(_ body: String, _ place: Field, of part: String, isStepped: Bool, field: String)
        throws(ScheduleError) -> (Int, Int)
    {
        let all = (place.range.lowerBound, place == .dayOfWeek ? 6 : place.range.upperBound)
        if body == "*" { return all }
        if body == "?", dialect == .croniter || dialect == .robfig { return all }
        let ends = body.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        func value(_ text: String) throws(ScheduleError) -> Int {
            if let value = number(text), (place.range.lowerBound...highest(place)).contains(value) { return value }
            if let index = place.names.firstIndex(of: text.lowercased()) { return index + place.range.lowerBound }
            throw refusal(field, text)
        }
        if ends.count == 1 {
            let first = try value(ends[0])
            // A step after a single number is an error to Vixie's cron.
            if isStepped, dialect == .vixie || dialect == .pgCron { throw refusal(field, part) }
            return (first, isStepped ? all.1 : first)
        }
        guard ends.count == 2 else { throw refusal(field, body) }
        let found = (try value(ends[0]), try value(ends[1]))
        // Vixie's cron takes an empty range for one that is never due, which nobody means.
        if found.1 < found.0, dialect != .croniter { throw refusal(field, body) }
        return found
    }

    /// A number, of digits alone where the dialect takes no sign.
    private func number(_ text: String) -> Int? {
        guard dialect == .robfig || dialect == .croniter || text.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return Int(text)
    }

    private func refusal(_ field: String, _ part: String) -> ScheduleError {
        ScheduleError(
            .badCron,
            "the cron expression “\(expression)” has “\(part)” in its field “\(field)”, which is not understood"
        )
    }
}
