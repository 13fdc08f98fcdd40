import LosslessJSON
import Schedules

/// A schedule as a live worker tells it. `inspect conf` makes text of what JSON cannot hold: a timedelta becomes `2 days, 1:00:00`, a crontab
/// `<crontab: 0 2 * * * (m/h/dM/MY/d)>`. Recorded of Celery 5.2.7, 5.3.6, 5.4.0 and 5.7.0; the legend's order changed with 5.3.
enum ToldSchedule {
    /// Reads it.
    ///
    /// - Parameter relative: the entry's own `relative`, which counts for numbers and timedeltas alone.
    /// - Throws: `ScheduleError`: `unknown-schedule` for what the text has lost or Bailey does not know.
    static func read(_ told: JSON, relative: Bool) throws(ScheduleError) -> Schedule {
        switch told {
        case .number(let number):
            return .interval(try Interval(seconds: number.double, relative: relative, text: number.lexeme))
        case .string(let text):
            if let inside = inside(text, of: "crontab") { return .crontab(try crontab(inside, in: text)) }
            if inside(text, of: "freq") != nil {
                throw ScheduleError(
                    .unknownSchedule,
                    "the workers tell of it “\(text)” alone, which is rounded to two digits and says nothing of “relative”; "
                        + "write the schedule as a number or a timedelta, or start beat with RedBeat, which stores it exactly"
                )
            }
            if let seconds = timedelta(text) {
                return .interval(try Interval(seconds: seconds, relative: relative))
            }
            throw ScheduleError(.unknownSchedule, "the workers tell of it “\(text)”, which Bailey does not know")
        default:
            throw ScheduleError(.unknownSchedule, "a schedule is a number or a text, not \(told.kind)")
        }
    }

    /// What stands between `<name: ` and `>`.
    private static func inside(_ text: String, of name: String) -> Substring? {
        guard text.hasPrefix("<\(name): "), text.hasSuffix(">") else { return nil }
        return text.dropFirst(name.count + 3).dropLast()
    }

    // MARK: Crontabs

    private static let legend: [String: CrontabField] = [
        "m": .minute, "h": .hour, "dM": .dayOfMonth, "MY": .monthOfYear, "d": .dayOfWeek,
    ]

    private static func crontab(_ inside: Substring, in text: String) throws(ScheduleError) -> Crontab {
        guard let open = inside.lastIndex(of: "("), inside.hasSuffix(")") else {
            throw ScheduleError(.unknownSchedule, "“\(text)” does not say in which order its fields stand")
        }
        let order = inside[inside.index(after: open)...].dropLast().split(separator: "/").compactMap {
            legend[String($0)]
        }
        guard order.count == 5, Set(order).count == 5 else {
            throw ScheduleError(
                .unknownSchedule,
                "“\(text)” says the order of its fields in a way that Bailey does not know"
            )
        }
        let texts = words(inside[..<open])
        guard texts.count == 5 else {
            throw ScheduleError(
                .unknownSchedule,
                "“\(text)” has a space within a field, so that nobody can tell where the next one begins; write the field without spaces"
            )
        }
        var fields: [CrontabField: JSON] = [:]
        for (field, text) in zip(order, texts) { fields[field] = try value(text) }
        return try Crontab(fields)
    }

    /// The words of a text; spaces within brackets do not part them.
    private static func words(_ text: Substring) -> [Substring] {
        var depth = 0
        return text.split { character in
            if "[{(".contains(character) { depth += 1 }
            if "]})".contains(character) { depth -= 1 }
            return character == " " && depth == 0
        }
    }

    /// A field that was written as a text or a number, or the members of a list, tuple, set or range, as Python shows it.
    private static func value(_ text: Substring) throws(ScheduleError) -> JSON {
        var inside = text
        for name in ["frozenset", "set", "range"] where text.hasPrefix(name + "(") && text.hasSuffix(")") {
            inside = text.dropFirst(name.count + 1).dropLast()
            guard name == "range" else { return try value(inside) }
            let ends = try integers(inside, in: text)
            let range = ends.count == 1 ? [0, ends[0], 1] : ends.count == 2 ? ends + [1] : ends
            // Of a crontab's field no number is over 59, so a longer range is refused there, and not counted through here.
            guard range.count == 3, range[2] != 0, range.allSatisfy({ abs($0) < 1000 }) else { throw unknown(text) }
            return .array(stride(from: range[0], to: range[1], by: range[2]).map { .number(JSONNumber($0)) })
        }
        guard let first = text.first, "[{(".contains(first) else { return .string(String(text)) }
        return .array(try integers(text.dropFirst().dropLast(), in: text).map { .number(JSONNumber($0)) })
    }

    private static func integers(_ list: Substring, in text: Substring) throws(ScheduleError) -> [Int] {
        var found: [Int] = []
        for part in list.split(separator: ",") {
            let word = part.drop { $0 == " " }
            if word.isEmpty { continue }
            guard let number = Int(word) else { throw unknown(text) }
            found.append(number)
        }
        return found
    }

    private static func unknown(_ field: Substring) -> ScheduleError {
        ScheduleError(.unknownSchedule, "a crontab's field is told as “\(field)”, which Bailey does not know")
    }

    // MARK: Timedeltas

    /// The seconds of a timedelta as Python shows it: `0:05:00`, `2 days, 1:00:00.000005`, `-1 day, 23:59:00`.
    private static func timedelta(_ text: String) -> Double? {
        var rest = text[...]
        var days = 0
        if let comma = text.firstRange(of: ", ") {
            let words = text[..<comma.lowerBound].split(separator: " ")
            guard words.count == 2, words[1] == "day" || words[1] == "days", let count = Int(words[0]),
                abs(count) < 1_000_000_000
            else { return nil }
            days = count
            rest = text[comma.upperBound...]
        }
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ $0.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") } }),
            let hours = Int(parts[0]), (0..<24).contains(hours), let minutes = Int(parts[1]),
            (0..<60).contains(minutes),
            let seconds = Double(parts[2]), (0..<60).contains(seconds)
        else { return nil }
        return Double(days * 86_400 + hours * 3600 + minutes * 60) + seconds
    }
}
