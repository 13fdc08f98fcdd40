/// The ticks of legacy and of a generated DAG over a span, compared.
public struct Backtest: Sendable {
    /// How many ticks legacy has in the span.
    public let legacyTicks: Int
    /// How many the DAG has.
    public let airflowTicks: Int
    /// Where they differ, earliest first, up to the limit that was given.
    public let differences: [TickDifference]

    /// Compares every tick from an instant until another; memory does not grow with their number.
    ///
    /// - Parameters:
    ///   - reading: what the schedule means, or what beat really does with it.
    ///   - limit: the most differences to keep.
    public init(
        _ schedule: Schedule,
        in zone: Zone,
        timetable: AirflowTimetable,
        from: Instant,
        until: Instant,
        as reading: Reading,
        limit: Int = 20
    ) {
        func count(_ ticks: some Sequence<Instant>) -> Int {
            var count = 0
            for tick in ticks {
                if tick >= until { break }
                count += 1
            }
            return count
        }
        legacyTicks = count(schedule.ticks(after: from, in: zone, as: reading))
        airflowTicks = count(timetable.ticks(after: from))
        differences = TickComparison(schedule: schedule, zone: zone, timetable: timetable)
            .differences(from: from, until: until, limit: limit, as: reading)
    }
}
