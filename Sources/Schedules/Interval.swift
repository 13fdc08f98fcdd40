/// A Celery interval: so long after each run, not at fixed times.
public struct Interval: Sendable, Hashable {
    /// The distance in microseconds, as Python's `timedelta` rounds it.
    public let microseconds: Int64
    /// Whether the due time is rounded down to the day, hour or minute that the interval measures.
    public let relative: Bool
    /// The text of `every`, kept so that it can be written back unchanged.
    public let everyText: String

    /// An interval of so many seconds.
    ///
    /// - Throws: `ScheduleError` with the code `bad-interval` for one of zero, less than zero, less than a microsecond, or over 1000 years.
    public init(seconds: Double, relative: Bool = false, text: String? = nil) throws(ScheduleError) {
        let shown = text ?? Interval.plain(seconds)
        guard seconds.isFinite, seconds > 0 else {
            throw ScheduleError(
                .badInterval,
                "an interval of \(shown) seconds never ends; it must be greater than zero"
            )
        }
        guard seconds < 31_557_600_000 else {
            throw ScheduleError(.badInterval, "an interval of \(shown) seconds is longer than a thousand years")
        }
        // CPython rounds timedelta(seconds=x) half to even, whole seconds apart from the fraction.
        let whole = seconds.rounded(.towardZero)
        let micro = ((seconds - whole) * 1_000_000).rounded(.toNearestOrEven)
        microseconds = Int64(whole) * 1_000_000 + Int64(micro)
        guard microseconds > 0 else {
            throw ScheduleError(.badInterval, "an interval of \(shown) seconds is less than a microsecond")
        }
        self.relative = relative
        everyText = shown
    }

    private static func plain(_ seconds: Double) -> String {
        seconds == seconds.rounded() && abs(seconds) < 1e15 ? String(Int64(seconds)) + ".0" : "\(seconds)"
    }

    /// Seconds.
    public var seconds: Double { Double(microseconds) / 1_000_000 }

    /// Seconds from one run to the next where each comes at its time: less than `seconds` if that is rounded down.
    var meanSeconds: Double {
        guard relative, microseconds >= 1_000_000 else { return seconds }
        return Double(microseconds / unit * unit) / 1_000_000
    }

    /// When it is due after a run; not after it for a relative interval of less than a second. As Celery 5.7.0's `remaining` computes it in a zone.
    public func due(after last: Instant, in zone: Zone) -> Instant {
        guard relative else { return last.adding(microseconds: microseconds) }
        return microseconds >= Interval.day ? dueOnDays(after: last, in: zone) : dueWithinDays(after: last, in: zone)
    }

    /// What a relative interval is rounded down to: the day, hour, minute or second that it measures.
    private var unit: Int64 {
        if microseconds >= Interval.day { return Interval.day }
        if microseconds >= Interval.hour { return Interval.hour }
        return microseconds >= Interval.minute ? Interval.minute : 1_000_000
    }

    private static let day: Int64 = 86_400_000_000
    private static let hour: Int64 = 3_600_000_000
    private static let minute: Int64 = 60_000_000

    /// Intervals of a day and more go by the calendar: the first midnight after the run that the added days lead to.
    private func dueOnDays(after last: Instant, in zone: Zone) -> Instant {
        let end = wall(of: last, in: zone) + microseconds
        let future = boundaries(ofWall: end, in: zone).filter { $0 > last }
        // Adding to a local time keeps the wall clock and drops the fold.
        return future.min() ?? instant(ofWall: end, in: zone)
    }

    private func dueWithinDays(after last: Instant, in zone: Zone) -> Instant {
        let end = last.adding(microseconds: microseconds)
        let endWall = wall(of: end, in: zone)
        var candidates = boundaries(ofWall: endWall, in: zone)
        let before = candidates.filter { $0 <= end }
        guard var rounded = before.max() ?? candidates.min() else { return end }
        if microseconds >= Interval.minute, rounded <= last {
            let unit = microseconds >= Interval.hour ? Interval.hour : Interval.minute
            candidates += boundaries(ofWall: endWall + unit, in: zone)
            candidates += boundaries(ofWall: wall(of: last, in: zone) + microseconds, in: zone)
            let future = candidates.filter { $0 > last }
            rounded = future.filter { $0 <= end }.max() ?? future.min() ?? end
        }
        return rounded
    }

    private func wall(of instant: Instant, in zone: Zone) -> Int64 {
        instant.microseconds + Int64(zone.offset(at: instant)) * 1_000_000
    }

    private func instant(ofWall wall: Int64, in zone: Zone) -> Instant {
        let second = wall.floorDivided(by: 1_000_000)
        return Instant(microseconds: zone.utcSeconds(wall: second) * 1_000_000 + (wall - second * 1_000_000))
    }

    /// A local time rounded down to what the interval measures, as instants: both readings where the clock repeats it; where the clock
    /// skips it, the time as far after the gap (dateutil's `resolve_imaginary`).
    private func boundaries(ofWall wall: Int64, in zone: Zone) -> [Instant] {
        let rounded = wall.floorDivided(by: unit) * unit
        let second = rounded / 1_000_000
        return [Zone.Occurrence.first, .second].map { Instant(seconds: zone.utcSeconds(wall: second, $0)) }
    }
}
