import Schedules

/// A sentence of a schedule's words, read back as English and nothing else: on which days it says that the schedule is due, and when.
struct Sentence {
    /// Whether it is due at all on a day, Sunday being 0.
    private(set) var onDay: (CivilDate, _ weekday: Int) -> Bool = { _, _ in true }
    /// Whether it is due at a time of day.
    private(set) var atTime: (_ hour: Int, _ minute: Int, _ second: Int) -> Bool = { _, _, _ in true }

    static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// `1–5, 7 or 9`; names count from where their list begins.
    static func numbers(_ text: some StringProtocol, names: [String] = [], from first: Int = 0) throws -> Set<Int> {
        func number(_ word: String) throws -> Int {
            if let index = names.firstIndex(of: word) { return index + first }
            guard let number = Int(word) else { throw Unreadable(text: String(text)) }
            return number
        }
        var values: Set<Int> = []
        for item in items(text) {
            let ends = try item.split(separator: "–").map { try number(String($0)) }
            guard let low = ends.first, let high = ends.last, low <= high else { throw Unreadable(text: item) }
            values.formUnion(low...high)
        }
        return values
    }

    static func items(_ text: some StringProtocol) -> [String] {
        String(text).replacing(" or ", with: ", ").split(separator: ", ").map(String.init)
    }

    struct Unreadable: Error { var text: String }
}

extension Sentence {
    /// Reads the sentence of a crontab or cron expression, without its zone.
    init(ofCron text: String) throws {
        var rest = text
        var inMonth: Set<Int>?
        if let split = rest.ranges(of: " in ").last,
            let list = try? Sentence.numbers(
                rest[split.upperBound...],
                names: Sentence.months,
                from: 1
            )
        {
            inMonth = list
            rest = String(rest[..<split.lowerBound])
        }
        let parts = rest.split(separator: " when the day is ")
        let days = parts.count > 1 ? try Sentence.days(String(parts[1])) : { _, _ in true }
        onDay = { date, weekday in inMonth?.contains(date.month) ?? true && days(date, weekday) }
        atTime = try Sentence.times(String(parts[0]))
    }

    private static func days(_ text: String) throws -> (CivilDate, Int) -> Bool {
        let sides = text.replacing(", and ", with: " and ").split(separator: " and ").map(String.init)
        let readings = try sides.map { try anyDay($0) }
        return { date, weekday in readings.allSatisfy { $0(date, weekday) } }
    }

    /// `25–31 or the month's last or a Sunday`.
    private static func anyDay(_ text: String) throws -> (CivilDate, Int) -> Bool {
        var numbers: Set<Int> = []
        var named: Set<Int> = []
        var last = false
        for item in items(text) {
            let word = item.replacing("either ", with: "").replacing("a ", with: "")
            if word == "the month's last" {
                last = true
            } else if let weekday = weekdays.firstIndex(of: word) {
                named.insert(weekday)
            } else {
                numbers.formUnion(try Sentence.numbers(word))
            }
        }
        return { date, weekday in
            numbers.contains(date.day) || named.contains(weekday)
                || (last && CivilDate(epochDay: date.epochDay + 1).day == 1)
        }
    }

    private static func times(_ text: String) throws -> (Int, Int, Int) -> Bool {
        let parts = text.split(separator: ", at second ")
        let seconds = parts.count > 1 ? try numbers(parts[1]) : [0]
        let minutes = try self.minutes(String(parts[0]))
        return { minutes($0, $1) && seconds.contains($2) }
    }

    private static func minutes(_ text: String) throws -> (Int, Int) -> Bool {
        if text.hasPrefix("at "), text.contains(":") {
            let clocks = try items(String(text.dropFirst(3)).replacing(" and ", with: ", ")).map { clock in
                let halves = clock.split(separator: ":").compactMap { Int($0) }
                guard halves.count == 2 else { throw Unreadable(text: clock) }
                return halves[0] * 60 + halves[1]
            }
            return { clocks.contains($0 * 60 + $1) }
        }
        let parts = text.split(separator: " of the hour")
        var hours: Set<Int>?
        if parts.count > 1 { hours = try numbers(parts[1].drop { $0 == "s" || $0 == " " }) }
        let head = String(parts[0]).replacing(" of every hour", with: "")
        func within(_ minute: @escaping (Int) -> Bool) -> (Int, Int) -> Bool {
            { (hours?.contains($0) ?? true) && minute($1) }
        }
        if head == "every minute" { return within { _ in true } }
        if head.hasPrefix("every "), let step = Int(head.dropFirst(6).prefix { $0.isNumber }) {
            return within { $0 % step == 0 }
        }
        let named = head.hasPrefix("at minutes ") ? head.dropFirst(11) : head.dropFirst(10)
        let listed = try numbers(named)
        return within { listed.contains($0) }
    }
}

extension Sentence {
    /// Reads the sentence of a rule of every year, month, week, day, hour, minute or second that says nothing of weeks, Easter or positions.
    init(ofRule text: String) throws {
        var days: [(CivilDate, Int) -> Bool] = []
        var (hours, minutes, seconds): (Set<Int>?, Set<Int>?, Set<Int>?)
        let clauses = text.split(separator: ", from ")[0].replacing(", ", with: "; ")
        // A clause goes on until the next that begins with a word of its own.
        for clause in Sentence.clauses(String(clauses)) {
            func rest(_ prefix: String) -> String? {
                clause.hasPrefix(prefix) ? String(clause.dropFirst(prefix.count)) : nil
            }
            if let list = rest("on day of the year ") {
                let chosen = try Sentence.fromEitherEnd(list)
                days.append { date, _ in
                    let length = CivilDate(year: date.year, month: 12, day: 31).dayOfYear
                    return chosen.contains(date.dayOfYear) || chosen.contains(date.dayOfYear - length - 1)
                }
            } else if let list = rest("on day of the month ") {
                let chosen = try Sentence.fromEitherEnd(list)
                days.append { date, _ in
                    let left = Sentence.lengthOfMonth(date) - date.day
                    return chosen.contains(date.day) || chosen.contains(-left - 1)
                }
            } else if let list = rest("on the ") {
                days.append(try Sentence.counted(list))
            } else if let list = rest("on ") {
                let chosen = try Sentence.numbers(list, names: Sentence.weekdays)
                days.append { _, weekday in chosen.contains(weekday) }
            } else if let list = rest("in ") {
                let chosen = try Sentence.numbers(list, names: Sentence.months, from: 1)
                days.append { date, _ in chosen.contains(date.month) }
            } else if let list = rest("at hour ") {
                hours = try Sentence.numbers(list)
            } else if let list = rest("minute ") {
                minutes = try Sentence.numbers(list)
            } else if let list = rest("second ") {
                seconds = try Sentence.numbers(list)
            } else if !clause.hasPrefix("every ") {
                throw Unreadable(text: clause)
            }
        }
        let all = days
        onDay = { date, weekday in all.allSatisfy { $0(date, weekday) } }
        atTime = {
            hours?.contains($0) ?? true && minutes?.contains($1) ?? true && seconds?.contains($2) ?? true
        }
    }

    private static func clauses(_ text: String) -> [String] {
        var found: [String] = []
        for part in text.split(separator: "; ").map(String.init) {
            let begins = ["every ", "on ", "in ", "at hour ", "minute ", "second "].contains { part.hasPrefix($0) }
            if begins || found.isEmpty { found.append(part) } else { found[found.count - 1] += ", " + part }
        }
        return found
    }

    /// `1, 5 or the 2nd last`, the last being -1.
    private static func fromEitherEnd(_ text: String) throws -> Set<Int> {
        var values: Set<Int> = []
        for item in items(text) {
            if item.hasSuffix("last") {
                values.insert(-(Int(item.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 1))
            } else {
                values.formUnion(try numbers(item))
            }
        }
        return values
    }

    /// `1st Monday or 2nd last Friday of the month`.
    private static func counted(_ text: String) throws -> (CivilDate, Int) -> Bool {
        let halves = text.split(separator: " of the ")
        let ofYear = halves[1] == "year"
        let chosen = try items(halves[0]).map { item in
            let words = item.split(separator: " ").map(String.init)
            guard let name = words.last, let weekday = weekdays.firstIndex(of: name), let first = words.first else {
                throw Unreadable(text: item)
            }
            let number = Int(first.prefix { $0.isNumber }) ?? 1
            return (number: words.contains("last") ? -number : number, weekday: weekday)
        }
        return { date, weekday in
            let day = ofYear ? date.dayOfYear : date.day
            let length = ofYear ? CivilDate(year: date.year, month: 12, day: 31).dayOfYear : lengthOfMonth(date)
            let numbers = [(day - 1) / 7 + 1, -((length - day) / 7 + 1)]
            return chosen.contains { $0.weekday == weekday && numbers.contains($0.number) }
        }
    }

    private static func lengthOfMonth(_ date: CivilDate) -> Int {
        let next =
            date.month == 12
            ? CivilDate(year: date.year + 1, month: 1, day: 1)
            : CivilDate(year: date.year, month: date.month + 1, day: 1)
        return CivilDate(epochDay: next.epochDay - 1).day
    }
}
