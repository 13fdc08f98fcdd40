public import Schedules

/// Where a pipeline stands, told from what is true in the legacy systems first.
public struct PipelineStatus: Sendable, Hashable {
    /// How far it has come.
    public enum Stage: String, Sendable, Hashable, CaseIterable {
        /// It is in the plan, and nothing else is known of it.
        case planned
        /// Its DAG file is written.
        case generated
        /// Its runs are compared, or its gate asks.
        case shadowing
        /// The policy holds.
        case ready
        /// Legacy has lost its clock, and Airflow's window has not begun.
        case closing
        /// Airflow owns its ticks.
        case airflow
        /// It was given back to legacy.
        case rolledBack = "rolled-back"
        /// The bridge was taken away.
        case retired
        /// It has no legacy side, and its runs are trials.
        case trial
        /// It has no legacy side, and was launched.
        case live
        /// The switch could not be read.
        case unknown
    }

    /// Who ran a tick, or is to.
    public enum Runner: Sendable, Hashable {
        /// A DAG run, and what became of the tick.
        case airflow(run: String, how: String)
        /// Legacy; whether its own record of that was seen.
        case legacy(seen: Bool)
        /// It lies in Airflow's window, and no run has claimed it.
        case unclaimed
        /// A DAG run of a pipeline without a legacy side that is not launched: bodies ran only as their shadow modes allow.
        case trial(run: String)
        /// There is no run, and nobody was to make one.
        case nobody
        /// It could not be learnt.
        case unknown
    }

    /// A tick and who ran it.
    public struct Tick: Sendable, Hashable {
        /// The tick.
        public var tick: Instant
        /// Who.
        public var runner: Runner

        /// Makes one.
        public init(tick: Instant, runner: Runner) {
            self.tick = tick
            self.runner = runner
        }
    }

    /// The pipeline.
    public var pipeline: String
    /// How far it has come.
    public var stage: Stage
    /// The next tick; nil for a pipeline without a schedule.
    public var nextTick: Instant?
    /// Who owns it: `legacy`, `airflow`, `closing`; nil if that is not known.
    public var owner: SwitchState?
    /// Whether a legacy system stands for any of its ticks or jobs.
    public var hasLegacySide = true
    /// The last ticks, newest first.
    public var ticks: [Tick] = []
    /// The one thing it waits for.
    public var waitsFor: String = ""
    /// What could not be learnt, one sentence each.
    public var unknowns: [String] = []
    /// What the policy says, where that is known.
    public var policy: PolicyEvaluation?

    /// Makes a status.
    public init(pipeline: String, stage: Stage) {
        self.pipeline = pipeline
        self.stage = stage
    }

    /// Who ran recent ticks.
    ///
    /// - Parameters:
    ///   - due: recent ticks, in any order.
    ///   - record: the deciding switch; nil for none.
    ///   - seen: ticks at which legacy's own record shows a run.
    ///   - drift: microseconds within which a due tick is the one that was claimed: the ticks of an interval that legacy runs again stand on another
    ///     grid than the DAG's.
    public static func runners(of due: [Instant], record: SwitchRecord?, seen: Set<Instant>, drift: Int64 = 0) -> [Tick]
    {
        let claims = Dictionary((record?.claims ?? []).map { ($0.tick, $0) }, uniquingKeysWith: { first, _ in first })
        let others = due.filter { tick in !claims.keys.contains { abs($0.microseconds - tick.microseconds) < drift } }
        return Set(others).union(claims.keys).sorted(by: >).prefix(5).map { tick in
            if let claim = claims[tick] {
                return Tick(tick: tick, runner: .airflow(run: claim.run, how: claim.how.rawValue))
            }
            if record?.window(of: tick) != nil { return Tick(tick: tick, runner: .unclaimed) }
            return Tick(tick: tick, runner: .legacy(seen: seen.contains(tick)))
        }
    }

    /// The newest five ticks of a schedule until an instant; of an interval those that stand on a grid with a known run.
    public static func recent(_ schedule: Schedule, in zone: Zone, until now: Instant, anchor: Instant?) -> [Instant] {
        if case .interval(let interval) = schedule {
            guard let anchor, interval.microseconds > 0 else { return [] }
            // An anchor may be any that somebody wrote.
            let (span, overflows) = now.microseconds.subtractingReportingOverflow(anchor.microseconds)
            guard !overflows else { return [] }
            let newest = anchor.adding(microseconds: max(0, span / interval.microseconds) * interval.microseconds)
            return (0..<5).map { newest.adding(microseconds: -Int64($0) * interval.microseconds) }.filter { $0 <= now }
        }
        var ticks: [Instant] = []
        var until = now
        while ticks.count < 5, let last = schedule.last(until: until, in: zone) {
            ticks.append(last)
            until = last.adding(microseconds: -1)
        }
        return ticks
    }
}
