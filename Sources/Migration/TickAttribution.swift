public import Schedules

/// Tells which run is that of which tick.
///
/// A run is that of a tick only by evidence: the scheduler's own clock moved, and the run followed it in the time that runs of this entry
/// take to follow; nothing says that another task made it; at most one run is that of a tick. What has no such evidence is not scheduled.
public struct TickAttribution: Sendable {
    /// What was told.
    public struct Answer: Sendable {
        /// The runs, judged.
        public var runs: [ObservedRun]
        /// The times at which the scheduler fired, earliest first, each with its run.
        public var fires: [Fire]
    }

    /// Seconds by which clocks of different hosts may disagree.
    public static let slack = 0.25
    /// Seconds after a fire in which a run may start at least, however fast the others are.
    public static let patience = 5.0

    private let schedule: Schedule
    private let zone: Zone

    /// Attribution for an entry of a schedule.
    public init(schedule: Schedule, zone: Zone) {
        self.schedule = schedule
        self.zone = zone
    }

    /// Judges runs.
    ///
    /// - Parameters:
    ///   - runs: the ended runs that made the entry's call, in any order.
    ///   - sightings: what the scheduler's record said, in any order.
    public func answer(runs: [ObservedRun], sightings: [ClockSighting]) -> Answer {
        var judged = runs.sorted { ($0.ended, $0.run) < ($1.ended, $1.run) }
        let candidates = judged.indices.filter { judged[$0].origin == nil }
        var fires = FireHistory(schedule: schedule, zone: zone)
            .fires(sightings: sightings, runs: candidates.map { judged[$0] })
        for index in judged.indices {
            judged[index].standing = .notScheduled
            judged[index].fired = nil
            judged[index].tick = nil
        }
        let places = Dictionary(judged.enumerated().map { ($0.element.run, $0.offset) }, uniquingKeysWith: { $1 })
        for fire in fires {
            if let run = fire.run, let place = places[run] { take(place, fire, .bySchedule, &judged) }
        }
        // Where the scheduler's clock is ahead of ours, it was seen to fire in the future.
        let skew = min(0, sightings.map { $0.seen.seconds(since: $0.last) }.min() ?? 0)
        let open = candidates.filter { judged[$0].standing == .notScheduled }
        var pairs: [(lag: Double, run: Int, fire: Int)] = []
        for index in open {
            let time = judged[index].reference
            // The few fires before it: one that ran longer than the interval is not that of the last.
            var place =
                FireHistory.place(after: time.adding(microseconds: Int64((TickAttribution.slack - skew) * 1e6)), fires)
                - 1
            var looked = 0
            while place >= 0, looked < 16 {
                if fires[place].run == nil {
                    pairs.append((abs(time.seconds(since: fires[place].at) - skew), index, place))
                }
                place -= 1
                looked += 1
            }
        }
        pairs.sort { ($0.lag, $0.run, $0.fire) < ($1.lag, $1.run, $1.fire) }
        let limit = limit(pairs, fires)
        var taken: [Int: (lag: Double, run: Int)] = [:]
        var isGiven: Set<Int> = []
        for pair in pairs where pair.lag <= limit && taken[pair.fire] == nil && !isGiven.contains(pair.run) {
            taken[pair.fire] = (pair.lag, pair.run)
            isGiven.insert(pair.run)
        }
        // Where runs had to wait, the first to begin is that of the first fire: in this order each still follows its fire.
        let order = taken.values.map(\.run).sorted { (judged[$0].reference, $0) < (judged[$1].reference, $1) }
        for (place, run) in zip(taken.keys.sorted(), order) {
            fires[place].run = judged[run].run
            take(run, fires[place], fires[place].isExact ? .tick : .bySchedule, &judged)
        }
        // One that is left over and followed a fire as closely as the one that was taken may as well be the fire's.
        for pair in pairs where pair.lag <= limit && !isGiven.contains(pair.run) {
            guard let other = taken[pair.fire], cannotTell(judged[other.run], judged[pair.run], pair.lag - other.lag),
                let first = fires[pair.fire].run.flatMap({ places[$0] })
            else { continue }
            judged[first].standing = .ambiguous
            take(pair.run, fires[pair.fire], .ambiguous, &judged)
            isGiven.insert(pair.run)
        }
        return Answer(runs: judged, fires: fires)
    }

    private func take(_ place: Int, _ fire: Fire, _ standing: ObservedRun.Standing, _ judged: inout [ObservedRun]) {
        judged[place].standing = standing
        judged[place].fired = fire.at
        judged[place].tick = fire.tick
    }

    /// How long after a fire its run may be seen: four times what is usual, learnt first from fires that were seen themselves.
    private func limit(_ pairs: [(lag: Double, run: Int, fire: Int)], _ fires: [Fire]) -> Double {
        func least(_ isExact: Bool) -> [Double] {
            var nearest: [Int: Double] = [:]
            for pair in pairs where !isExact || fires[pair.fire].isExact {
                nearest[pair.fire] = min(nearest[pair.fire] ?? .infinity, pair.lag)
            }
            return nearest.values.sorted()
        }
        let exact = least(true)
        let lags = exact.isEmpty ? least(false) : exact
        guard !lags.isEmpty else { return TickAttribution.patience }
        return max(TickAttribution.patience, 4 * lags[lags.count / 2])
    }

    /// Whether two runs follow a fire so closely after one another that nothing tells which of them it made.
    private func cannotTell(_ a: ObservedRun, _ b: ObservedRun, _ difference: Double) -> Bool {
        let isStartKnown = (a.sent ?? a.started) != nil && (b.sent ?? b.started) != nil
        return abs(difference) < (isStartKnown ? 0.02 : 0.5)
    }
}

extension ObservedRun {
    /// The moment that is nearest to when it was made.
    var reference: Instant { sent ?? started ?? ended }
}
