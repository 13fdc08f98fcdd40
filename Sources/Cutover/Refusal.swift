/// Why ownership was not moved: before anything was changed, or after everything was given back, unless `found` says otherwise.
public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of reason; a stable word.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        // What was planned is not what is there.
        case notImported = "not-imported"
        case changed
        case gone
        case elsewhere
        case disagree
        case uneven
        // Legacy does not do what a cutover needs.
        case doesNotFire = "does-not-fire"
        case cannotPark = "cannot-park"
        case overdue
        case restless
        case repeatedHour = "repeated-hour"
        case notDriven = "not-driven"
        case stalled
        case noRunningState = "no-running-state"
        case notDrained = "not-drained"
        // Somebody else has it, or is at it.
        case shadowed
        case heldByOthers = "held-by-others"
        case parkedByOthers = "parked-by-others"
        case otherPipeline = "other-pipeline"
        case installations
        case atWork = "at-work"
        case busy
        case stranded
        case stillHeld = "still-held"
        // The store cannot keep a switch, or has another's.
        case notWritable = "not-writable"
        case readOnly = "read-only"
        case noRights = "no-rights"
        case slots
        case clock
        case evicting
        case oldServer = "old-server"
        case foreignSchema = "foreign-schema"
        case notInstalled = "not-installed"
        // The table, or what is said of it, does not let jobs be held.
        case noHold = "no-hold"
        case badProfile = "bad-profile"
        case missingColumn = "missing-column"
        case forbiddenStatus = "forbidden-status"
        case unfitTable = "unfit-table"
        case unfitUse = "unfit-use"
        // The bridge is being taken away, or is gone.
        case retiring
        case retired

        /// Whether what a person wrote is wrong, and not what is there.
        public var isOfSettings: Bool { self == .noHold || self == .badProfile }
    }

    /// The sort of reason.
    public let reason: Reason
    /// Which queue, and what was being done to it; nil where `found` says it.
    public let place: String?
    /// What was found.
    public let found: String
    /// What to do next.
    public let advice: String

    /// Makes a refusal.
    public init(_ reason: Reason, _ found: String, _ advice: String) {
        self.reason = reason
        self.found = found
        self.advice = advice
        place = nil
    }

    /// Makes a refusal of a queue.
    public init(_ reason: Reason, queue: String, operation: String, found: String, advice: String) {
        self.reason = reason
        self.found = found
        self.advice = advice
        place = "Queue \(queue), \(operation)"
    }

    /// One line: where, what was found, what to do.
    public var description: String { (place.map { "\($0): " } ?? "") + "\(found). \(advice)" }
}
