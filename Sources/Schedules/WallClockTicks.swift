/// How a wall-clock time is turned into an instant where the clock changes.
enum ClockChangeRule: Sendable, Hashable {
    /// Celery 5.3–5.7: the search goes on from what the clock shows at the last tick; a repeated time is its first occurrence only; a
    /// skipped one is read with the offset before the gap.
    case celery
    /// Airflow 2.11 and 3.3 with an hour field that is restricted: the same walk, but a repeated time is its second occurrence.
    case airflowLastOccurrence
    /// Airflow 2.11 and 3.3 with an hour field of `*`: the distance on the wall clock is added to the instant.
    case airflowElapsed
}

/// The ticks of a calendar rule in a zone, in order, without end.
struct WallClockTicks: Sendable {
    private var cursor: CalendarCursor
    private let zone: Zone
    private let change: ClockChangeRule
    private let occurrence: Zone.Occurrence
    private let limit: Int64
    /// What the clock showed at the last tick, in wall seconds, and the instant itself in epoch seconds.
    private var wall: Int64
    private var utc: Int64
    // The span the last tick was read in: from which wall second, until which, where its gap begins, and its offset.
    private var spanFrom: Int64 = 0
    private var spanTo: Int64 = 0
    private var gapFrom: Int64 = 0
    private var offset: Int64 = 0
    // The span the last tick of an elapsed walk lies in, in epoch seconds.
    private var elapsedFrom: Int64 = .max
    private var elapsedTo: Int64 = .min
    // The minutes of the present hour that are still to come, where the clock does not change in it, and the hour in epoch seconds.
    private var minutes: UInt64 = 0
    private var hour = Int64.min
    /// The times of a day in microseconds, made when whole days are asked for; none where seconds are restricted.
    private var times: [Int64] = []

    /// No ticks.
    static let none = WallClockTicks(
        CalendarRule(minutes: 0, hours: 0, daysOfMonth: 0, months: 0, weekdays: 0),
        zone: .utc,
        after: .latest,
        change: .celery
    )

    /// The ticks strictly after an instant, before `Instant.latest`.
    init(_ rule: CalendarRule, zone: Zone, after start: Instant, change: ClockChangeRule) {
        cursor = CalendarCursor(rule)
        self.zone = zone
        self.change = change
        occurrence = change == .airflowLastOccurrence ? .second : .first
        limit = Instant.latest.seconds
        utc = start.seconds
        wall = zone.wallSeconds(at: start)
    }

    /// The next tick in epoch seconds; nil when none comes before the limit.
    mutating func next() -> Int64? {
        if minutes != 0 {
            utc = hour + Int64(minutes.trailingZeroBitCount) * 60
            minutes &= minutes - 1
            return utc
        }
        return change == .airflowElapsed ? nextElapsed() : nextInAnotherHour()
    }

    /// Fills the front of a buffer with the next ticks, whole days at once where the clock runs evenly through them.
    ///
    /// - Parameter end: no tick is looked for after one that is not before this, in epoch seconds.
    /// - Returns: how many, which may be fewer than there is room for; 0 when no tick comes before the limit.
    mutating func fill(_ buffer: UnsafeMutableBufferPointer<Instant>, until end: Int64) -> Int {
        if times.isEmpty, change != .airflowElapsed { times = cursor.rule.wholeMinutesOfDay }
        let takesDays = !times.isEmpty && buffer.count >= times.count
        var made = 0
        while made < buffer.count, let tick = next() {
            if takesDays, let midnight = takeDay() {
                let start = Instant(seconds: midnight)
                for time in times {
                    buffer[made] = start.adding(microseconds: time)
                    made += 1
                }
            } else {
                buffer[made] = Instant(seconds: tick)
                made += 1
            }
            if utc >= end || (takesDays && buffer.count - made < times.count) { break }
        }
        return made
    }

    /// The midnight before the last tick in epoch seconds, if that tick is the first of its day and the clock runs evenly through the day;
    /// the walk then goes on after the day.
    private mutating func takeDay() -> Int64? {
        guard let first = times.first, let last = times.last else { return nil }
        let midnight = utc + offset - first / 1_000_000
        guard midnight % 86_400 == 0, midnight >= spanFrom, midnight + 86_400 <= min(spanTo, gapFrom),
            midnight + 86_400 - offset <= limit
        else { return nil }
        minutes = 0
        hour = .min
        wall = midnight + last / 1_000_000
        utc = wall - offset
        return midnight - offset
    }

    private mutating func nextInAnotherHour() -> Int64? {
        if hour != .min {
            // The hour was walked through without its wall time.
            wall = utc + offset
            hour = .min
        }
        while let candidate = cursor.next(after: wall, limit: limit + 86_400) {
            if candidate < spanFrom || candidate >= spanTo { enter(candidate) }
            let instant = candidate - offset
            // Inside a gap the clock really shows a later (or, read the other way, an earlier) time.
            wall = candidate >= gapFrom ? zone.wallSeconds(at: Instant(seconds: instant)) : candidate
            if instant > utc {
                utc = instant
                guard instant < limit else { return nil }
                takeHour(of: candidate)
                return instant
            }
            // The search began in the second pass of a repeated hour: go on along the wall clock.
            wall = max(wall, candidate)
        }
        return nil
    }

    /// Takes the rest of a time's hour at once, if the clock runs evenly through it.
    private mutating func takeHour(of candidate: Int64) {
        let start = candidate.floorDivided(by: 3600) * 3600
        let within = candidate - start
        guard cursor.rule.seconds == 1, start >= spanFrom, start + 3600 <= min(spanTo, gapFrom),
            start + 3600 - offset <= limit
        else { return }
        minutes = cursor.rule.minutes & (UInt64.max << UInt64(within / 60 + 1))
        hour = start - offset
    }

    private mutating func enter(_ candidate: Int64) {
        let index = zone.span(atWall: candidate, occurrence)
        let last = index + 1 >= zone.starts.count
        spanFrom = zone.wallStart(of: index, occurrence)
        spanTo = last ? .max : zone.wallStart(of: index + 1, occurrence)
        offset = Int64(zone.offsets[index])
        gapFrom = last ? .max : zone.starts[index + 1] + offset
    }

    private mutating func nextElapsed() -> Int64? {
        guard let candidate = cursor.next(after: wall, limit: limit + 86_400) else { return nil }
        utc += candidate - wall
        if utc < elapsedFrom || utc >= elapsedTo {
            let index = zone.span(atUTC: utc)
            elapsedFrom = zone.starts[index]
            elapsedTo = index + 1 < zone.starts.count ? zone.starts[index + 1] : .max
            offset = Int64(zone.offsets[index])
        }
        wall = utc + offset
        return utc < limit ? utc : nil
    }
}
