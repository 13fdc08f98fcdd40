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
    /// Times of the current period that are still to be given, last first, in epoch seconds.
    private var pending: [Int64] = []
    private var given = 0
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
        // Without a count nothing before the instant matters: begin in the period before it.
        if rule.count == nil { period = max(0, periods(until: self.after + Int64(rule.offset)) - 2) }
    }

    /// The next tick in epoch seconds; nil at the end of the rule, or of what is computed.
    mutating func next() -> Int64? {
        while !ended {
            while let time = pending.popLast() {
                if time < rule.start.seconds { continue }
                if time >= limit {
                    ended = true
                    return nil
                }
                if let count = rule.count {
                    given += 1
                    if given > count {
                        ended = true
                        return nil
                    }
                }
                if time > after { return time }
            }
            fill()
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
        var times: [Int64] = []
        for hour in rule.hours {
            for minute in rule.minutes {
                for second in rule.seconds { times.append(Int64(hour * 3600 + minute * 60 + second)) }
            }
        }
        pending = select(days: matching, times: times)
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
            let start = Int64(second)
            var times: [Int64] = []
            switch rule.frequency {
            case .hourly:
                for minute in rule.minutes {
                    for second in rule.seconds { times.append(start + Int64(minute * 60 + second)) }
                }
            case .minutely:
                for second in rule.seconds { times.append(start + Int64(second)) }
            default:
                times = [start]
            }
            pending = select(days: [Int(day)], times: times)
            return
        }
    }

    /// The times of a period in epoch seconds, last first, after `bysetpos`.
    private func select(days: [Int], times: [Int64]) -> [Int64] {
        let offset = Int64(rule.offset)
        func time(_ index: Int) -> Int64 {
            Int64(days[index / times.count]) * 86_400 + times[index % times.count] - offset
        }
        let size = days.count * times.count
        guard !rule.positions.isEmpty, !times.isEmpty else { return (0..<size).reversed().map(time) }
        let chosen = Set(rule.positions.map { $0 > 0 ? $0 - 1 : size + $0 }.filter { $0 >= 0 && $0 < size })
        return chosen.sorted(by: >).map(time)
    }
}
