public import LosslessJSON

/// The wait for the run of another pipeline, or for one of its tasks: that of its last tick until this run's.
public struct PipelineWait: Sendable, Hashable {
    /// The other pipeline's id.
    public var pipeline: String
    /// The task that is waited for; nil for the whole run.
    public var task: String?
    /// How long it waits at most, in seconds.
    public var within: Double
    /// How often it looks, in seconds.
    public var every: Double
    /// The other's schedule as RedBeat's JSON; null until the plan knows it.
    public var schedule: JSON = .null
    /// The zone of that schedule.
    public var timezone = "UTC"

    /// Makes a wait.
    public init(pipeline: String, task: String? = nil, within: Double, every: Double = 60) {
        (self.pipeline, self.task, self.within, self.every) = (pipeline, task, within, every)
    }
}
