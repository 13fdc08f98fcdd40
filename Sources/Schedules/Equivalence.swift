/// Whether a legacy schedule and an Airflow timetable ever differ.
public enum Equivalence: Sendable, Hashable {
    /// They never differ from the start that was asked for until 2101, by the proof named.
    case equal(Proof)
    /// They differ: the first instants, earliest first.
    case different([TickDifference])
    /// Nothing was found up to an instant, but the rest was not looked at.
    case undecided(until: Instant)

    /// What the equality rests on.
    public enum Proof: String, Sendable, Hashable {
        /// The wall-clock times are the same on every day of the calendar, and the ticks are the same round every change of the clock.
        case calendar
        /// Both count the same distance from the same start.
        case samePeriod
        /// Bailey's timetable computes with the legacy schedule itself.
        case identity
        /// Every tick until 2101 was compared.
        case enumeration
    }
}

/// An instant at which one side is due and the other is not.
public struct TickDifference: Sendable, Hashable {
    /// The earlier of the instants concerned.
    public var at: Instant
    /// When the legacy side is due; nil if it is not.
    public var legacy: Instant?
    /// When the Airflow side is due; nil if it is not.
    public var airflow: Instant?
    /// The reason in words, with the local time, the zone and both instants.
    public var reason: String
}

extension Equivalence {
    /// Compares a legacy schedule's intended ticks with a timetable's, from an instant until 2101.
    ///
    /// - Parameter limit: the most differences to return.
    public static func compare(
        _ schedule: Schedule,
        in zone: Zone,
        with timetable: AirflowTimetable,
        from start: Instant,
        limit: Int = 10
    ) -> Equivalence {
        let comparison = TickComparison(schedule: schedule, zone: zone, timetable: timetable)
        switch (schedule, timetable) {
        case (let schedule, .exact(let other, let otherZone)) where schedule == other && zone == otherZone:
            return .equal(.identity)
        case (.interval(let interval), .delta(let microseconds))
        where !interval.relative && interval.microseconds == microseconds:
            return .equal(.samePeriod)
        case (.crontab(let crontab), .cron(let cron, let other)) where zone == other:
            return comparison.byCalendar(crontab.rule, [cron.rule], from: start, limit: limit)
        case (.crontab(let crontab), .multipleCron(let crons, let other)) where zone == other:
            return comparison.byCalendar(crontab.rule, crons.map(\.rule), from: start, limit: limit)
        case (.cron(let legacy), .cron(let cron, let other)) where zone == other:
            return comparison.byCalendar(legacy.rule, [cron.rule], from: start, limit: limit)
        case (.cron(let legacy), .multipleCron(let crons, let other)) where zone == other:
            return comparison.byCalendar(legacy.rule, crons.map(\.rule), from: start, limit: limit)
        default:
            return comparison.byEnumeration(from: start, limit: limit)
        }
    }

    /// Compares two legacy schedules: as `compare(_:in:with:from:limit:)` with Bailey's timetable for the second.
    public static func compare(
        _ first: Schedule,
        in zone: Zone,
        with second: Schedule,
        in otherZone: Zone,
        from start: Instant,
        limit: Int = 10
    ) -> Equivalence {
        let timetable = AirflowTimetable.exact(second, zone: otherZone)
        if case (.crontab(let a), .crontab(let b)) = (first, second), zone == otherZone {
            return TickComparison(schedule: first, zone: zone, timetable: timetable)
                .byCalendar(a.rule, [b.rule], from: start, limit: limit)
        }
        return compare(first, in: zone, with: timetable, from: start, limit: limit)
    }

    /// The first timetable that is proved equal: a stock one, several stock ones, else Bailey's own.
    public static func target(for schedule: Schedule, in zone: Zone, from start: Instant) -> (AirflowTimetable, Proof) {
        for candidate in AirflowTimetable.candidates(for: schedule, zone: zone) {
            if case .equal(let proof) = compare(schedule, in: zone, with: candidate, from: start, limit: 1) {
                return (candidate, proof)
            }
        }
        return (.exact(schedule, zone: zone), .identity)
    }
}
