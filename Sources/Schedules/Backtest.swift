/// The ticks of legacy and of a generated DAG over a span, compared.
public struct Backtest: Sendable {
    /// How many ticks legacy has in the span.
    public let legacyTicks: Int
    /// How many the DAG has.
    public let airflowTicks: Int
    /// Where they differ, earliest first, up to the limit that was given.
    public let differences: [TickDifference]

    /// What a schedule means and what beat really does with it, each compared with a timetable; where beat does what is meant, once.
    public static func readings(
        of schedule: Schedule,
        in zone: Zone,
        timetable: AirflowTimetable,
        from: Instant,
        until: Instant
    ) -> (intended: Backtest, run: Backtest) {
        let intended = Backtest(schedule, in: zone, timetable: timetable, from: from, until: until, as: .intended)
        guard BeatTicks.differs(schedule, zone: zone) else { return (intended, intended) }
        return (intended, Backtest(schedule, in: zone, timetable: timetable, from: from, until: until, as: .run))
    }

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
        var legacy = TickBatches(schedule.ticks(after: from, in: zone, as: reading), until: until)
        var airflow = TickBatches(timetable.ticks(after: from), until: until)
        if TickBatches.areSame(&legacy, &airflow) {
            differences = []
        } else {
            legacy.countRest()
            airflow.countRest()
            differences = TickComparison(schedule: schedule, zone: zone, timetable: timetable)
                .differences(from: from, until: until, limit: limit, as: reading)
        }
        (legacyTicks, airflowTicks) = (legacy.count, airflow.count)
    }
}

/// Ticks before an instant, read batch by batch and counted.
private struct TickBatches {
    private var ticks: any TickSource
    private let until: Instant
    private var batch = [Instant](repeating: .earliest, count: TickQuery.batchSize)
    /// Of the batch, what was read and is not compared yet.
    private var fresh = 0..<0
    private var hasEnded = false
    /// How many were read.
    private(set) var count = 0

    init(_ ticks: some TickSource, until: Instant) {
        (self.ticks, self.until) = (ticks, until)
    }

    /// Whether both have the same ticks to the end; goes on from where the last batches ended, and stops at the first that differ.
    static func areSame(_ a: inout TickBatches, _ b: inout TickBatches) -> Bool {
        while true {
            a.refill()
            b.refill()
            let common = min(a.fresh.count, b.fresh.count)
            guard common > 0 else { return a.fresh.isEmpty && b.fresh.isEmpty }
            guard a.batch[a.fresh].prefix(common).elementsEqual(b.batch[b.fresh].prefix(common)) else { return false }
            a.fresh = a.fresh.dropFirst(common)
            b.fresh = b.fresh.dropFirst(common)
        }
    }

    mutating func countRest() {
        repeat {
            fresh = 0..<0
            refill()
        } while !fresh.isEmpty
    }

    private mutating func refill() {
        guard fresh.isEmpty, !hasEnded else { return }
        let until = until
        var made = batch.withUnsafeMutableBufferPointer { ticks.fill($0, until: until) }
        hasEnded = made == 0
        while made > 0, batch[made - 1] >= until {
            made -= 1
            hasEnded = true
        }
        fresh = 0..<made
        count += made
    }
}
