public import Schedules

/// The hours of the week in which something is allowed, on a wall clock.
public struct AllowedHours: Sendable, Hashable {
    /// The zone of the wall clock.
    public var zone: Zone
    /// The weekdays on which the hours begin, Sunday being 0.
    public var days: Set<Int>
    /// The first minute of the day, 0…1439.
    public var from: Int
    /// The first minute that is not allowed any more, 1…1440; not after `from`, it is of the day after.
    public var until: Int

    /// Makes hours.
    public init(zone: Zone, days: Set<Int> = Set(0...6), from: Int = 0, until: Int = 1440) {
        self.zone = zone
        self.days = days
        self.from = from
        self.until = until
    }

    /// Whether an instant lies in the hours.
    public func contains(_ instant: Instant) -> Bool {
        let local = zone.local(at: instant)
        let minute = local.hour * 60 + local.minute
        if from < until { return days.contains(local.date.weekday) && (from..<until).contains(minute) }
        // Past midnight the hours are those that began the day before.
        return days.contains(local.date.weekday) && minute >= from
            || days.contains((local.date.weekday + 6) % 7) && minute < until
    }

    /// The instant from which on it is allowed again; nil if no day is.
    public func opening(after instant: Instant) -> Instant? {
        let today = zone.local(at: instant).date.epochDay
        for day in today...today + 8 {
            let date = CivilDate(epochDay: day)
            guard days.contains(date.weekday) else { continue }
            let wall = Int64(day) * 86_400 + Int64(from) * 60
            let opens = zone.instant(of: LocalTime(wallSeconds: wall))
            if opens > instant, contains(opens) { return opens }
        }
        return nil
    }

    /// `Mon, Tue 09:00–16:00 Europe/Berlin`.
    public var text: String {
        let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let week = [1, 2, 3, 4, 5, 6, 0].filter(days.contains).map { names[$0] }
        let which = week.count == 7 ? "every day" : week.joined(separator: ", ")
        return "\(which) \(AllowedHours.clock(from))–\(AllowedHours.clock(until)) \(zone.name)"
    }

    private static func clock(_ minute: Int) -> String {
        String(LocalTime(wallSeconds: Int64(minute) * 60).clock.prefix(5)).replacing(
            "00:00",
            with: minute == 1440 ? "24:00" : "00:00"
        )
    }
}
