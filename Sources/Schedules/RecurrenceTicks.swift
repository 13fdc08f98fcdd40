/// The ticks of a recurrence rule strictly after an instant, in order.
struct RecurrenceTicks: Sendable {
    /// The end of the year 9999, where Python's calendar ends; a rule has a fixed offset, so no zone file limits it.
    private static let endOfCalendar: Int64 = 253_402_300_800

    private let rule: RecurrenceRule
    /// The rule's interval, or what leads beyond the calendar in one step.
    private let interval: Int
    private let after: Int64
    private let limit: Int64
    /// The start on its own wall clock.
    private let origin: Int64
    /// The number of the next period since the start.
    private var period: Int64 = 0
    /// Times of the current period that are still to be given.
    private var pending = PeriodTimes(days: [], times: [], offset: 0, positions: [])
    /// The times of a day of a rule whose periods are days or longer.
    private var timesOfDay: [Int64] = []
    /// How many times of a rule that has a count have gone by.
    private var given = 0
    /// How many times a day has on which the first step of a rule within the day comes at a second, by that second.
    private var countsOfDays: [Int: Int] = [:]
    private var ended = false

    init(_ rule: RecurrenceRule, after: Instant) {
        self.rule = rule
        self.after = after.seconds
        limit = min(RecurrenceTicks.endOfCalendar, rule.until.map { $0.seconds + 1 } ?? .max)
        let wall = rule.start.seconds + Int64(rule.offset)
        switch rule.frequency {
        case .hourly: origin = wall.floorDivided(by: 3600) * 3600
        case .minutely: origin = wall.floorDivided(by: 60) * 60
        case .secondly: origin = wall
        default: origin = wall.floorDivided(by: 86_400) * 86_400
        }
        interval = min(rule.interval, Int(RecurrenceTicks.endOfCalendar * 2 / RecurrenceTicks.length(rule.frequency)))
        ended = !rule.positionsExist
        if rule.frequency < .hourly {
            timesOfDay = RecurrenceTicks.times(hours: rule.hours, minutes: rule.minutes, seconds: rule.seconds)
        }
        // Without a count nothing before the instant matters: begin in the period before it.
        if rule.count == nil { period = max(0, periods(until: self.after + Int64(rule.offset)) - 2) }
    }

    /// The next tick in epoch seconds; nil at the end of the rule, or of what is computed.
    mutating func next() -> Int64? {
        while !ended {
            if let time = pending.popFirst() {
                given += 1
                if time < limit, given <= rule.count ?? .max { return time }
                ended = true
            } else {
                fill()
                _ = pending.drop(before: rule.start.seconds)
                given += pending.drop(before: after + 1)
                if let count = rule.count, given >= count { ended = true }
            }
        }
        return nil
    }

    /// The number of whole periods from the origin to a wall time, about; never too many.
    private func periods(until wall: Int64) -> Int64 {
        let distance = max(0, wall - origin)
        return distance / (RecurrenceTicks.length(rule.frequency) * Int64(interval))
    }

    /// The seconds of the longest period of a frequency.
    private static func length(_ frequency: RecurrenceRule.Frequency) -> Int64 {
        switch frequency {
        case .yearly: 366 * 86_400
        case .monthly: 31 * 86_400
        case .weekly: 7 * 86_400
        case .daily: 86_400
        case .hourly: 3600
        case .minutely: 60
        case .secondly: 1
        }
    }

    private mutating func fill() {
        switch rule.frequency {
        case .yearly, .monthly, .weekly, .daily: fillDays()
        case .hourly, .minutely, .secondly: fillTimes()
        }
    }

    // MARK: Periods of days

    private mutating func fillDays() {
        let start = CivilDate(epochDay: Int(origin / 86_400))
        let step = Int(period) * interval
        var days: ClosedRange<Int>
        switch rule.frequency {
        case .yearly:
            let year = start.year + step
            days = CivilDate(year: year, month: 1, day: 1).epochDay...CivilDate(year: year, month: 12, day: 31).epochDay
        case .monthly:
            let month = start.month - 1 + step
            let first = CivilDate(year: start.year + month / 12, month: month % 12 + 1, day: 1)
            days = first.epochDay...(first.epochDay + CivilDate.daysInMonth(year: first.year, month: first.month) - 1)
        case .weekly:
            // The first week begins on the day of the start, as dateutil's does.
            let intoWeek = ((start.weekday + 6) % 7 - rule.weekStart + 7) % 7
            let week = start.epochDay - intoWeek + step * 7
            days = (period == 0 ? start.epochDay : week)...(week + 6)
        default:
            days = (start.epochDay + step)...(start.epochDay + step)
        }
        period += 1
        if Int64(days.lowerBound) * 86_400 - Int64(rule.offset) >= limit {
            ended = true
            return
        }
        let periodYear = CivilDate(epochDay: days.lowerBound).year
        let matching = days.filter { rule.matches(CivilDate(epochDay: $0), periodYear: periodYear) }
        pending = select(days: matching, times: timesOfDay)
    }

    // MARK: Periods within a day

    private mutating func fillTimes() {
        let unit = Int64(rule.frequency.secondsWithinDay ?? 86_400)
        let step = unit * Int64(interval)
        while true {
            let wall = origin + period * step
            if wall - Int64(rule.offset) >= limit {
                ended = true
                return
            }
            let day = wall.floorDivided(by: 86_400)
            let second = Int(wall - day * 86_400)
            let date = CivilDate(epochDay: Int(day))
            if rule.count != nil, Int64(second) < step, step < 86_400, isPast(day) {
                // Counted, not made: there may be thousands on each of many thousand days.
                if rule.matches(date, periodYear: date.year) { given += countOfDay(firstStep: second, step: Int(step)) }
                period += (86_400 - Int64(second) + step - 1) / step
                continue
            }
            let skipTo: Int64?
            if !rule.matches(date, periodYear: date.year) {
                skipTo = (day + 1) * 86_400
            } else if !rule.hours.isEmpty, !rule.hours.contains(second / 3600) {
                skipTo = day * 86_400 + Int64(second / 3600 + 1) * 3600
            } else if unit < 3600, !rule.minutes.isEmpty, !rule.minutes.contains(second / 60 % 60) {
                skipTo = day * 86_400 + Int64(second / 60 + 1) * 60
            } else if unit == 1, !rule.seconds.isEmpty, !rule.seconds.contains(second % 60) {
                skipTo = wall + 1
            } else {
                skipTo = nil
            }
            if let skipTo {
                period += max(1, (skipTo - wall + step - 1) / step)
                continue
            }
            period += 1
            pending = select(days: [Int(day)], times: times(ofStep: second))
            return
        }
    }

    /// Whether a day begins after the rule's own first day and ends before the instant after which ticks are asked for.
    private func isPast(_ day: Int64) -> Bool {
        let midnight = day * 86_400 - Int64(rule.offset)
        return midnight >= rule.start.seconds && midnight + 86_400 <= after
    }

    /// How many times a day has whose first step comes at a second.
    private mutating func countOfDay(firstStep: Int, step: Int) -> Int {
        if let known = countsOfDays[firstStep] { return known }
        let each = select(days: [0], times: times(ofStep: 0)).count
        let steps = stride(from: firstStep, to: 86_400, by: step).filter { second in
            (rule.hours.isEmpty || rule.hours.contains(second / 3600))
                && (rule.frequency == .hourly || rule.minutes.isEmpty || rule.minutes.contains(second / 60 % 60))
                && (rule.frequency != .secondly || rule.seconds.isEmpty || rule.seconds.contains(second % 60))
        }
        countsOfDays[firstStep] = steps.count * each
        return steps.count * each
    }

    /// The seconds of the day of a step within it.
    private func times(ofStep second: Int) -> [Int64] {
        let within =
            switch rule.frequency {
            case .hourly: RecurrenceTicks.times(hours: [0], minutes: rule.minutes, seconds: rule.seconds)
            case .minutely: RecurrenceTicks.times(hours: [0], minutes: [0], seconds: rule.seconds)
            default: [Int64(0)]
            }
        return within.map { Int64(second) + $0 }
    }

    private static func times(hours: [Int], minutes: [Int], seconds: [Int]) -> [Int64] {
        hours.flatMap { hour in
            minutes.flatMap { minute in seconds.map { Int64(hour * 3600 + minute * 60 + $0) } }
        }
    }

    private func select(days: [Int], times: [Int64]) -> PeriodTimes {
        PeriodTimes(days: days, times: times, offset: Int64(rule.offset), positions: rule.positions)
    }
}
