package import Legacy
package import Migration
package import Schedules

/// From which last run RedBeat is to go on with an entry, so that no tick is lost or doubled by the restart of beat.
package struct AdoptionSeed: Sendable {
    /// The last run.
    package var lastRun: Instant
    /// What it is taken from.
    package var evidence: String
    /// Why it may be wrong, and what then happens; nil if it cannot be.
    package var doubt: String?
    /// What happens at the change that people should know of, though nothing is lost or doubled by it.
    package var note: String?

    /// What is known when beat was stopped.
    package struct Known: Sendable {
        /// When it was stopped.
        package var stopped: Instant
        /// How far that may be wrong, in seconds.
        package var within: Double
        /// What is under way; nil where nobody could be asked.
        package var busy: CeleryBusy?
        /// Whether recorded results name their tasks.
        package var isNamed: Bool
    }

    /// The seed of an entry.
    ///
    /// - Parameter ended: when its recorded runs ended, oldest first.
    package init(_ entry: LegacyEntry, _ schedule: Schedule, zone: Zone, ended: [Instant], known: Known) {
        if case .interval(let interval) = schedule {
            self = AdoptionSeed.ofInterval(entry, interval, ended, known, zone)
        } else {
            self = AdoptionSeed.ofCalendar(entry, schedule, zone, ended, known)
        }
    }

    private init(_ lastRun: Instant, _ evidence: String, doubt: String? = nil, note: String? = nil) {
        self.lastRun = lastRun
        self.evidence = evidence
        self.doubt = doubt
        self.note = note
    }

    /// A calendar's ticks are known; only one that was due when beat was stopped needs to be seen.
    private static func ofCalendar(
        _ entry: LegacyEntry,
        _ schedule: Schedule,
        _ zone: Zone,
        _ ended: [Instant],
        _ known: Known
    ) -> AdoptionSeed {
        let margin = Int64(known.within * 1_000_000)
        let edge = known.stopped.adding(microseconds: margin)
        guard let last = schedule.last(until: edge, in: zone) else {
            return AdoptionSeed(known.stopped, "it was never due before beat was stopped")
        }
        guard known.stopped.adding(microseconds: -margin) <= last else {
            return AdoptionSeed(last, "its last tick before beat was stopped at \(known.stopped.iso8601)")
        }
        let before = schedule.last(until: last.adding(microseconds: -1), in: zone)
        // A run that ended after the tick is the tick's, if the run before it is known to have ended before.
        let isSeen =
            ended.contains { $0 >= last }
            && (before == nil || ended.contains { $0 >= (before ?? last) && $0 < last }
                || ended.filter { $0 >= last }.count > 1)
        if isSeen { return AdoptionSeed(last, "a run for its tick \(last.iso8601) is recorded") }
        guard known.isNamed, let busy = known.busy, busy.isWhole, !busy.mayHold(entry.task),
            !ended.contains(where: { $0 >= last })
        else {
            return AdoptionSeed(
                last,
                "its tick \(last.iso8601) fell within \(shown(known.within)) s of the stop",
                doubt:
                    "whether beat still fired the tick \(last.iso8601) cannot be seen: no run of it is recorded, and it may be under way. Taken as fired, it would be lost if it was not"
            )
        }
        return AdoptionSeed(
            before ?? last.adding(microseconds: -1),
            "no run for its tick \(last.iso8601) is recorded, waits or is under way, so beat was stopped before it; RedBeat fires it at its start"
        )
    }

    /// An interval counts from its last run, which only a record shows.
    private static func ofInterval(
        _ entry: LegacyEntry,
        _ interval: Interval,
        _ ended: [Instant],
        _ known: Known,
        _ zone: Zone
    ) -> AdoptionSeed {
        let every = shown(interval.seconds)
        // When the newest of what is under way began, where a worker says so.
        let began = (known.busy?.taken ?? []).filter { $0.task == entry.task }.compactMap(\.began).max()
        if let last = [ended.last, began].compactMap({ $0 }).max() {
            let due = interval.due(after: last, in: zone)
            let late = known.stopped.seconds(since: due)
            // With a beat that lived until the stop, a run that was due well before has been sent.
            if late > max(known.within, interval.seconds / 10) {
                return AdoptionSeed(
                    last,
                    "its last recorded run, \(last.iso8601)",
                    doubt:
                        "by its last recorded run, \(last.iso8601), it was due again at \(due.iso8601), before beat was stopped, and no run of that is recorded. If it ran, RedBeat runs it once more at its start"
                )
            }
            let unseen = known.busy.map { $0.mayHold(entry.task) && began == nil } ?? true
            if unseen, late > -max(known.within, interval.seconds / 10) {
                return AdoptionSeed(
                    last,
                    "its last recorded run, \(last.iso8601)",
                    doubt:
                        "it was due about when beat was stopped, and whether that run is under way cannot be seen. If it is, RedBeat runs it once more at its start"
                )
            }
            return AdoptionSeed(last, "its last recorded run, \(last.iso8601)")
        }
        return AdoptionSeed(
            known.stopped,
            "nothing recorded tells when it ran last, so it counts from the stop of beat",
            note:
                "its next run comes up to \(every) s later than it would have: an interval has no ticks of its own, so none is lost or doubled"
        )
    }

    private static func shown(_ seconds: Double) -> String {
        Int(exactly: seconds).map(String.init) ?? "\(seconds)"
    }
}
