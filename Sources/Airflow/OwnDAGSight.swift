import CTexts
public import LosslessJSON
import Migration
public import Schedules

/// What Airflow makes of a DAG file that a person has written, as `bailey_runtime/own_probe.py` tells it.
public struct OwnDAGSight: Sendable, Hashable {
    /// A DAG of the file.
    public struct DAG: Sendable, Hashable {
        /// Its id.
        public var id: String
        /// Its tags.
        public var tags: Set<String>
        /// Whether Airflow makes runs for what was due before it was unpaused.
        public var catchesUp: Bool
        /// The logical dates of its next runs.
        public var ticks: [Instant]
        /// Whether a run comes later than the date that it bears.
        public var isOfIntervals: Bool
        /// Its tasks, in the file's order.
        public var tasks: [Task]
    }

    /// A task of a DAG.
    public struct Task: Sendable, Hashable {
        /// Its id, with its groups' prefixes.
        public var id: String
        /// The ids of the tasks that wait for it.
        public var downstream: [String]
        /// The legacy entry that it says it stands for.
        public var entry: String?
        /// Whether it looks at the gate's answer itself: an operator of Bailey's.
        public var isBailey: Bool
        /// Whether its `pre_execute` looks at the gate's answer.
        public var isHeld: Bool
        /// Whether nobody executes it.
        public var isEmpty: Bool
        /// Whether it begins in the triggerer, where nothing looks at the gate's answer.
        public var startsInTriggerer: Bool
        /// Whether something of it is called before its `pre_execute`.
        public var isCalledBefore: Bool
        /// What it asks for, if it is a gate: its arguments and `kinds`, the classes that it is of.
        public var gate: JSON?
    }

    /// The version of Airflow that has read it; nil where the interpreter has none.
    public var version: String?
    /// Why it could not be read: Python's words.
    public var errors: [String]
    /// The DAGs of the file.
    public var dags: [DAG]

    /// The program that looks.
    public static var program: String { String(cString: carried_own_probe_py()) }

    /// What it reads.
    public static func request(name: String, text: String) -> String {
        (["name": .string(name), "text": .string(text)] as JSON).text()
    }

    /// Reads its answer; nil if it is none.
    public init?(answer text: String) {
        guard let json = try? JSON(parsing: text), let dags = json["dags"]?.array else { return nil }
        version = json["version"]?.string
        errors = json["errors"]?.array?.compactMap(\.string) ?? []
        self.dags = dags.compactMap(DAG.init)
    }
}

extension OwnDAGSight.DAG {
    fileprivate init?(_ json: JSON) {
        guard let id = json["dag_id"]?.string else { return nil }
        self.id = id
        tags = Set(json["tags"]?.array?.compactMap(\.string) ?? [])
        catchesUp = json["catchup"]?.bool ?? true
        ticks = json["ticks"]?.array?.compactMap(\.string).compactMap(Instant.init(iso8601:)) ?? []
        isOfIntervals = json["of_intervals"]?.bool ?? true
        tasks = json["tasks"]?.array?.compactMap(OwnDAGSight.Task.init) ?? []
    }
}

extension OwnDAGSight.Task {
    fileprivate init?(_ json: JSON) {
        guard let id = json["task_id"]?.string else { return nil }
        self.id = id
        downstream = json["downstream_task_ids"]?.array?.compactMap(\.string) ?? []
        entry = json["entry"]?.string
        isBailey = json["is_bailey"]?.bool ?? false
        isHeld = json["is_held"]?.bool ?? false
        isEmpty = json["is_empty"]?.bool ?? false
        startsInTriggerer = json["starts_in_triggerer"]?.bool ?? true
        isCalledBefore = json["is_called_before"]?.bool ?? true
        if let found = json["gate"], !found.isNull { gate = found }
    }
}
