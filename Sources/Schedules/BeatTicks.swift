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
        let read = withoutFold(before)
        let due: Instant
        if read == before {
            guard let tick = intended.next() else { return nil }
            if zone.span(atUTC: tick.seconds) == zone.span(atUTC: before.seconds) {
                last = tick
                return tick
            }
            due = tick
        } else {
            guard let tick = schedule.next(after: read, in: zone) else { return nil }
            due = tick
        }
        let fire = max(due, before < due ? lookAgain(after: before) : before.adding(seconds: maxInterval))
        last = fire
        if fire != due || read != before { intended = schedule.ticks(after: withoutFold(fire), in: zone) }
        return fire < .latest ? fire : nil
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
