public import Schedules

/// How long jobs of a type wait until a pipeline takes them, had they come as they came, beside how long they wait today. Not part of it is what
/// Airflow needs to begin a task.
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
    /// Seconds between two looks at the table, where due jobs start the pipeline; nil where its ticks do.
    public var look: Double?

    /// The waits of jobs that one pipeline takes.
    public static func waits(of types: [LegacyEntry], clock: PipelineClock) -> [JobWait] {
        guard let every = clock.jobsEvery else {
            return types.map { JobWait($0.id, history: $0.history, timetable: clock.timetable) }
        }
        let waits = untilTaken(types.map(\.history), every: every)
        return zip(types, waits).map { type, waits in
            var wait = JobWait(type.id, history: type.history, waits: waits)
            wait.look = every
            return wait
        }
    }

    /// How long each arrival waits, by type, where a run takes all that are due at a look, and the next one looks when it has ended: as long as
    /// the looks can be apart, and the runs as long as 95 of 100 jobs of the types that they took.
    private static func untilTaken(_ histories: [RunHistory?], every: Double) -> [[Double]] {
        var waits = histories.map { _ in [Double]() }
        let arrivals = histories.enumerated()
            .flatMap { type, history in (history?.arrived ?? []).map { (at: $0, type: type) } }
            .sorted { $0.at < $1.at }
        guard let first = arrivals.first?.at else { return waits }
        var next = 0
        var free = -Double.infinity
        while next < arrivals.count {
            let look = max(arrivals[next].at.seconds(since: first) + every, free)
            var length = 0.0
            while next < arrivals.count, case let (at, type) = arrivals[next], at.seconds(since: first) <= look {
                waits[type].append(look - at.seconds(since: first))
                length = max(length, histories[type]?.p95 ?? 0)
                next += 1
            }
            free = look + length
        }
        return waits
    }

    /// Reckons by a timetable.
    public init(_ entry: EntryID, history: RunHistory?, timetable: AirflowTimetable?) {
        let arrived = (history?.arrived ?? []).sorted()
        guard let first = arrived.first, let timetable else {
            self.init(entry, history: history, waits: [])
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
        self.init(entry, history: history, waits: waits)
    }

    private init(_ entry: EntryID, history: RunHistory?, waits: [Double]) {
        self.entry = entry
        todayMedian = history?.waitP50
        todayP95 = history?.waitP95
        let waits = waits.sorted()
        arrivals = waits.count
        guard !waits.isEmpty else { return }
        median = waits[waits.count / 2]
        p95 = waits[min(waits.count - 1, waits.count * 95 / 100)]
        most = waits.last
    }
}
