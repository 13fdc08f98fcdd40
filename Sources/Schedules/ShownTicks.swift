/// The ticks of a cron expression that looks at the clock minute by minute, where that clock changes.
struct ShownTicks: Sendable {
    private var cursor: CalendarCursor
    private let zone: Zone
    /// Whether a time is due once, whatever the clock does.
    private let isFixed: Bool
    private let limit = Instant.latest.seconds
    /// The span of the zone that the last tick lies in, and the last wall second that was decided.
    private var span: Int
    private var wall: Int64

    /// Vixie's cron takes a jump of three hours or more for a correction, and makes up for nothing.
    private static let correction: Int64 = 3 * 3600

    /// The ticks strictly after an instant.
    init(_ rule: CalendarRule, zone: Zone, after start: Instant, isFixed: Bool) {
        cursor = CalendarCursor(rule)
        self.zone = zone
        self.isFixed = isFixed
        span = zone.span(atUTC: start.seconds)
        wall = start.seconds + Int64(zone.offsets[span])
        if isFixed, span > 0, isRepeating(span) { wall = max(wall, shownLast(before: span)) }
    }

    /// The next tick in epoch seconds; nil when none comes before the limit.
    mutating func next() -> Int64? {
        while true {
            let offset = Int64(zone.offsets[span])
            let isLast = span + 1 >= zone.starts.count
            let end = isLast ? Int64.max : zone.starts[span + 1] + offset
            if let candidate = cursor.next(after: wall, limit: limit + 86_400), candidate < end {
                wall = candidate
                return candidate - offset < limit ? candidate - offset : nil
            }
            if isLast || zone.starts[span + 1] >= limit { return nil }
            span += 1
            let shown = zone.starts[span] + Int64(zone.offsets[span])
            let jump = shown - end
            wall = shown - 1
            guard isFixed, abs(jump) < ShownTicks.correction else { continue }
            if jump < 0 {
                wall = end - 1
            } else if let skipped = cursor.next(after: end - 1, limit: limit + 86_400), skipped < shown {
                // What was skipped is run at once, together with what is due then anyway.
                wall = shown
                return zone.starts[span]
            }
        }
    }

    /// Whether the clock had shown the first times of a span before.
    private func isRepeating(_ span: Int) -> Bool {
        let jump = Int64(zone.offsets[span] - zone.offsets[span - 1])
        return jump < 0 && -jump < ShownTicks.correction
    }

    /// The last second that the clock showed before a span.
    private func shownLast(before span: Int) -> Int64 { zone.starts[span] + Int64(zone.offsets[span - 1]) - 1 }
}
