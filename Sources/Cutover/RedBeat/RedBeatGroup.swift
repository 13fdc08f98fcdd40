import Legacy
import LosslessJSON
public import Migration
public import Schedules

/// How a source keeps its RedBeat schedule.
public struct RedBeatPlace: Sendable, Hashable {
    /// The source's name in `bailey.yaml`.
    public var source: String
    /// `redbeat_key_prefix`.
    public var prefix: String
    /// `redbeat_lock_key` where it is not the usual one.
    public var lockKey: String?
    /// How it is known that no beat can fire any more.
    public var fence: Fence
    /// The schedules of other sources in the same Redis and database: switches that stand there are theirs.
    public var others: Set<[UInt8]> = []

    /// Makes a place.
    ///
    /// - Parameters:
    ///   - lock: `redbeat_lock_key`: nil for the usual one, `none` where the source keeps none.
    ///   - maxInterval: `beat_max_loop_interval`, in seconds.
    public init(source: String, prefix: String, lock: String?, maxInterval: Int) {
        self.source = source
        self.prefix = prefix
        lockKey = lock == "none" ? nil : lock
        fence = Fence(maxInterval: maxInterval, watchesLock: lock != "none")
    }

    /// The keys of entries.
    public func keys(_ entries: [[UInt8]]) -> RedBeatKeys {
        RedBeatKeys(entries: entries, prefix: prefix, lockKey: lockKey)
    }
}

/// The RedBeat entries that one pipeline takes over, all or none, as they were planned.
public struct RedBeatGroup: Sendable, Hashable {
    /// One entry.
    public struct Entry: Sendable, Hashable {
        /// Its identity.
        public var id: EntryID
        /// Its key.
        public var key: [UInt8]
        /// The definition that was planned, shadowed and approved.
        public var definition: [UInt8]
        /// The same with `enabled` false.
        public var closedDefinition: [UInt8]
        /// When it is due.
        public var schedule: Schedule
        /// The zone its schedule is read in.
        public var zone: Zone
        /// Whether beat fires it at all: enabled, and in the schedule's zset.
        public var fires: Bool

        /// When it is due next, as legacy reckons; nil if never again. Never run means: at once.
        public func due(after lastRun: Instant?) -> Instant? {
            guard let lastRun else { return .earliest }
            return schedule.next(after: lastRun, in: zone)
        }
    }

    /// The pipeline.
    public let pipeline: String
    /// Where the entries lie.
    public let place: RedBeatPlace
    /// The entries: the driver first, or for a pipeline with a schedule of its own always the same one.
    public let entries: [Entry]
    /// Whether the first entry is the pipeline's clock (false: a schedule of its own).
    public let hasEntryClock: Bool
    /// When the DAG is due; nil for a pipeline that only people start.
    public let timetable: AirflowTimetable?
    /// What becomes of ticks that nobody was up to run.
    public let missedTicks: MissedTickPolicy

    /// The keys, in the order in which scripts and the gate take them.
    public var keys: RedBeatKeys { place.keys(entries.map(\.key)) }

    /// Microseconds after legacy's last run in which a tick of the DAG is the one that legacy has just run.
    ///
    /// An interval's ticks follow legacy's last run and drift; the DAG's stand on a grid. So for an interval it is half of it.
    public var slack: Int64? {
        guard hasEntryClock, case .interval(let interval)? = entries.first?.schedule else { return nil }
        return interval.microseconds / 2
    }

    /// The group of a planned pipeline in one source; nil if the pipeline has no entries there.
    ///
    /// - Throws: `Refusal` where the entries cannot be taken over.
    public init?(_ dag: DAGDefinition, inventory: Inventory, place: RedBeatPlace, zones: ZoneDatabase)
        throws(Refusal)
    {
        let members = dag.entries.compactMap { inventory[$0] }.filter {
            $0.kind == .redbeat && $0.id.source == place.source
        }
        guard !members.isEmpty else { return nil }
        pipeline = dag.id
        self.place = place
        timetable = dag.clock.timetable
        missedTicks = dag.missedTicks
        hasEntryClock = dag.clock.driver != nil
        var entries: [Entry] = []
        for member in members { entries.append(try Entry(member, zones: zones)) }
        if let driver = dag.clock.driver {
            guard let index = members.firstIndex(where: { $0.id == driver }) else {
                throw Refusal(
                    .elsewhere,
                    "\(driver), which drives \(dag.id), does not lie in \(place.source) as its other entries do",
                    "Entries of several Redis databases cannot move as one; make pipelines of their own of them"
                )
            }
            entries.insert(entries.remove(at: index), at: 0)
            guard entries[0].fires else {
                throw Refusal(
                    .doesNotFire,
                    "\(driver) is disabled or not in RedBeat's schedule: legacy does not fire it, so there is nothing to take over",
                    "Enable it in the application first, or unpause an ungated DAG if it is to run again"
                )
            }
        }
        self.entries = entries
    }
}

extension RedBeatGroup.Entry {
    fileprivate init(_ entry: LegacyEntry, zones: ZoneDatabase) throws(Refusal) {
        guard let schedule = entry.schedule,
            let record = entry.raw.first(where: { $0.field == "definition" })
        else {
            throw Refusal(
                .notImported,
                "the inventory holds no stored bytes of \(entry.id)",
                "Run bailey import, then look at the plan again"
            )
        }
        id = entry.id
        key = record.key
        definition = record.bytes
        self.schedule = schedule
        fires = entry.enabled && !entry.notes.contains { $0.code == .neverFires }
        do {
            closedDefinition = try RedBeatBytes.closed(record.bytes)
            zone = try zones.zone(entry.timezone ?? "UTC")
        } catch {
            throw Refusal(.notImported, "\(entry.id): \(error)", "Mend the entry, then run bailey import")
        }
        if case .rrule(let rule) = schedule {
            let steps = rule.steps(until: RecurrenceRule.parking)
            if steps > RecurrenceRule.mostSteps {
                throw Refusal(
                    .cannotPark,
                    "\(entry.id) is a recurrence rule of \(rule.frequency.name) steps: to see that it is not due before 2100, "
                        + "beat would count through \(Int(steps)) of them each time it starts, and stand still meanwhile",
                    "Write it as a crontab or an interval in the application, then run bailey import"
                )
            }
        }
    }
}
