public import Schedules

/// Something that was read, or the reason why it could not be.
public enum Known<Value: Sendable>: Sendable {
    case known(Value)
    case unknown(String)

    /// The value, if it is known.
    public var value: Value? {
        if case .known(let value) = self { return value }
        return nil
    }
}

extension Known: Equatable where Value: Equatable {}
extension Known: Hashable where Value: Hashable {}

/// What a policy is judged by: everything that is known of a pipeline at one instant, and what could not be learnt.
public struct PolicyEvidence: Sendable {
    /// An entry whose runs are compared.
    public struct Entry: Sendable, Hashable {
        /// The entry.
        public var id: EntryID
        /// Its schedule; nil for a job type, which has none.
        public var schedule: Schedule?
        /// The zone of its schedule.
        public var zone: Zone

        /// Makes an entry.
        public init(id: EntryID, schedule: Schedule?, zone: Zone) {
            self.id = id
            self.schedule = schedule
            self.zone = zone
        }
    }

    /// A task of the pipeline that sends a Celery message.
    public struct Call: Sendable, Hashable {
        /// The task.
        public var task: String
        /// The entry whose message it stands for; nil for a new one.
        public var entry: EntryID?
        /// The digest of everything that makes the message.
        public var form: String

        /// Makes a call.
        public init(task: String, entry: EntryID?, form: String) {
            self.task = task
            self.entry = entry
            self.form = form
        }
    }

    /// What Airflow says of the DAG.
    public enum Deployment: Sendable, Hashable {
        /// It is there, unpaused, and is the file that Bailey generates; with what was seen.
        case running(String)
        /// It is not there, paused, broken or another file.
        case faulty(String)
        /// Nobody could be asked.
        case unknown(String)
    }

    /// What the switch knows of the DAG's gate.
    public enum Gate: Sendable, Hashable {
        /// There is no switch that gates of this pipeline ask.
        case none
        /// The newest tick for which a gate asked; nil if none ever did.
        case asked(Instant?)
        /// The switch could not be read.
        case unknown(String)
    }

    /// How much of what it was told the switch's store may forget.
    public enum Durability: Sendable, Hashable {
        /// No more than a second; with what was seen.
        case enough(String)
        /// More; what to mend.
        case missing(String)
        /// It could not be asked.
        case unknown(String)
    }

    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at.
    public var now: Instant
    /// The entries whose runs are compared.
    public var entries: [Entry]
    /// The comparisons, in any order.
    public var comparisons: Known<[Comparison]>
    /// How much of each entry's runs was seen and compared.
    public var coverage: Known<[Coverage]> = .known([])
    /// What is wrong with the observing itself, one sentence each.
    public var observerDefects: [String] = []
    /// What the plan found of this pipeline.
    public var findings: [Finding] = []
    /// Entries that give up their own clock.
    public var absorbed: [EntryID] = []
    /// The tasks that send Celery messages.
    public var calls: [Call] = []
    /// Rehearsals, in any order.
    public var rehearsals: Known<[Rehearsal]> = .known([])
    /// What Airflow says.
    public var deployment: Deployment
    /// What the switch says of the gate.
    public var gate: Gate
    /// How much the switch's store may forget; nil where that is not judged.
    public var durability: Durability?
    /// When the DAG is due; nil for a pipeline that only people start.
    public var timetable: AirflowTimetable?

    /// Makes evidence.
    public init(
        pipeline: String,
        now: Instant,
        entries: [Entry],
        comparisons: Known<[Comparison]>,
        deployment: Deployment,
        gate: Gate,
        timetable: AirflowTimetable?
    ) {
        self.pipeline = pipeline
        self.now = now
        self.entries = entries
        self.comparisons = comparisons
        self.deployment = deployment
        self.gate = gate
        self.timetable = timetable
    }
}
