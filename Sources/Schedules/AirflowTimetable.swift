/// A timetable of Airflow, with the ticks that the real class gives (measured on 3.3.2 and 2.11.0).
public enum AirflowTimetable: Sendable, Hashable {
    /// `CronTriggerTimetable`.
    case cron(CronExpression, zone: Zone)
    /// `MultipleCronTriggerTimetable` (3.x only).
    case multipleCron([CronExpression], zone: Zone)
    /// `DeltaTriggerTimetable`, its phase being that of the DAG's start date; microseconds.
    case delta(Int64)
    /// Bailey's own timetable, which follows the legacy schedule exactly.
    case exact(Schedule, zone: Zone)

    /// The ticks strictly after an instant; for a delta the instant is a tick.
    public func ticks(after start: Instant) -> AirflowTicks { AirflowTicks(self, after: start) }

    /// The first tick after an instant.
    ///
    /// - Parameter anchor: a tick, or a run of legacy, from which intervals are counted; however long ago it lies, few ticks are looked at.
    public func next(after instant: Instant, anchor: Instant?) -> Instant? {
        let step: Int64
        switch self {
        case .delta(let microseconds): step = microseconds
        case .exact(.interval(let interval), _): step = interval.microseconds
        case .cron, .multipleCron, .exact:
            // A day before is enough for a walk that adds elapsed time to have settled.
            let start = max(min(anchor ?? instant, instant), instant.adding(seconds: -86_400))
            return ticks(after: start).first { $0 > instant }
        }
        var start = anchor ?? instant
        if start < instant, step > 0 {
            // Whole steps lead from tick to tick; the last few are walked.
            let steps = (instant.microseconds - start.microseconds) / step
            start = start.adding(microseconds: max(0, steps - 2) * step)
        }
        return ticks(after: start).first { $0 > instant }
    }

    /// A short text: `CronTrigger 30 2 * * * Europe/Berlin`.
    public var shortText: String {
        switch self {
        case .cron(let cron, let zone): "CronTrigger “\(cron.text)” \(zone.name)"
        case .multipleCron(let crons, let zone):
            "MultipleCronTrigger " + crons.map { "“\($0.text)”" }.joined(separator: ", ") + " \(zone.name)"
        case .delta(let microseconds): "DeltaTrigger every \(Words.duration(Double(microseconds) / 1_000_000))"
        case .exact(let schedule, let zone): "Bailey's timetable, \(schedule.shortText) \(zone.name)"
        }
    }
}

/// The ticks of an Airflow timetable, in order.
public struct AirflowTicks: Sequence, IteratorProtocol, TickSource, Sendable {
    private let timetable: AirflowTimetable
    private var last: Instant
    private var single: WallClockTicks?
    private var exact: Ticks?

    init(_ timetable: AirflowTimetable, after start: Instant) {
        self.timetable = timetable
        last = start
        switch timetable {
        case .cron(let cron, let zone): single = AirflowTicks.walk(cron, zone, after: start)
        case .exact(let schedule, let zone): exact = schedule.ticks(after: start, in: zone)
        case .multipleCron, .delta: break
        }
    }

    mutating func fill(_ buffer: UnsafeMutableBufferPointer<Instant>, until end: Instant) -> Int {
        // What is there changes in place; one that is not has no more ticks than none.
        switch timetable {
        case .cron: single?.fill(buffer, until: end.seconds) ?? 0
        case .exact: exact?.fill(buffer, until: end) ?? 0
        case .delta, .multipleCron: fillSingly(buffer, until: end)
        }
    }

    public mutating func next() -> Instant? {
        switch timetable {
        case .cron:
            return single?.next().map { Instant(seconds: $0) }
        case .exact:
            return exact?.next()
        case .delta(let microseconds):
            last = last.adding(microseconds: microseconds)
            return last < .latest ? last : nil
        case .multipleCron(let crons, let zone):
            // Each is asked anew from the common last tick, as the class does.
            let next = crons.compactMap { cron in
                var ticks = AirflowTicks.walk(cron, zone, after: last)
                return ticks.next()
            }.min()
            guard let next else { return nil }
            last = Instant(seconds: next)
            return last
        }
    }

    private static func walk(_ cron: CronExpression, _ zone: Zone, after start: Instant) -> WallClockTicks {
        WallClockTicks(
            cron.rule,
            zone: zone,
            after: start,
            change: cron.everyHour ? .airflowElapsed : .airflowLastOccurrence
        )
    }
}

extension AirflowTimetable {
    /// The stock timetables that may say the same as a schedule, simplest first. Each must still be proved equal.
    public static func candidates(for schedule: Schedule, zone: Zone) -> [AirflowTimetable] {
        switch schedule {
        case .crontab(let crontab):
            return candidates(for: crontab.rule, zone: zone)
        case .cron(let cron):
            return candidates(for: cron.rule, zone: zone)
        case .interval(let interval):
            return interval.relative ? [] : [.delta(interval.microseconds)]
        case .rrule:
            return []
        }
    }

    private static func candidates(for rule: CalendarRule, zone: Zone) -> [AirflowTimetable] {
        let bothRestricted =
            rule.daysOfMonth != CalendarRule.allDaysOfMonth && rule.weekdays != CalendarRule.allWeekdays
        guard rule.seconds == 1, !rule.lastDayOfMonth, !(bothRestricted && rule.days == .and) else { return [] }
        func cron(hours: UInt32) -> CronExpression? {
            let fields = [
                field(rule.minutes, 0...59), field(UInt64(hours), 0...23), field(UInt64(rule.daysOfMonth), 1...31),
                field(UInt64(rule.months), 1...12), field(UInt64(rule.weekdays), 0...6),
            ]
            return try? CronExpression(fields.joined(separator: " "), dialect: .croniter)
        }
        guard let whole = cron(hours: rule.hours) else { return [] }
        var found: [AirflowTimetable] = [.cron(whole, zone: zone)]
        // With every hour listed Airflow adds elapsed time, which strays over a change of the clock; two halves do not.
        if rule.hours == CalendarRule.allHours, let night = cron(hours: 0xFFF), let day = cron(hours: 0xFFF000) {
            found.append(.multipleCron([night, day], zone: zone))
        }
        return found
    }

    /// A field as Airflow must see it: `*` only for the full range (a written-out full range counts as restricted), else integers, with
    /// ranges and steps where they say the same more shortly.
    private static func field(_ set: UInt64, _ range: ClosedRange<Int>) -> String {
        let values = members(set)
        if values.count == range.count { return "*" }
        if values.count > 2, let first = values.first, let last = values.last {
            let step = values[1] - first
            let regular = zip(values, values.dropFirst()).allSatisfy { $1 - $0 == step }
            if regular, step == 1 { return "\(first)-\(last)" }
            if regular, first == range.lowerBound, last + step > range.upperBound { return "*/\(step)" }
        }
        return values.map(String.init).joined(separator: ",")
    }
}
