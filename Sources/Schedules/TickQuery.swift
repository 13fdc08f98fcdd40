public import LosslessJSON

/// One question of `bailey ticks --stdin --json`, and its answer.
///
/// A question is `{"tz","schedule","from","count","as"}`: the IANA zone, the RedBeat JSON of the schedule, epoch seconds, the number of
/// ticks wanted strictly after `from`, and `intended` (the default) or `run`. An optional `until` (epoch seconds) ends the ticks before it.
public struct TickQuery: Sendable {
    /// The zone.
    public var zone: Zone
    /// The schedule.
    public var schedule: Schedule
    /// Ticks strictly after this are given.
    public var from: Instant
    /// Ticks before this are given.
    public var until: Instant?
    /// The most ticks to give.
    public var count: Int
    /// How the schedule is read.
    public var reading: Reading

    /// Makes a question.
    ///
    /// - Throws: `ScheduleError` with the code `bad-span` for a span outside 1970–2100 or one that ends before it begins.
    public init(
        zone: Zone,
        schedule: Schedule,
        from: Instant,
        until: Instant? = nil,
        count: Int,
        reading: Reading = .intended
    ) throws(ScheduleError) {
        guard from >= .earliest, from < .latest else {
            throw ScheduleError(.badSpan, "the span begins at \(from.seconds) s; ticks are computed from 1970 to 2100")
        }
        if let until {
            guard until >= from, until <= .latest else {
                throw ScheduleError(
                    .badSpan,
                    "the span ends at \(until.seconds) s; it must end after it begins, and before 2101"
                )
            }
        }
        guard count >= 0 else { throw ScheduleError(.badRequest, "“count” is \(count); it must not be negative") }
        self.zone = zone
        self.schedule = schedule
        self.from = from
        self.until = until
        self.count = count
        self.reading = reading
    }

    /// Reads a question.
    ///
    /// - Throws: `ScheduleError` with what is wrong and in which key.
    public init(_ json: JSON, zones: ZoneDatabase) throws(ScheduleError) {
        guard let object = json.object else {
            throw ScheduleError(.badRequest, "a question is an object, not \(json.kind)")
        }
        guard let name = object["tz"]?.string else { throw ScheduleError(.badRequest, "“tz” is missing or no text") }
        guard let stored = object["schedule"] else { throw ScheduleError(.badRequest, "“schedule” is missing") }
        guard let from = try TickQuery.instant(object["from"], "from") else {
            throw ScheduleError(.badRequest, "“from” is missing")
        }
        let until = try TickQuery.instant(object["until"], "until")
        let count = object["count"]?.int ?? (object["count"] == nil && until != nil ? Int.max : nil)
        guard let count else { throw ScheduleError(.badRequest, "“count” is missing or no integer") }
        var reading = Reading.intended
        if let given = object["as"], !given.isNull {
            guard let known = given.string.flatMap(Reading.init(rawValue:)) else {
                throw ScheduleError(.badRequest, "“as” is \(given.text()); it must be “intended” or “run”")
            }
            reading = known
        }
        try self.init(
            zone: try zones.zone(name),
            schedule: try Schedule(stored: stored),
            from: from,
            until: until,
            count: count,
            reading: reading
        )
    }

    private static func instant(_ value: JSON?, _ key: String) throws(ScheduleError) -> Instant? {
        guard let value, !value.isNull else { return nil }
        guard let seconds = value.double, seconds.isFinite else {
            throw ScheduleError(.badRequest, "“\(key)” is \(value.text()); it must be seconds since 1970")
        }
        guard seconds >= 0, seconds <= Instant.latest.timestamp else {
            throw ScheduleError(.badSpan, "“\(key)” is \(value.text()); ticks are computed from 1970 to 2100")
        }
        if let whole = value.int { return Instant(seconds: Int64(whole)) }
        return Instant(timestamp: seconds)
    }

    /// The most ticks of a batch: all of a day's minutes, twice over and more.
    static let batchSize = 1 << 12

    /// Gives the ticks in order, in batches, none of them empty.
    ///
    /// - Returns: Why there are fewer than asked for: `exhausted`, the schedule fires no more before 2101; `non-advancing`, a relative
    ///   interval of less than a second is due at once, always; `until`; nil if there are not.
    public func batches(_ body: (ArraySlice<Instant>) throws -> Void) rethrows -> String? {
        let end = until ?? Instant(microseconds: .max)
        var ticks = schedule.ticks(after: from, in: zone, as: reading)
        var batch = [Instant](repeating: from, count: min(count, TickQuery.batchSize))
        var wanted = count
        var last = from
        while wanted > 0 {
            let room = min(wanted, batch.count)
            let made = batch.withUnsafeMutableBufferPointer { buffer in
                ticks.fill(UnsafeMutableBufferPointer(rebasing: buffer[..<room]), until: end)
            }
            guard made > 0 else {
                // An interval goes on for ever: one that ended before the last year's end stood still.
                if case .interval(let interval) = schedule,
                    last.microseconds + interval.microseconds < Instant.latest.microseconds
                {
                    return "non-advancing"
                }
                return "exhausted"
            }
            var used = made
            while used > 0, batch[used - 1] >= end { used -= 1 }
            if used > 0 { try body(batch[..<used]) }
            if used < made { return "until" }
            last = batch[used - 1]
            wanted -= used
        }
        return nil
    }
}

extension Instant {
    /// Seconds since the epoch as a JSON number, exact: `1795417028` or `1795417028.305759`.
    public var secondsText: String {
        let whole = seconds
        let fraction = Int(microseconds - whole * 1_000_000)
        guard fraction != 0 else { return String(whole) }
        var digits = padded(fraction, 6)
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}
