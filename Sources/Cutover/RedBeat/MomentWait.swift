import Legacy
import Migration
import Schedules

/// Finds the moment to close a group: nothing is due or about to be, best just after legacy has fired.
struct MomentWait {
    /// What to do now.
    enum Moment {
        /// Close, unless it is later than this.
        case now(notAfter: Instant?, lastRuns: [Instant?])
        /// Look again after so many seconds; why, where it is a reason to tell.
        case later(seconds: Double, why: String?)
        case refused(Refusal)
    }

    private let group: RedBeatGroup
    private let at: Instant?
    private let patience: Double
    /// Seconds from the load to the last fire of a beat, at most.
    private let lead: Double
    private var began: Instant?
    private var told: String?
    /// A tick whose gate was told that legacy runs it, and which legacy has not run yet.
    var shadowed: Instant?

    /// - Parameters:
    ///   - at: where Airflow's window is to begin; nil for now.
    ///   - patience: seconds to wait for legacy to run what is due. What it has not run within two of its loops and a minute, it will not.
    init(group: RedBeatGroup, at: Instant?, patience: Double?) {
        self.group = group
        self.at = at
        lead = Double(group.place.fence.longestTick) / 1_000_000
        self.patience = patience ?? 2 * lead + 60
    }

    mutating func look(_ status: SwitchStatus, zones: ZoneDatabase) throws -> Moment {
        let now = status.now
        if let at, now.adding(microseconds: Int64(lead * 1_000_000)) < at {
            let seconds = at.seconds(since: now) - lead
            return later(min(seconds, 60), "waiting for \(at.iso8601)")
        }
        let start = began ?? now
        began = start
        // A legacy that is always late (its clock is behind) runs what is due and has something else due at once: that too ends.
        let waited = now.seconds(since: max(start, at ?? start))
        let isEnough = waited > patience
        var lastRuns: [Instant?] = []
        var nextDue: Instant?
        var shortest = Double.infinity
        for (entry, found) in zip(group.entries, status.entries) {
            let ran = try RedBeatBytes.lastRun(found.meta, zones: zones)
            let last = ran?.instant
            lastRuns.append(last)
            guard entry.fires, let due = entry.due(after: last) else { continue }
            if let ran, let second = ran.secondPass, second <= now, entry.depends(on: second, due: due, now: now) {
                let refusal = repeated(entry, ran.instant, second)
                return isEnough ? .refused(refusal) : later(0.25, "waiting: \(refusal.found)")
            }
            if due <= now {
                if isEnough { return .refused(overdue(entry, due, last)) }
                let since = last == nil ? "it has never run" : "due since \(due.iso8601)"
                return later(0.05, waited > 2 ? "waiting until legacy has run \(entry.id) (\(since))" : nil)
            }
            nextDue = min(nextDue ?? due, due)
            if let last { shortest = min(shortest, due.seconds(since: last)) }
        }
        if let shadowed, let last = lastRuns.first ?? nil, last.adding(microseconds: group.slack ?? 0) < shadowed {
            if isEnough {
                return .refused(
                    Refusal(
                        .shadowed,
                        "legacy was to run the tick \(shadowed.iso8601) of \(group.entries[0].id), and its record does not show it",
                        "See whether a beat is running and what its log says"
                    )
                )
            }
            return later(0.05, "waiting until legacy has run the tick \(shadowed.iso8601)")
        }
        guard let nextDue else { return .now(notAfter: nil, lastRuns: lastRuns) }
        if let at, nextDue < at { return later(min(max(nextDue.seconds(since: now), 0.02), 1), nil) }
        // A tick that falls due before the fence has passed runs late. So close early in the gap between two, if one is long enough.
        let wanted = waited > patience / 3 ? 0.05 : min(lead, shortest / 2)
        let left = nextDue.seconds(since: now)
        if left < wanted, isEnough {
            return .refused(
                Refusal(
                    .restless,
                    "something of \(group.pipeline) was due at every moment for \(Int(waited)) s",
                    "Run it again when less is due, or with a longer --patience"
                )
            )
        }
        if left < wanted { return later(min(max(left, 0.01), 0.25), nil) }
        let margin = min(wanted / 2, 0.25)
        return .now(notAfter: nextDue.adding(microseconds: -Int64(margin * 1_000_000)), lastRuns: lastRuns)
    }

    private mutating func later(_ seconds: Double, _ why: String?) -> Moment {
        defer { told = why ?? told }
        return .later(seconds: seconds, why: why == told ? nil : why)
    }

    private func repeated(_ entry: RedBeatGroup.Entry, _ first: Instant, _ second: Instant) -> Refusal {
        Refusal(
            .repeatedHour,
            "beat keeps the last run of \(entry.id) in local time, and that hour is there twice where the clock goes back: it ran at \(first.iso8601) or at \(second.iso8601)",
            "Run the command again when beat has run it after that hour"
        )
    }

    private func overdue(_ entry: RedBeatGroup.Entry, _ due: Instant, _ last: Instant?) -> Refusal {
        Refusal(
            .overdue,
            last == nil
                ? "\(entry.id) has never run, so it is due at once, and legacy has not run it"
                : "\(entry.id) is due since \(due.iso8601), and legacy has not run it",
            "Start a beat and let it run what is due; if one runs, see whether its clock is behind. Then run the command again"
        )
    }
}

extension RedBeatTime {
    /// What it would be if its local time, which is there twice, were that of the second pass; nil if it is there once. RedBeat keeps no fold.
    fileprivate var secondPass: Instant? {
        let second = zone.instant(of: zone.local(at: instant), second: true)
        return second > instant ? second : nil
    }
}

extension RedBeatGroup.Entry {
    /// Whether it matters which of the two passes legacy ran in: only then is it due, or its next ticks follow that run.
    fileprivate func depends(on second: Instant, due: Instant, now: Instant) -> Bool {
        if case .interval = schedule { return true }
        return due <= now && self.due(after: second).map { $0 > now } ?? true
    }
}
