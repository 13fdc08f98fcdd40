/// What the legacy system makes of something that is no entry for Bailey, as a running one was seen to do.
public enum LegacyFate: String, Sendable, Hashable, CaseIterable {
    /// It stops the scheduler, or makes it compute or wait without end: nothing else is run any more.
    case stops
    /// It is taken out of the schedule with a warning; the others run.
    case dropped
    /// It is run when it is due.
    case fires
    /// It is run each time that the scheduler looks.
    case floods
    /// The scheduler tries to run it each time that it is due, and cannot: an error in its log, no run.
    case unsent
    /// It stays, and is not run.
    case never
    /// Nobody has seen it.
    case unknown

    /// What it does, in words that end a sentence about a RedBeat entry; nil for the unknown.
    public var words: String? {
        switch self {
        case .stops: "beat stops when it loads this"
        case .dropped: "beat removes it from its schedule with a warning, and runs the others"
        case .fires: "beat fires it when it is due"
        case .floods: "beat fires it each time it looks"
        case .unsent: "beat tries to send it and cannot: an error in its log each time, and no run"
        case .never: "beat never fires it"
        case .unknown: nil
        }
    }
}
