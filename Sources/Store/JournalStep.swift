/// What a line of the journal is about. The words are stored, so they stay as they are.
public enum JournalStep: String, Sendable, Hashable, CaseIterable {
    // Taking over.
    case check, close, hold, fence, settle, reopened, repark, claim, install
    // Giving back.
    case undo, bound, restore
    case giveBack = "give-back"
    // A pipeline without a legacy side, and past ticks.
    case launch, stop, backfill
    // Taking the bridge away.
    case mark, unmark, archive, pause, unpause, file, finish, uninstall
    case handOver = "hand-over"
    // What was decided, and by what.
    case policy, holds, override, watch
    // What was seen.
    case forgotten
    case legacyRan = "legacy-ran"
    // How an operation ended.
    case end, ended
    case brokenOff = "broken-off"
    /// A word that this version does not know.
    case other
}
