/// How long a run of a pipeline takes by itself, reckoned from how long its tasks take and the slots of its pools.
///
/// It is as if every task ran and none failed; what Airflow needs between two tasks is not in it.
public struct RunProjection: Sendable, Hashable {
    /// How long a task takes, and how that is known.
    public struct Length: Sendable, Hashable {
        /// How it is known.
        public enum Origin: String, Sendable, Hashable, CaseIterable {
            /// The median of what the legacy system recorded.
            case recorded
            /// Events that the legacy system's workers sent, of the task.
            case events
            /// A worker's log, of the task.
            case log = "worker-log"
            /// A person wrote it into the mapping (`expected`).
            case stated

            /// By whom workers' words came.
            public init(_ witness: KnownDurations.Witness) {
                switch witness {
                case .events: self = .events
                case .log: self = .log
                }
            }
        }

        /// In seconds.
        public var seconds: Double
        /// How it is known.
        public var origin: Origin

        /// Makes a length.
        public init(seconds: Double, origin: Origin) {
            self.seconds = seconds
            self.origin = origin
        }
    }

    /// What a pool does to a run.
    public struct PoolLoad: Sendable, Hashable {
        /// The pool.
        public var name: String
        /// The slots as declared; nil where nobody declared it.
        public var slots: Int?
        /// The slots that each of the pipeline's tasks in it takes, in the mapping's order.
        public var tasks: [Int]
        /// The slots with which none of them would wait for it.
        public var enough: Int?
        /// Seconds from when the first of them could run to when the last has ended, as declared.
        public var seconds: Double?
        /// The same with enough slots.
        public var secondsIfEnough: Double?
        /// Seconds of the whole run, were there enough slots in this pool and the others as declared.
        public var runIfEnough: Double?
        /// Whether the whole run would be shorter then.
        public var holdsBack = false
    }

    /// How long each task takes, by its id; none of one of which nobody knows.
    public var lengths: [String: Length]
    /// The tasks of which nobody knows how long they take, in the mapping's order.
    public var unknown: [String]
    /// Seconds of all tasks one after another; nil where one is unknown.
    public var sequential: Double?
    /// Seconds of the longest path: what a run takes whose tasks never wait for a slot.
    public var unlimited: Double?
    /// How many tasks lie on the longest path; nil where a duration is unknown.
    public var pathTasks: Int?
    /// Seconds of a run with the pools as declared; nil where a duration or a pool's slots are unknown.
    public var projected: Double?
    /// Seconds from the run's begin to the end of each task, by its id, with the pools as declared; where one of those is unknown as if it had no end. Empty where a
    /// duration is unknown.
    public var ends: [String: Double] = [:]
    /// The pools of its tasks, by name.
    public var pools: [PoolLoad]

    /// The pool that holds the run back most; nil if none does.
    public var narrowest: PoolLoad? {
        pools.filter(\.holdsBack).min { ($0.runIfEnough ?? .infinity) < ($1.runIfEnough ?? .infinity) }
    }

    /// Reckons.
    ///
    /// - Parameters:
    ///   - declared: the slots of pools, by name. Tasks of no pool are in Airflow's own, whose slots count if they are declared.
    public init(_ tasks: [TaskDefinition], lengths: [String: Length], declared: [String: Int]) {
        self.lengths = lengths
        unknown = tasks.map(\.id).filter { lengths[$0] == nil }
        let named = Set(tasks.compactMap { $0.pool ?? (declared[Pool.standard] == nil ? nil : Pool.standard) })
        pools = named.sorted().map { name in
            PoolLoad(
                name: name,
                slots: declared[name],
                tasks: tasks.filter { ($0.pool ?? Pool.standard) == name }.map(\.slotsTaken)
            )
        }
        guard unknown.isEmpty else { return }
        let run = SimulatedRun(tasks, lengths.mapValues(\.seconds))
        let free = run.times(limits: [:])
        sequential = tasks.reduce(0) { $0 + (lengths[$1.id]?.seconds ?? 0) }
        unlimited = free?.end
        ends = free?.ends ?? [:]
        pathTasks = PipelineSavings.longestPath(tasks, lengths.mapValues(\.seconds)).tasks
        let limits = declared.filter { named.contains($0.key) }
        guard limits.count == named.count, let asDeclared = run.times(limits: limits) else { return }
        projected = asDeclared.end
        ends = asDeclared.ends
        for index in pools.indices {
            let name = pools[index].name
            guard let wide = run.times(limits: limits.filter { $0.key != name }) else { continue }
            pools[index].enough = max(wide.peaks[name] ?? 0, pools[index].tasks.max() ?? 1)
            pools[index].seconds = asDeclared.spans[name]
            pools[index].secondsIfEnough = wide.spans[name]
            pools[index].runIfEnough = wide.end
            // Less than a thousandth is how numbers are rounded.
            pools[index].holdsBack = wide.end < asDeclared.end * 0.999
        }
    }
}

/// A run played through as Airflow's scheduler would start its tasks: those that are ready by urgency, each when its pool has room for it.
struct SimulatedRun {
    private let tasks: [TaskDefinition]
    private let seconds: [String: Double]
    private let urgencies: [String: Int]

    struct Times {
        /// Seconds until all has ended.
        var end: Double
        /// The most slots of each pool that were taken at once.
        var peaks: [String: Int]
        /// Seconds until each task has ended, by its id.
        var ends: [String: Double]
        /// Seconds from when the first task of a pool was ready to when its last had ended.
        var spans: [String: Double]
    }

    init(_ tasks: [TaskDefinition], _ seconds: [String: Double]) {
        self.tasks = tasks
        self.seconds = seconds
        urgencies = tasks.urgencies
    }

    /// The times with so many slots in pools; one that is not named has no end. Nil if some task could never start.
    func times(limits: [String: Int]) -> Times? {
        var result = Times(end: 0, peaks: [:], ends: [:], spans: [:])
        var waits = Dictionary(tasks.map { ($0.id, Set($0.after).count) }, uniquingKeysWith: { first, _ in first })
        var later: [String: [Int]] = [:]
        for (index, task) in tasks.enumerated() {
            for before in Set(task.after) { later[before, default: []].append(index) }
        }
        var ready = tasks.indices.filter { waits[tasks[$0].id] == 0 }
        var running: [(index: Int, end: Double)] = []
        var taken: [String: Int] = [:]
        var first: [String: Double] = [:]
        var now = 0.0
        var ended = 0
        func pool(_ index: Int) -> String { tasks[index].pool ?? Pool.standard }
        while true {
            for index in ready where first[pool(index)] == nil { first[pool(index)] = now }
            ready.sort {
                let (one, other) = (urgencies[tasks[$0].id] ?? 0, urgencies[tasks[$1].id] ?? 0)
                return one == other ? $0 < $1 : one > other
            }
            ready.removeAll { index in
                let name = pool(index)
                let wanted = taken[name, default: 0] + tasks[index].slotsTaken
                if let limit = limits[name], wanted > limit { return false }
                taken[name] = wanted
                result.peaks[name] = max(result.peaks[name] ?? 0, wanted)
                running.append((index, now + (seconds[tasks[index].id] ?? 0)))
                return true
            }
            guard let next = running.map(\.end).min() else { break }
            now = next
            for done in running where done.end <= now {
                ended += 1
                result.ends[tasks[done.index].id] = now
                taken[pool(done.index), default: 0] -= tasks[done.index].slotsTaken
                result.spans[pool(done.index)] = now - (first[pool(done.index)] ?? 0)
                for index in later[tasks[done.index].id] ?? [] {
                    let left = (waits[tasks[index].id] ?? 1) - 1
                    waits[tasks[index].id] = left
                    if left == 0 { ready.append(index) }
                }
            }
            running.removeAll { $0.end <= now }
        }
        result.end = now
        return ended == tasks.count ? result : nil
    }
}
