import Legacy
import Migration
import Schedules

/// What shows that RedBeat, and no other scheduler, fires the entries of a group. Keys of RedBeat stay in Redis when beat is started with
/// another scheduler; a clock that is parked in them then stops nothing.
struct BeatEvidence {
    /// Whether beat's own fire at the latest tick that was due shows it.
    let isProven: Bool
    /// The same as a check: a beat that holds the lock shows it too, if it is seen to go on.
    let check: Check

    init(_ group: RedBeatGroup, _ status: SwitchStatus, zones: ZoneDatabase) throws {
        let name = "RedBeat drives them"
        let keepsLock = group.place.fence.watchesLock
        // Where beat keeps a lock and nobody holds it, only a recent fire speaks for a beat that has not been replaced.
        let recent = keepsLock ? max(600, 2 * Double(group.place.fence.longestTick) / 1_000_000) : .infinity
        var unproven: RedBeatGroup.Entry?
        var isDue = false
        var latest: Instant?
        for (entry, found) in zip(group.entries, status.entries) where entry.fires {
            let last = try RedBeatBytes.lastRun(found.meta, zones: zones)?.instant
            if let due = entry.due(after: last), due <= status.now {
                // Whether legacy runs it now is waited for, and shows it.
                isDue = true
            } else if let last, RedBeatBytes.isOfAFire(found.meta), status.now.seconds(since: last) < recent {
                latest = max(latest ?? last, last)
            } else {
                unproven = unproven ?? entry
            }
        }
        isProven = unproven == nil && !isDue
        if keepsLock, status.lockHolder != nil {
            check = Check(name, "a beat holds RedBeat's lock")
        } else if let unproven {
            let lock = keepsLock ? "nobody holds RedBeat's lock, and " : ""
            check = Check(
                name,
                "\(lock)nothing shows that beat fired \(unproven.id) at its latest tick",
                refusal: Refusal(
                    .notDriven,
                    "\(lock)the record of \(unproven.id) shows no fire of beat's at its latest tick: perhaps another scheduler fires it",
                    "Start beat with RedBeat's scheduler, let it fire the entry, and run the command again"
                )
            )
        } else {
            let seen =
                latest.map { "beat fired them when they were last due (\($0.iso8601))" } ?? "none has been fired yet"
            check = Check(name, isDue ? "one is due now, and legacy is to run it first" : seen)
        }
    }
}
