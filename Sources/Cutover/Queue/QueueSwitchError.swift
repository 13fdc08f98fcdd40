/// Why the switch of a queue was not moved. Nothing was changed unless `found` says so.
public struct QueueSwitchError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The sort of failure.
    public enum Code: String, Sendable, Hashable {
        case noHold = "no-hold"
        case badProfile = "bad-profile"
        case oldServer = "old-server"
        case readOnly = "read-only"
        case noRights = "no-rights"
        case missingColumn = "missing-column"
        case forbiddenStatus = "forbidden-status"
        case unfitTable = "unfit-table"
        case noRunningState = "no-running-state"
        case stranded
        case foreignSchema = "foreign-schema"
        case notInstalled = "not-installed"
        case otherPipeline = "other-pipeline"
        case notDrained = "not-drained"
        case busy
        case changed
        case stillHeld = "still-held"
        case retiring
        case retired
    }

    /// The sort of failure.
    public let code: Code
    /// The source's name.
    public let queue: String
    /// What was being done.
    public let operation: String
    /// What was found.
    public let found: String
    /// What to do next.
    public let advice: String

    /// Makes an error.
    public init(_ code: Code, queue: String, operation: String, found: String, advice: String) {
        self.code = code
        self.queue = queue
        self.operation = operation
        self.found = found
        self.advice = advice
    }

    /// One line: queue, operation, what was found, what to do.
    public var description: String { "Queue \(queue), \(operation): \(found). \(advice)" }
}
