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
        let within = candidate % 3600
        let start = candidate - within
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
