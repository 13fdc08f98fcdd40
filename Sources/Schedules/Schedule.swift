public import LosslessJSON

/// How the ticks of a schedule are read.
public enum Reading: String, Sendable, Hashable, CaseIterable {
    /// What the schedule means: what Celery's own arithmetic gives when each run happens at its tick.
    case intended
    /// What a RedBeat beat really does with it, late and lost runs at a change of the clock included.
    case run
}

/// When something is due, as a legacy system stores it.
public enum Schedule: Sendable, Hashable {
    case crontab(Crontab)
    case interval(Interval)
    case rrule(RecurrenceRule)
    case cron(CronExpression)

    /// Reads the `schedule` of a RedBeat definition.
    ///
    /// - Throws: `ScheduleError`: `unknown-schedule` for a type that RedBeat does not store, else the code of the type.
    public init(redbeat json: JSON) throws(ScheduleError) {
        guard let object = json.object else {
            throw ScheduleError(.unknownSchedule, "a schedule is an object, not \(json.kind)")
        }
        switch object["__type__"]?.string {
        case "crontab":
            var fields: [CrontabField: JSON] = [:]
            for member in object.members where member.key != "__type__" {
                guard let field = CrontabField(rawValue: member.key) else {
                    throw ScheduleError(
                        .badCrontab,
                        "the crontab has a field “\(member.key)” that Celery does not know; beat stops on it"
                    )
                }
                fields[field] = member.value
            }
            self = .crontab(try Crontab(fields))
        case "interval":
            guard let every = object["every"], case .number(let number) = every else {
                throw ScheduleError(
                    .badInterval,
                    "the interval's “every” is \(object["every"]?.text() ?? "missing"); it must be a number"
                )
            }
            guard let relative = object["relative"] else {
                throw ScheduleError(
                    .badInterval,
                    "the interval has no “relative”, without which RedBeat does not load it"
                )
            }
            self = .interval(
                try Interval(
                    seconds: number.double,
                    relative: relative.bool ?? (relative.int.map { $0 != 0 } ?? false),
                    text: number.lexeme
                )
            )
        case "rrule":
            self = .rrule(try RecurrenceRule(redbeat: json))
        case let type:
            throw ScheduleError(
                .unknownSchedule,
                "the schedule's type is \(type.map { "“\($0)”" } ?? "missing"); known are crontab, interval and rrule"
            )
        }
    }

    /// The schedule in RedBeat's form; nil for a cron expression, which RedBeat cannot hold (`storedJSON` can).
    public var redbeatJSON: JSON? {
        switch self {
        case .crontab(let crontab): crontab.redbeatJSON
        case .interval(let interval):
            [
                "__type__": "interval",
                "every": .number(JSONNumber(lexeme: interval.everyText) ?? JSONNumber(interval.seconds)),
                "relative": .bool(interval.relative),
            ]
        case .rrule(let rule): rule.source
        case .cron: nil
        }
    }

    /// A short text for tables: `30 2 * * *`, `every 90 s`, `rrule daily`.
    public var shortText: String {
        switch self {
        case .crontab(let crontab): crontab.cronOrder
        case .interval(let interval):
            "every " + Words.duration(interval.seconds) + (interval.relative ? " (relative)" : "")
        case .rrule(let rule): "rrule " + rule.frequency.name
        case .cron(let cron): cron.text
        }
    }

    /// The ticks strictly after an instant.
    ///
    /// - Parameter maxInterval: the longest sleep of beat in seconds (`beat_max_loop_interval`); only the reading `run` uses it.
    public func ticks(after start: Instant, in zone: Zone, as reading: Reading = .intended, maxInterval: Int = 300)
        -> Ticks
    {
        Ticks(self, after: start, in: zone, as: reading, maxInterval: maxInterval)
    }

    /// The first tick strictly after an instant; nil if none comes before `Instant.latest`.
    public func next(after start: Instant, in zone: Zone, as reading: Reading = .intended) -> Instant? {
        var ticks = self.ticks(after: start, in: zone, as: reading)
        return ticks.next()
    }

    /// The tick before one of its ticks; nil if that is the first.
    public func previous(before tick: Instant, in zone: Zone) -> Instant? {
        if case .interval(let interval) = self { return tick.adding(microseconds: -interval.microseconds) }
        return last(until: tick.adding(microseconds: -1), in: zone)
    }

    /// The last tick until an instant, which may be one itself; nil if there is none in the ten years before. Not for intervals, whose
    /// ticks follow from where they begin.
    public func last(until instant: Instant, in zone: Zone) -> Instant? {
        // Widening steps: the time taken follows from how far back the tick lies.
        var span: Int64 = 7200
        while span < 400_000_000 {
            var last: Instant?
            for tick in ticks(after: max(.earliest, instant.adding(seconds: -span)), in: zone) {
                if tick > instant { break }
                last = tick
            }
            if let last { return last }
            span *= 12
        }
        return nil
    }
}

/// Ticks in order that can be made many at once.
protocol TickSource {
    /// Fills the front of a buffer with the next ticks.
    ///
    /// - Parameter end: no tick is looked for after one that is not before this.
    /// - Returns: how many, which may be fewer than there is room for; 0 when there are no more.
    mutating func fill(_ buffer: UnsafeMutableBufferPointer<Instant>, until end: Instant) -> Int
}

extension TickSource where Self: IteratorProtocol<Instant> {
    /// Fills the front of a buffer one by one.
    mutating func fillSingly(_ buffer: UnsafeMutableBufferPointer<Instant>, until end: Instant) -> Int {
        var made = 0
        while made < buffer.count, let tick = next() {
            buffer[made] = tick
            made += 1
            if tick >= end { break }
        }
        return made
    }
}

/// The ticks of a schedule, in order, made as they are asked for: memory does not grow with their number.
public struct Ticks: Sequence, IteratorProtocol, TickSource, Sendable {
    private enum Walk: Sendable {
        case interval(Interval, Zone, last: Instant)
        case rule(RecurrenceTicks)
        case shown(ShownTicks)
        case robfig(RobfigTicks)
        indirect case beat(BeatTicks)
        case ended
    }
    // Apart from the others, and always there, for it changes in place: the payload of an enum would be copied at each tick.
    private var clock = WallClockTicks.none
    private var isClock = false
    private var walk = Walk.ended

    init(_ schedule: Schedule, after start: Instant, in zone: Zone, as reading: Reading, maxInterval: Int) {
        if reading == .run, BeatTicks.differs(schedule, zone: zone) {
            walk = .beat(BeatTicks(schedule, after: start, in: zone, maxInterval: maxInterval))
            return
        }
        switch schedule {
        case .crontab(let crontab): setClock(crontab.rule, zone, start)
        // Where no clock changes, they all say the same.
        case .cron(let cron) where zone.starts.count == 1 || zone.span(atUTC: start.seconds) == zone.starts.count - 1:
            setClock(cron.rule, zone, start)
        case .cron(let cron):
            switch cron.clock {
            case .shown, .fixed:
                walk = .shown(ShownTicks(cron.rule, zone: zone, after: start, isFixed: cron.clock == .fixed))
            case .robfig: walk = .robfig(RobfigTicks(cron.rule, zone: zone, after: start))
            }
        case .interval(let interval): walk = .interval(interval, zone, last: start)
        case .rrule(let rule): walk = .rule(RecurrenceTicks(rule, after: start))
        }
    }

    private mutating func setClock(_ rule: CalendarRule, _ zone: Zone, _ start: Instant) {
        clock = WallClockTicks(rule, zone: zone, after: start, change: .celery)
        isClock = true
    }

    mutating func fill(_ buffer: UnsafeMutableBufferPointer<Instant>, until end: Instant) -> Int {
        isClock ? clock.fill(buffer, until: end.seconds) : fillSingly(buffer, until: end)
    }

    public mutating func next() -> Instant? {
        if isClock { return clock.next().map { Instant(seconds: $0) } }
        let current = walk
        // The payload is taken out while it changes, so that its arrays are not copied; and it stays out at the end.
        walk = .ended
        switch current {
        case .ended:
            return nil
        case .interval(let interval, let zone, let last):
            let due = interval.due(after: last, in: zone)
            guard due > last, due < .latest else { return nil }
            walk = .interval(interval, zone, last: due)
            return due
        case .rule(var ticks):
            guard let next = ticks.next() else { return nil }
            walk = .rule(ticks)
            return Instant(seconds: next)
        case .shown(var ticks):
            guard let next = ticks.next() else { return nil }
            walk = .shown(ticks)
            return Instant(seconds: next)
        case .robfig(var ticks):
            guard let next = ticks.next() else { return nil }
            walk = .robfig(ticks)
            return Instant(seconds: next)
        case .beat(var ticks):
            guard let next = ticks.next() else { return nil }
            walk = .beat(ticks)
            return next
        }
    }
}
