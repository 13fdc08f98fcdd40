/// The five fields of a crontab, with the limits that Celery gives them.
public enum CrontabField: String, Sendable, Hashable, CaseIterable {
    case minute, hour
    case dayOfWeek = "day_of_week"
    case dayOfMonth = "day_of_month"
    case monthOfYear = "month_of_year"

    /// The values it may hold.
    public var range: ClosedRange<Int> {
        switch self {
        case .minute: 0...59
        case .hour: 0...23
        case .dayOfWeek: 0...6
        case .dayOfMonth: 1...31
        case .monthOfYear: 1...12
        }
    }

    /// The values of a field written as text, as Celery 5.7's `crontab_parser` reads it.
    ///
    /// Its patterns are matched at the start of each part and what follows a match is ignored (`1-5-7` is `1-5`, `mon#1` is Monday);
    /// ranges wrap round; a step goes over the wrapped list; month and weekday names count in every field.
    /// - Throws: `ScheduleError` with the code `bad-crontab`.
    public func values(of text: String) throws(ScheduleError) -> Set<Int> {
        // Most fields are a star or a number.
        if text == "*" { return Set(range) }
        if text.utf8.count < 3, let number = Int(text), text.utf8.allSatisfy({ $0 >= 0x30 }), range.contains(number) {
            return [number]
        }
        var values: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard !part.isEmpty else { throw refusal(text, "an empty part") }
            values.formUnion(try self.values(ofPart: Array(part.unicodeScalars), in: text))
        }
        return values
    }

    private func values(ofPart part: [Unicode.Scalar], in text: String) throws(ScheduleError) -> [Int] {
        if let (from, to, end) = CrontabField.rangePrefix(part) {
            let list = try expand(from, to, in: text)
            guard end < part.count, part[end] == "/" else { return list }
            return try everyNth(list, CrontabField.word(part, from: end + 1), in: text)
        }
        if part[0] == "*" {
            if part.count > 1, part[1] == "/" {
                return try everyNth(Array(range), CrontabField.word(part, from: 2), in: text)
            }
            // Python's `$` also matches before a newline at the end.
            if part.count == 1 || (part.count == 2 && part[1] == "\n") { return Array(range) }
        }
        return [try number(part, in: text)]
    }

    /// `(\w+?)-(\w+)` at the start of a part.
    private static func rangePrefix(_ part: [Unicode.Scalar]) -> (
        from: [Unicode.Scalar], to: [Unicode.Scalar], end: Int
    )? {
        let first = word(part, from: 0)
        guard !first.isEmpty, first.count < part.count, part[first.count] == "-" else { return nil }
        let second = word(part, from: first.count + 1)
        return second.isEmpty ? nil : (first, second, first.count + 1 + second.count)
    }

    /// The characters from a position on that Python's `\w` matches.
    private static func word(_ part: [Unicode.Scalar], from start: Int) -> [Unicode.Scalar] {
        guard start < part.count else { return [] }
        return Array(
            part[start...].prefix { $0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil }
        )
    }

    private func expand(_ from: [Unicode.Scalar], _ to: [Unicode.Scalar], in text: String) throws(ScheduleError)
        -> [Int]
    {
        let (first, last) = (try number(from, in: text), try number(to, in: text))
        return last < first ? Array(first...range.upperBound) + Array(range.lowerBound...last) : Array(first...last)
    }

    private func everyNth(_ list: [Int], _ step: [Unicode.Scalar], in text: String) throws(ScheduleError) -> [Int] {
        guard !step.isEmpty else { throw refusal(text, "a “/” without a step") }
        guard let size = CrontabField.pythonInt(step) else {
            throw refusal(text, "the step “\(CrontabField.string(step))”, which is no number")
        }
        guard size != 0 else { throw refusal(text, "a step of 0") }
        return stride(from: 0, to: list.count, by: min(size, 1000)).map { list[$0] }
    }

    private func number(_ word: [Unicode.Scalar], in text: String) throws(ScheduleError) -> Int {
        guard word[0] != "-" else { throw refusal(text, "a negative number") }
        guard let value = CrontabField.pythonInt(word) ?? CrontabField.named(word) else {
            throw refusal(text, "“\(CrontabField.string(word))”, which is neither a number nor a name")
        }
        guard range.contains(value) else {
            throw refusal(text, "\(value), which is not in \(range.lowerBound)–\(range.upperBound)")
        }
        return value
    }

    private func refusal(_ text: String, _ found: String) -> ScheduleError {
        ScheduleError(.badCrontab, "the crontab's \(rawValue) “\(text)” has \(found)")
    }

    private static func string(_ scalars: [Unicode.Scalar]) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }

    /// What Python's `int()` makes of a text: white space round it, a sign, and single underscores between digits are allowed.
    static func pythonInt(_ word: [Unicode.Scalar]) -> Int? {
        var digits = word[...]
        while let first = digits.first, first.properties.isWhitespace { digits.removeFirst() }
        while let last = digits.last, last.properties.isWhitespace { digits.removeLast() }
        var sign = 1
        if let first = digits.first, first == "+" || first == "-" {
            sign = first == "-" ? -1 : 1
            digits.removeFirst()
        }
        var value = 0
        var lastWasDigit = false
        for scalar in digits {
            if scalar == "_", lastWasDigit {
                lastWasDigit = false
                continue
            }
            guard scalar.properties.numericType == .decimal, let digit = scalar.properties.numericValue.map({ Int($0) })
            else { return nil }
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, beyond) = product.addingReportingOverflow(digit)
            // What fits nowhere is out of every range.
            value = over || beyond ? Int.max / 10 : sum
            lastWasDigit = true
        }
        return lastWasDigit ? sign * value : nil
    }

    /// The number of a month (1–12) or weekday (Sunday 0) whose first three letters these are; months come first.
    private static func named(_ word: [Unicode.Scalar]) -> Int? {
        let key = string(Array(word.prefix(3))).lowercased()
        if let month = months.firstIndex(of: key) { return month + 1 }
        return weekdays.firstIndex(of: key)
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
}
