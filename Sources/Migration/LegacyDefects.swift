public import Schedules

/// Where legacy did not fire as its own schedule means, told from when its recorded runs ended.
///
/// A run counts for the last tick before its end, so a run that takes longer than the schedule's step is laid to the next tick. What is
/// usual is learnt from legacy itself: a run is late if it ended more than a minute later after its tick than the median run.
public struct LegacyDefects: Sendable, Hashable {
    /// What was wrong with one tick.
    public enum Defect: Sendable, Hashable {
        /// No run ended between this tick and the next.
        case missed(tick: Instant)
        /// Its run ended so many seconds later than is usual.
        case late(tick: Instant, seconds: Double)
        /// So many runs ended between this tick and the next.
        case duplicate(tick: Instant, runs: Int)

        /// The tick.
        public var tick: Instant {
            switch self {
            case .missed(let tick), .late(let tick, _), .duplicate(let tick, _): tick
            }
        }

        /// `missed`, `late` or `duplicate`.
        public var kind: String {
            switch self {
            case .missed: "missed"
            case .late: "late"
            case .duplicate: "duplicate"
            }
        }
    }

    /// Seconds beyond the median that make a run late.
    public static let patience = 60.0
    /// The seconds before the latest run in which runs are looked at: 400 days.
    static let longestSpan: Int64 = 400 * 86_400

    /// How many ticks lie in the span of the recorded runs.
    public let ticks: Int
    /// How many runs were recorded.
    public let runs: Int
    /// What was wrong, earliest first.
    public let defects: [Defect]

    /// Looks at the recorded runs of one entry.
    ///
    /// - Parameter ended: when its runs ended, in any order.
    /// - Returns: nil where nothing can be told: no recorded run, or an interval, whose ticks follow from its own runs.
    public init?(schedule: Schedule, in zone: Zone, ended: [Instant]) {
        if case .interval = schedule { return nil }
        let sorted = ended.sorted()
        guard let latest = sorted.last else { return nil }
        // One record with an end of 1970 would have every minute since looked at.
        let ends = sorted.filter { $0 >= latest.adding(seconds: -LegacyDefects.longestSpan) }
        guard let earliest = ends.first,
            let origin = schedule.last(until: earliest, in: zone)
        else { return nil }
        var places: [(tick: Instant, ends: [Instant])] = [(origin, [])]
        for tick in schedule.ticks(after: origin, in: zone) {
            if tick > latest { break }
            places.append((tick, []))
        }
        var place = 0
        for end in ends {
            while place + 1 < places.count, places[place + 1].tick <= end { place += 1 }
            places[place].ends.append(end)
        }
        let delays = places.flatMap { place in place.ends.map { $0.seconds(since: place.tick) } }.sorted()
        let usual = delays[delays.count / 2]
        ticks = places.count
        runs = ends.count
        defects = places.compactMap { place in
            guard let first = place.ends.first else { return .missed(tick: place.tick) }
            if place.ends.count > 1 { return .duplicate(tick: place.tick, runs: place.ends.count) }
            let excess = first.seconds(since: place.tick) - usual
            return excess > LegacyDefects.patience ? .late(tick: place.tick, seconds: excess) : nil
        }
    }
}
