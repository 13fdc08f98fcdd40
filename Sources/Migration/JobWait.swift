public import Schedules

/// How long jobs of a type wait until a pipeline takes them, had they come as they came, beside how long they wait today.
public struct JobWait: Sendable, Hashable {
    /// The job type.
    public var entry: EntryID
    /// How many recorded arrivals that rests on; 0 where none is recorded.
    public var arrivals: Int
    /// Seconds until the next tick, by the median; nil without arrivals.
    public var median: Double?
    /// That 95 of 100 wait at most.
    public var p95: Double?
    /// The longest.
    public var most: Double?
    /// Seconds that jobs wait today until a worker begins them, by the median; nil where nobody recorded it.
    public var todayMedian: Double?
    /// That 95 of 100 wait today at most.
    public var todayP95: Double?

    /// Reckons by a timetable.
    public init(_ entry: EntryID, history: RunHistory?, timetable: AirflowTimetable?) {
        self.entry = entry
        todayMedian = history?.waitP50
        todayP95 = history?.waitP95
        let arrived = (history?.arrived ?? []).sorted()
        guard let first = arrived.first, let timetable else {
            arrivals = 0
            return
        }
        var waits: [Double] = []
        var ticks = timetable.ticks(after: first.adding(microseconds: -1)).makeIterator()
        var tick = ticks.next()
        for at in arrived {
            // Years may lie between two arrivals: the walk begins anew rather than pass each tick.
            if let late = tick, at.seconds(since: late) > 86_400 {
                ticks = timetable.ticks(after: at.adding(microseconds: -1)).makeIterator()
                tick = ticks.next()
            }
            while let early = tick, early < at { tick = ticks.next() }
            guard let tick else { break }
            waits.append(tick.seconds(since: at))
        }
        waits.sort()
        arrivals = waits.count
        guard !waits.isEmpty else { return }
        median = waits[waits.count / 2]
        p95 = waits[min(waits.count - 1, waits.count * 95 / 100)]
        most = waits.last
    }
}
