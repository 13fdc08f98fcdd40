public import Schedules

/// One claimed tick of a pipeline that Airflow owns, and how its run went.
public struct LiveTick: Sendable, Hashable {
    /// The tick.
    public var tick: Instant
    /// The DAG run that claimed it: `<dag_id>/<run_id>`.
    public var run: String
    /// When it claimed it.
    public var claimedAt: Instant
    /// Whether its tasks ran; a tick that was coalesced or dropped by the missed-tick policy runs none.
    public var ranTasks: Bool
    /// How they went; unknown where nobody could say, with the reason.
    public var state: Known<RunState>

    /// Makes a tick.
    public init(tick: Instant, run: String, claimedAt: Instant, ranTasks: Bool, state: Known<RunState>) {
        self.tick = tick
        self.run = run
        self.claimedAt = claimedAt
        self.ranTasks = ranTasks
        self.state = state
    }
}

/// What automatic rollback is decided by.
public struct LiveEvidence: Sendable {
    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at.
    public var now: Instant
    /// The ticks of the present window until now, in order: computed, not observed.
    public var due: [Instant]
    /// The claimed ticks of the present window, in any order.
    public var ticks: [LiveTick]
    /// Comparisons made since the window began.
    public var comparisons: [Comparison]

    /// Makes evidence.
    public init(pipeline: String, now: Instant, due: [Instant], ticks: [LiveTick], comparisons: [Comparison]) {
        self.pipeline = pipeline
        self.now = now
        self.due = due
        self.ticks = ticks
        self.comparisons = comparisons
    }
}

/// Why a pipeline is to be given back.
public struct RollbackReason: Sendable, Hashable {
    /// Which condition.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case failedRuns = "failed-runs"
        case late
        case mismatch
    }

    /// Which condition.
    public var kind: Kind
    /// The tick, run or comparison that fulfils it: the same event has the same text every time.
    public var event: String
    /// What was seen, one sentence without its full stop.
    public var text: String

    /// Makes a reason.
    public init(kind: Kind, event: String, text: String) {
        self.kind = kind
        self.event = event
        self.text = text
    }
}

extension CutoverPolicy {
    /// The fulfilled conditions of automatic rollback. A run of which nobody knows how it went fulfils none, and breaks a row of failures.
    public func rollbackReasons(_ live: LiveEvidence) -> [RollbackReason] {
        let ticks = live.ticks.sorted { $0.tick < $1.tick }
        return [failure(ticks), lateness(ticks, live), mismatch(live.comparisons)].compactMap { $0 }
    }

    private func failure(_ ticks: [LiveTick]) -> RollbackReason? {
        guard let limit = rollback.failedRuns else { return nil }
        // A run under way says nothing yet of those before it.
        let ended = ticks.reversed().filter { $0.ranTasks && $0.state != .known(.running) }
        let row = ended.prefix { $0.state == .known(.failed) }
        guard row.count >= limit, let newest = row.first else { return nil }
        return RollbackReason(
            kind: .failedRuns,
            event: newest.run,
            text:
                "the newest \(row.count == 1 ? "live run" : "\(row.count) live runs") failed, at last \(newest.run) of the tick \(newest.tick.iso8601)"
        )
    }

    private func lateness(_ ticks: [LiveTick], _ live: LiveEvidence) -> RollbackReason? {
        guard let limit = rollback.lateBy else { return nil }
        // A later claim stands for the ticks before it, as the pipeline's missed-tick policy says.
        if let tick = live.due.first(where: { tick in !ticks.contains { $0.tick >= tick } }),
            live.now.seconds(since: tick) > limit
        {
            return RollbackReason(
                kind: .late,
                event: tick.iso8601,
                text: "no run has claimed the tick \(tick.iso8601) within \(lengthOfTime(limit))"
            )
        }
        if let newest = ticks.last, newest.ranTasks, newest.claimedAt.seconds(since: newest.tick) > limit {
            let late = Int(newest.claimedAt.seconds(since: newest.tick))
            return RollbackReason(
                kind: .late,
                event: newest.tick.iso8601,
                text:
                    "the tick \(newest.tick.iso8601) was claimed \(late) s after it was due; \(lengthOfTime(limit)) is allowed"
            )
        }
        return nil
    }

    func mismatch(_ comparisons: [Comparison]) -> RollbackReason? {
        guard rollback.onMismatch else { return nil }
        let bad = comparisons.first { comparison in
            comparison.verdict == .mismatch
                && (comparison.differences.isEmpty
                    || comparison.differences.contains { difference in !tolerated.contains { $0.covers(difference) } })
        }
        guard let bad else { return nil }
        let what = bad.differences.first?.text ?? bad.reason ?? "one side did not run it"
        return RollbackReason(
            kind: .mismatch,
            event: bad.key.description,
            text: "\(bad.key) differs: \(what.withoutFullStop)"
        )
    }

    /// The rule of `retire`: so many of the newest live ticks succeeded, one after another.
    ///
    /// - Parameter next: when the DAG is due from now on, in order; read only as far as needed.
    public func cleanTicksLine(_ ticks: Known<[LiveTick]>, next: some Sequence<Instant>) -> PolicyLine {
        let known: [LiveTick]
        switch ticks {
        case .unknown(let why): return PolicyLine(.cleanTicks, .broken, why)
        case .known(let ticks): known = ticks
        }
        let ended = known.filter { $0.ranTasks && $0.state != .known(.running) }.sorted { $0.tick > $1.tick }
        let row = ended.prefix { $0.state == .known(.success) }
        let found = "\(row.count) of \(cleanTicks) live ticks in a row succeeded"
        if row.count >= cleanTicks { return PolicyLine(.cleanTicks, .pass, found) }
        let when = next.prefix(cleanTicks - row.count).reduce(into: (0, Instant?.none)) { $0 = ($0.0 + 1, $1) }
        let date = when.0 == cleanTicks - row.count ? when.1 : nil
        guard let before = ended.dropFirst(row.count).first else {
            return PolicyLine(.cleanTicks, .insufficient, found, when: date)
        }
        if case .unknown(let why) = before.state {
            return PolicyLine(.cleanTicks, .insufficient, "\(found); how \(before.run) went is not known: \(why)")
        }
        return PolicyLine(.cleanTicks, .fail, "\(found); \(before.run) before them failed", when: date)
    }
}
