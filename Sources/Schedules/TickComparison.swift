/// Compares the ticks of a legacy schedule and of an Airflow timetable.
struct TickComparison {
    let schedule: Schedule
    let zone: Zone
    let timetable: AirflowTimetable

    /// The ticks of both sides that the other does not have, after `from` and before `until`, earliest first.
    func differences(from: Instant, until: Instant, limit: Int, as reading: Reading = .intended) -> [TickDifference] {
        var legacy = schedule.ticks(after: from, in: zone, as: reading)
        var airflow = timetable.ticks(after: from)
        var a = legacy.next()
        var b = airflow.next()
        var onlyLegacy: [Instant] = []
        var onlyAirflow: [Instant] = []
        while let earliest = [a, b].compactMap({ $0 }).min(), earliest < until,
            onlyLegacy.count + onlyAirflow.count < limit * 2
        {
            if a == b {
                a = legacy.next()
                b = airflow.next()
            } else if a == earliest {
                onlyLegacy.append(earliest)
                a = legacy.next()
            } else {
                onlyAirflow.append(earliest)
                b = airflow.next()
            }
        }
        return Array(pair(onlyLegacy, onlyAirflow).prefix(limit))
    }

    /// Compares day by day of the calendar, and tick by tick round each change of the clock and on each day that is not the same.
    func byCalendar(_ legacy: CalendarRule, _ others: [CalendarRule], from start: Instant, limit: Int) -> Equivalence {
        var changes = zone.transitions(from: start.adding(seconds: -86_400), until: .latest).map {
            (from: max(start, $0.at.adding(seconds: -5 * 3600)), until: settled(after: $0.at.adding(seconds: 5 * 3600)))
        }[...]
        var found: [TickDifference] = []
        var reached = start
        func compare(_ span: (from: Instant, until: Instant)) {
            guard found.count < limit, span.until > reached else { return }
            // One microsecond earlier, so that a tick at the span's beginning counts.
            let from = max(span.from, reached)
            found += differences(
                from: from > start ? from.adding(microseconds: -1) : from,
                until: span.until,
                limit: limit - found.count
            )
            reached = span.until
        }
        // A day may differ on the wall clock and not in its ticks, so days are looked for until enough ticks differ.
        for day in DifferingDays(legacy, others, from: start, in: zone) where found.count < limit {
            let from = Instant(seconds: zone.utcSeconds(wall: Int64(day) * 86_400))
            while let change = changes.first, change.from < from {
                compare(change)
                changes.removeFirst()
            }
            compare((max(start, from), from.adding(seconds: 86_400)))
            if found.count >= limit { break }
        }
        changes.forEach(compare)
        return found.isEmpty ? .equal(.calendar) : .different(found)
    }

    /// The instant after a change of the clock from which both sides have a tick in common, so that they go on alike.
    private func settled(after instant: Instant) -> Instant {
        var legacy = schedule.ticks(after: instant, in: zone)
        guard let first = legacy.next(), let second = legacy.next() else { return instant }
        // Airflow's elapsed walk may stray until its second tick.
        return max(first, second).adding(seconds: 1)
    }

    /// Compares every tick until 2101, up to a few million.
    func byEnumeration(from start: Instant, limit: Int) -> Equivalence {
        var legacy = schedule.ticks(after: start, in: zone)
        var airflow = timetable.ticks(after: start)
        for _ in 0..<3_000_000 {
            let (a, b) = (legacy.next(), airflow.next())
            if a != b {
                let from = [a, b].compactMap { $0 }.min() ?? start
                return .different(differences(from: start, until: from.adding(seconds: 400 * 86_400), limit: limit))
            }
            if a == nil { return .equal(.enumeration) }
        }
        return .undecided(until: legacy.next() ?? .latest)
    }

    /// Ticks of both sides that stand for the same local time belong together.
    private func pair(_ onlyLegacy: [Instant], _ onlyAirflow: [Instant]) -> [TickDifference] {
        var free = onlyAirflow
        var found: [TickDifference] = []
        for legacy in onlyLegacy {
            let wall = zone.wallSeconds(at: legacy)
            let match = free.firstIndex { zone.wallSeconds(at: $0) == wall && abs($0.seconds - legacy.seconds) <= 7200 }
            let airflow = match.map { free.remove(at: $0) }
            found.append(describe(legacy: legacy, airflow: airflow))
        }
        found += free.map { describe(legacy: nil, airflow: $0) }
        return found.sorted { $0.at < $1.at }
    }

    private func describe(legacy: Instant?, airflow: Instant?) -> TickDifference {
        let at = [legacy, airflow].compactMap { $0 }.min() ?? .earliest
        let local = zone.local(at: at)
        let head =
            local.date.description + " " + String(local.clock.prefix(local.second == 0 ? 5 : 8)) + " " + zone.name
            + ": "
        func side(_ instant: Instant?) -> String {
            guard let instant else { return "not due" }
            let utc = LocalTime(wallSeconds: instant.seconds)
            let clock = "at " + String(utc.clock.prefix(utc.second == 0 ? 5 : 8)) + " UTC"
            return occurrence(of: instant).map { clock + ", the \($0) \(String(local.clock.prefix(5)))" } ?? clock
        }
        return TickDifference(
            at: at,
            legacy: legacy,
            airflow: airflow,
            reason: head + "legacy \(side(legacy)); Airflow \(side(airflow))"
        )
    }

    /// Which of the two occurrences of a repeated local time an instant is.
    private func occurrence(of instant: Instant) -> String? {
        let wall = zone.wallSeconds(at: instant)
        let first = zone.utcSeconds(wall: wall, .first)
        let second = zone.utcSeconds(wall: wall, .second)
        guard first < second else { return nil }
        return instant.seconds == first ? "first" : "second"
    }
}

/// The local days, since 1970, on which the wall-clock times of a rule and of several others together are not the same.
private struct DifferingDays: Sequence, IteratorProtocol {
    private let legacy: CalendarRule
    private let others: [CalendarRule]
    private let legacyTimes: TimesOfDay
    /// The times of the others that hold on a day, by which they are.
    private var times: [Int: TimesOfDay] = [:]
    private var day: Int

    init(_ legacy: CalendarRule, _ others: [CalendarRule], from start: Instant, in zone: Zone) {
        (self.legacy, self.others) = (legacy, others)
        legacyTimes = TimesOfDay([legacy])
        // Most timetables say a schedule's own rule, of which no day needs to be looked at.
        day = others == [legacy] ? .max : Int(zone.wallSeconds(at: start).floorDivided(by: 86_400)) - 1
    }

    mutating func next() -> Int? {
        let last = Int(Instant.latest.seconds / 86_400)
        while day < last {
            day += 1
            let date = CivilDate(epochDay: day)
            let weekday = CivilDate.weekday(epochDay: day)
            let a = legacy.matches(date, weekday: weekday)
            var mask = 0
            for (index, other) in others.enumerated() where other.matches(date, weekday: weekday) { mask |= 1 << index }
            if !a, mask == 0 { continue }
            if a, mask != 0 {
                let known = times[mask] ?? TimesOfDay(others.indices.filter { mask >> $0 & 1 == 1 }.map { others[$0] })
                times[mask] = known
                if known == legacyTimes { continue }
            }
            return day
        }
        return nil
    }
}

/// The times of day of one or more rules, as a set.
private struct TimesOfDay: Hashable {
    /// The minutes at which each hour is due, and the seconds within them.
    private var minutes = [UInt64](repeating: 0, count: 24)
    private var seconds: Set<UInt64> = []

    init(_ rules: [CalendarRule]) {
        for rule in rules {
            for hour in 0..<24 where rule.hours >> UInt32(hour) & 1 == 1 { minutes[hour] |= rule.minutes }
            seconds.insert(rule.seconds)
        }
    }
}
