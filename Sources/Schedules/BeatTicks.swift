/// What a RedBeat 2.4.2 beat really fires in a zone whose clock changes.
///
/// Two of its steps are wall-clock arithmetic: the score at which it looks at an entry again is `last_run_at + delta` on the wall clock, so
/// that after the clock went back it looks an hour late (less its longest sleep, for it peeks that far ahead); and `last_run_at` is
/// stored without its fold, so that a run in the second pass of the repeated hour is read back as one in the first, and found overdue
/// at every wake-up until the hour ends.
struct BeatTicks: Sendable {
    private let schedule: Schedule
    private let zone: Zone
    private let maxInterval: Int64
    private var last: Instant
    private var intended: Ticks
    /// Part of a span of the zone, in epoch seconds: a run in it is read back as it was.
    private var quiet: Range<Int64> = 0..<0

    init(_ schedule: Schedule, after start: Instant, in zone: Zone, maxInterval: Int) {
        self.schedule = schedule
        self.zone = zone
        self.maxInterval = Int64(maxInterval)
        last = start
        intended = schedule.ticks(after: start, in: zone)
    }

    /// Whether beat can deviate at all: only where the offset changes.
    static func differs(_ schedule: Schedule, zone: Zone) -> Bool {
        if case .cron = schedule { return false }
        return zone.starts.count > 1
    }

    mutating func next() -> Instant? {
        let before = last
        if !quiet.contains(before.seconds) { quiet = quietPart(around: before) }
        let isQuiet = quiet.contains(before.seconds)
        guard let due = isQuiet ? intended.next() : schedule.next(after: withoutFold(before), in: zone) else {
            return nil
        }
        if isQuiet, due.seconds < quiet.upperBound {
            last = due
            return due
        }
        let fire = max(due, before < due ? lookAgain(after: before) : before.adding(seconds: maxInterval))
        last = fire
        if fire != due || !isQuiet { intended = schedule.ticks(after: withoutFold(fire), in: zone) }
        return fire < .latest ? fire : nil
    }

    /// The span of an instant without the second pass of an hour that it repeats.
    private func quietPart(around instant: Instant) -> Range<Int64> {
        let index = zone.span(atUTC: instant.seconds)
        let end = index + 1 < zone.starts.count ? zone.starts[index + 1] : .max
        let repeated = index > 0 ? max(0, zone.offsets[index - 1] - zone.offsets[index]) : 0
        return min(zone.starts[index] + Int64(repeated), end)..<end
    }

    /// The moment from which beat looks at the entry again after a run: its score, less the span it peeks ahead.
    private func lookAgain(after run: Instant) -> Instant {
        guard let due = schedule.next(after: run, in: zone) else { return run }
        let delta = due.microseconds - run.microseconds
        let wall = zone.wallSeconds(at: run) + delta.floorDivided(by: 1_000_000)
        let score = Instant(seconds: zone.utcSeconds(wall: wall, .first))
        return score.adding(seconds: -maxInterval)
    }

    private func withoutFold(_ instant: Instant) -> Instant {
        let read = zone.utcSeconds(wall: zone.wallSeconds(at: instant), .first)
        return instant.adding(seconds: read - instant.seconds)
    }
}
