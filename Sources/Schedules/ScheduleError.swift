/// Why a schedule, a zone or a span was refused.
public struct ScheduleError: Error, Hashable, CustomStringConvertible {
    /// Stable names of the reasons, as they appear in JSON.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        case unknownZone = "unknown-zone"
        case unreadableZone = "unreadable-zone"
        case badCrontab = "bad-crontab"
        case badInterval = "bad-interval"
        case badRecurrence = "bad-rrule"
        case badCron = "bad-cron"
        case neverFires = "never-fires"
        case unknownSchedule = "unknown-schedule"
        case badSpan = "bad-span"
        case badRequest = "bad-request"
    }

    /// The reason.
    public let code: Code
    /// What was found and where, in words.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
