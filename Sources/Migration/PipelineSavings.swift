/// What a pipeline's runs took before, are to take, and take: what legacy recorded, what the plan reckons and what was measured, never mixed.
public struct PipelineSavings: Sendable, Hashable {
    /// Runs that were measured in Airflow.
    public struct Measured: Sendable, Hashable {
        /// How many live runs that succeeded were looked at.
        public var runs: Int
        /// Seconds from the start of a run to its end, by the median.
        public var seconds: Double
        /// Seconds of its tasks one after another, by the median.
        public var sequential: Double
        /// Seconds of the longest path through its tasks, by the median: what the run would take if no task ever waited.
        public var longestPath: Double

        /// Makes a measurement.
        public init(runs: Int, seconds: Double, sequential: Double, longestPath: Double) {
            self.runs = runs
            self.seconds = seconds
            self.sequential = sequential
            self.longestPath = longestPath
        }

        /// Measures runs; nil of none.
        ///
        /// - Parameter runs: of each its seconds, and those of its tasks by id.
        public init?(_ runs: [(seconds: Double, tasks: [String: Double])], of tasks: [TaskDefinition]) {
            func median(_ value: ((seconds: Double, tasks: [String: Double])) -> Double) -> Double {
                let sorted = runs.map(value).sorted()
                return sorted[sorted.count / 2]
            }
            guard !runs.isEmpty else { return nil }
            self.init(
                runs: runs.count,
                seconds: median { $0.seconds },
                sequential: median { $0.tasks.values.reduce(0, +) },
                longestPath: median { SimulatedRun(tasks, $0.tasks).times(limits: [:])?.end ?? 0 }
            )
        }

        /// Seconds that running side by side saved of a run.
        public var savedByParallelism: Double { sequential - longestPath }
        /// Seconds that waiting cost: for slots, for workers, for Airflow itself.
        public var waits: Double { seconds - longestPath }
    }

    /// Where a figure comes from.
    public enum Basis: String, Sendable, Hashable, CaseIterable {
        case recorded, projected, measured
    }

    /// The pipeline.
    public var pipeline: String
    /// Runs a year by its schedule; nil where it has none.
    public var runsPerYear: Double?
    /// Seconds that legacy took for the same entries one after another, by the medians it recorded; nil where one is unknown.
    public var recorded: Double?
    /// How many of legacy's runs that rests on.
    public var recordedRuns = 0
    /// What the plan reckons.
    public var projection: RunProjection
    /// What was measured in Airflow, or why nothing is known of it; nil where no live run has succeeded.
    public var measured: Known<Measured?>

    /// Makes a row.
    public init(pipeline: String, projection: RunProjection, measured: Known<Measured?>) {
        self.pipeline = pipeline
        self.projection = projection
        self.measured = measured
    }

    /// Seconds of a run before: as recorded, else all tasks one after another, as measured, else as the plan reckons.
    public var before: (seconds: Double, basis: Basis)? {
        if let recorded { return (recorded, .recorded) }
        // What a person stated is no measure for what was measured.
        if let measured = measured.value ?? nil { return (measured.sequential, .measured) }
        return projection.sequential.map { ($0, .projected) }
    }

    /// Seconds of a run after: as measured, else as the plan reckons.
    public var after: (seconds: Double, basis: Basis)? {
        if let measured = measured.value ?? nil { return (measured.seconds, .measured) }
        return projection.projected.map { ($0, .projected) }
    }

    /// Seconds of a run that are saved; less than zero where it takes longer. Nil where one side is unknown.
    public var saved: Double? {
        guard let before, let after else { return nil }
        return before.seconds - after.seconds
    }

    /// Hours a year of run time that are saved.
    public var hoursPerYear: Double? {
        guard let saved, let runsPerYear else { return nil }
        return saved * runsPerYear / 3600
    }
}
