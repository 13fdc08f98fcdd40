public import Schedules

/// A cutover and rollback that was tried on a copy of an entry that runs nothing.
public struct Rehearsal: Sendable, Hashable {
    /// One step of it.
    public struct Step: Sendable, Hashable {
        /// What was done.
        public var name: String
        /// How long it took, in seconds.
        public var seconds: Double
        /// Whether it went as it should.
        public var passed: Bool
        /// What was seen, one sentence.
        public var detail: String

        /// Makes a step.
        public init(name: String, seconds: Double, passed: Bool, detail: String) {
            self.name = name
            self.seconds = seconds
            self.passed = passed
            self.detail = detail
        }
    }

    /// What the names of everything that a rehearsal makes begin with, its pipeline among them.
    public static let mark = "bailey-rehearsal-"

    /// Whether a switch's pipeline is a rehearsal's own.
    public static func isCopy(_ pipeline: String) -> Bool { pipeline.hasPrefix(mark) }

    /// The pipeline.
    public var pipeline: String
    /// When it began.
    public var at: Instant
    /// The steps, in order.
    public var steps: [Step]
    /// What was seen of the messages of its Celery tasks.
    public var messages: [MessageComparison] = []
    /// What came of something that was sent the way of each.
    public var roundTrips: [RoundTrip] = []

    /// Makes a rehearsal.
    public init(pipeline: String, at: Instant, steps: [Step]) {
        self.pipeline = pipeline
        self.at = at
        self.steps = steps
    }

    /// Whether every step went as it should.
    public var passed: Bool { !steps.isEmpty && steps.allSatisfy(\.passed) }
}
