public import LosslessJSON
public import Schedules

/// How much of what legacy ran was seen and compared, since somebody began to look: every figure with what it is a part of.
public struct Coverage: Sendable, Hashable {
    /// The entry.
    public var entry: EntryID
    /// Since when; nil if nobody has looked yet.
    public var since: Instant?
    /// Ticks that were due by the schedule; of a queue, jobs that ended.
    public var due = 0
    /// How often the scheduler fired; of a queue, jobs that ended.
    public var fired = 0
    /// Ticks at which legacy did not fire.
    public var missed = 0
    /// Ticks at which legacy fired more than once.
    public var doubled = 0
    /// How often runs of these ended once more under the same id: a job that was repeated, a message that was given out again.
    public var again = 0
    /// Fires whose run was seen to end.
    public var seen = 0
    /// Fires whose run may yet end.
    public var pending = 0
    /// Runs that ended both here and in shadow and were compared under the mapping's present form.
    public var compared = 0
    /// Runs that were seen and whose arguments alone could be compared, because no body ran.
    public var observed = 0
    /// Fires of which two runs may be the run.
    public var ambiguous = 0
    /// Runs that were seen and have no counterpart, or were not compared under the mapping's present form.
    public var unpaired = 0
    /// Records of the source that could not be read, whoever's they are.
    public var unreadable = 0
    /// When the last of those was seen.
    public var lastUnreadable: Instant?
    /// Fires in a time in which nobody watched, whose run legacy does not keep any more.
    public var lost = 0
    /// Fires while somebody watched, whose run was not seen.
    public var unseen = 0
    /// Runs that made the same call and are of no tick.
    public var notScheduled = 0
    /// The times in which nobody watched and something was lost.
    public var gaps: [ObservationGap] = []

    /// Nothing of an entry.
    public init(entry: EntryID) { self.entry = entry }

    /// What is missing for good: what was lost or not seen, and what nobody can read.
    public var missing: Int { lost + unseen + unreadable }

    /// What there was to compare: what is due and was fired, less what may yet end.
    public var comparable: Int { max(0, fired - pending) }

    /// The share of it that was compared, 0…1; nil where there was nothing.
    ///
    /// - Parameter observedCounts: whether a run at which no body ran in shadow counts.
    public func share(observedCounts: Bool) -> Double? {
        guard comparable > 0 else { return nil }
        return min(1, Double(compared + (observedCounts ? observed : 0)) / Double(comparable))
    }

    /// The figures in one line, without those that are nought and need no word.
    public var text: String {
        var parts = ["\(compared) of \(comparable) compared"]
        func add(_ number: Int, _ what: String) { if number > 0 { parts.append("\(number) \(what)") } }
        add(observed, "only observed")
        add(unpaired, "without a counterpart")
        add(ambiguous, "ambiguous")
        add(lost, "lost to a gap")
        add(unseen, "not seen")
        add(pending, "may yet end")
        add(missed, "missed by legacy")
        add(doubled, "run twice by legacy")
        add(again, "run again under the same id")
        add(notScheduled, "not scheduled")
        add(unreadable, "unreadable records of its source")
        return parts.joined(separator: ", ")
    }

    /// The coverage in documents; see docs/json.md.
    public var json: JSON {
        func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
        return [
            "entry": .string(entry.description), "since": JSON(since), "due": number(due), "fired": number(fired),
            "missed": number(missed), "doubled": number(doubled), "again": number(again), "seen": number(seen),
            "pending": number(pending),
            "compared": number(compared), "observed": number(observed), "ambiguous": number(ambiguous),
            "unpaired": number(unpaired), "unreadable": number(unreadable), "lost": number(lost),
            "last_unreadable": JSON(lastUnreadable), "unseen": number(unseen), "not_scheduled": number(notScheduled),
            "gaps": .array(
                gaps.map { ["from": JSON($0.from), "until": JSON($0.until), "reason": .string($0.reason)] }
            ),
        ]
    }
}
