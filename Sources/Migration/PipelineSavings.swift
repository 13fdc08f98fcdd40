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
        /// Seconds of the longest path through the bodies alone, as they recorded it, by the median.
        public var bodies: Double
        /// How many tasks that ran lie on that path.
        public var pathTasks: Int
        /// The tasks that were skipped, and in how many of the runs; empty where each ran all of its tasks. What they take is in no figure.
        public var skipped: [String: Int] = [:]
        /// In how many of the runs tasks were skipped.
        public var runsWithSkips = 0
        /// Live runs that succeeded, were looked at and are not measured: of them tasks were skipped, or did not succeed.
        public var leftOut = 0
        /// Seconds that the bodies of what tasks wait for count in `bodies`, by the waiting task, by the median.
        public var awaited: [String: Double] = [:]

        /// Makes a measurement.
        public init(
            runs: Int,
            seconds: Double,
            sequential: Double,
            longestPath: Double,
            bodies: Double,
            pathTasks: Int
        ) {
            self.runs = runs
            self.seconds = seconds
            self.sequential = sequential
            self.longestPath = longestPath
            self.bodies = bodies
            self.pathTasks = pathTasks
        }

        /// A run that was measured.
        public struct Run: Sendable, Hashable {
            /// Seconds from its start to its end.
            public var seconds: Double
            /// Seconds of its tasks by id, as Airflow has them.
            public var tasks: [String: Double]
            /// Seconds of their bodies by id, where they recorded it.
            public var bodies: [String: Double]
            /// Seconds by the id of a task that waits for another run: from this run's tick to when the bodies of what it waits for would
            /// have ended by themselves. The task itself may have found it ended: Airflow needs its time before the task begins to wait.
            public var awaited: [String: Double] = [:]
            /// The tasks that were skipped.
            public var skipped: Set<String>

            /// Makes a run.
            public init(
                seconds: Double,
                tasks: [String: Double],
                bodies: [String: Double] = [:],
                skipped: Set<String> = []
            ) {
                self.seconds = seconds
                self.tasks = tasks
                self.bodies = bodies
                self.skipped = skipped
            }
        }

        /// Measures runs that ran all of their tasks; where there are none, those of which tasks were skipped. Nil where there are none either.
        ///
        /// - Parameter unusable: live runs that succeeded although a task of them did not.
        public init?(_ all: [Run], of tasks: [TaskDefinition], unusable: Int = 0) {
            let whole = all.filter(\.skipped.isEmpty)
            let runs = whole.isEmpty ? all : whole
            func median<Value: Comparable>(_ value: (Run) -> Value) -> Value? {
                let sorted = runs.map(value).sorted()
                return sorted.isEmpty ? nil : sorted[sorted.count / 2]
            }
            func path(_ run: Run) -> (seconds: Double, tasks: Int) {
                // Of a task that recorded nothing all of it counts as its body.
                PipelineSavings.longestPath(
                    tasks,
                    run.tasks.merging(run.bodies) { min($0, $1) }.merging(run.awaited) { $1 }
                )
            }
            guard let seconds = median(\.seconds), let sequential = median({ $0.tasks.values.reduce(0, +) }),
                let longest = median({ PipelineSavings.longestPath(tasks, $0.tasks).seconds }),
                let bodies = median({ path($0).seconds }), let pathTasks = median({ path($0).tasks })
            else { return nil }
            self.init(
                runs: runs.count,
                seconds: seconds,
                sequential: sequential,
                longestPath: longest,
                bodies: bodies,
                pathTasks: pathTasks
            )
            for run in runs { for id in run.skipped { skipped[id, default: 0] += 1 } }
            for id in Set(runs.flatMap(\.awaited.keys)) { awaited[id] = median { $0.awaited[id] ?? 0 } }
            runsWithSkips = runs.count(where: { !$0.skipped.isEmpty })
            leftOut = unusable + all.count - runs.count
        }

        /// Seconds that running side by side saved of a run.
        public var savedByParallelism: Double { sequential - longestPath }
        /// Seconds that waiting cost: for slots, for workers, for Airflow itself.
        public var waits: Double { seconds - longestPath }
        /// Seconds of each task on the longest path that are not its body's: for Airflow itself, and for slots and workers.
        public var overheadPerTask: Double { pathTasks == 0 ? 0 : (seconds - bodies) / Double(pathTasks) }
    }

    /// The longest path through tasks, and how many lie on it. A task of which nothing is known takes no time and is none of them.
    public static func longestPath(_ tasks: [TaskDefinition], _ seconds: [String: Double]) -> (
        seconds: Double, tasks: Int
    ) {
        var ends: [String: (seconds: Double, tasks: Int)] = [:]
        var left = tasks
        while let index = left.firstIndex(where: { task in task.after.allSatisfy { ends[$0] != nil } }) {
            let task = left.remove(at: index)
            let before = task.after.compactMap { ends[$0] }.max { $0.seconds < $1.seconds } ?? (0, 0)
            let own = seconds[task.id]
            ends[task.id] = (before.seconds + (own ?? 0), before.tasks + (own == nil ? 0 : 1))
        }
        return ends.values.max { $0.seconds < $1.seconds } ?? (0, 0)
    }

    /// What Airflow takes for each task beside its body, as runs showed that are none of those that were measured: shadow runs.
    public struct Overhead: Sendable, Hashable {
        /// How many runs showed it.
        public var runs: Int
        /// Seconds for each task of the longest path, by the median.
        public var seconds: Double

        /// Makes what was seen.
        public init(runs: Int, seconds: Double) { (self.runs, self.seconds) = (runs, seconds) }

        /// Of runs that only show it; nil where there are none.
        public init?(_ runs: [Measured.Run], of tasks: [TaskDefinition]) {
            let each = runs.compactMap { run -> Double? in
                let path = PipelineSavings.longestPath(tasks, run.tasks.merging(run.bodies) { min($0, $1) })
                return path.tasks == 0 ? nil : max(0, run.seconds - path.seconds) / Double(path.tasks)
            }.sorted()
            guard !each.isEmpty else { return nil }
            self.init(runs: each.count, seconds: each[each.count / 2])
        }
    }

    /// Where a figure comes from.
    public enum Basis: String, Sendable, Hashable, CaseIterable {
        case recorded, stated, projected, measured
    }

    /// What legacy's time is known from.
    public enum Witness: String, Sendable, Hashable, CaseIterable {
        /// Its own records.
        case records
        /// Bailey, which saw runs begin and end while it watched.
        case watching
        /// Events that workers sent, of the task.
        case events
        /// A worker's log, of the task.
        case log = "worker-log"
    }

    /// The pipeline.
    public var pipeline: String
    /// Runs a year by its schedule; nil where it has none.
    public var runsPerYear: Double?
    /// Seconds that legacy took for the same entries one after another, by the medians it recorded; nil where one is unknown.
    public var recorded: Double?
    /// How many of legacy's runs that rests on.
    public var recordedRuns = 0
    /// What that is known from.
    public var recordedBy: Witness?
    /// Seconds that a run took before, as a person says in `bailey.yaml`; nil where nobody does.
    public var stated: Double?
    /// What the plan reckons.
    public var projection: RunProjection
    /// What was measured in Airflow, or why nothing is known of it; nil where no live run has succeeded.
    public var measured: Known<Measured?>

    /// What Airflow takes for each task beside its body, by runs that were not measured; nil where none showed it.
    public var overhead: Overhead?

    /// Makes a row.
    public init(pipeline: String, projection: RunProjection, measured: Known<Measured?>) {
        self.pipeline = pipeline
        self.projection = projection
        self.measured = measured
    }

    /// What was measured of runs of which no task was skipped; nil where there are none.
    private var measuredWhole: Measured? { (measured.value ?? nil).flatMap { $0.runsWithSkips == 0 ? $0 : nil } }

    /// Seconds of a run before: as recorded, else as stated, else all tasks one after another, as measured, else as the plan reckons.
    public var before: (seconds: Double, basis: Basis)? {
        if let recorded { return (recorded, .recorded) }
        if let stated { return (stated, .stated) }
        // What a person stated is no measure for what was measured.
        if let measured = measured.value ?? nil { return (measured.sequential, .measured) }
        return projection.sequential.map { ($0, .projected) }
    }

    /// Seconds of a run after: as measured, else as the plan reckons.
    ///
    /// Runs of which tasks were skipped are no measure against a time before that has those tasks in it.
    public var after: (seconds: Double, basis: Basis)? {
        if let measured = measured.value ?? nil, measured.runsWithSkips == 0 || before?.basis == .measured {
            return (measured.seconds, .measured)
        }
        return projection.projected.map { ($0, .projected) }
    }

    /// By how much of it the plan's reckoning is off what the bodies took: 0.05 where they took 5 % longer. Nil where one is unknown.
    public var deviation: Double? {
        guard let measured = measuredWhole, let projected = projection.projected, projected > 0 else { return nil }
        return measured.bodies / projected - 1
    }

    /// Seconds that a whole run is to take in this Airflow: what the plan reckons, and for each task on the path what shadow runs showed that
    /// Airflow takes for one. Nil where one is unknown.
    public var projectedRun: (seconds: Double, tasks: Int)? {
        guard let projected = projection.projected, let tasks = projection.pathTasks, let overhead, projected > 0
        else { return nil }
        return (projected + Double(tasks) * overhead.seconds, tasks)
    }

    /// By how much of it that is off what whole runs took. Nil where one is unknown.
    public var runDeviation: Double? {
        guard let measured = measuredWhole, let run = projectedRun else { return nil }
        return measured.seconds / run.seconds - 1
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
