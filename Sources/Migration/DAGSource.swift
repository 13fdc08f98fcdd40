/// What a DAG file must know of a source, by the source's name in `bailey.yaml`.
public enum DAGSource: Sendable, Hashable {
    /// Redis with RedBeat's keys under a prefix; `ownResults` and `ownBroker` are whether Celery's results and messages are elsewhere.
    case redbeat(prefix: String, ownResults: Bool, ownBroker: Bool = false)
    /// A Celery application whose schedule lies in PostgreSQL, beside the Redis of its messages, as `django_celery_beat` keeps it.
    case djangoBeat(ownResults: Bool, ownBroker: Bool)
    /// A PostgreSQL queue, and how a DAG that has job types of it to itself takes their jobs; nil if it cannot.
    case queue(QueueStatements?)
    /// A system without a switch: nobody can be asked who owns a tick, so legacy owns all of them.
    case unswitched
    /// A system that brings a gate of its own.
    case own(GateClass)

    /// Whether its entries are job types, which a gate asks for one by one.
    public var isQueue: Bool { if case .queue = self { true } else { false } }

    /// The suffix of the connection that leads to its switch, where that is not the source's own.
    public var switchSuffix: String { if case .djangoBeat = self { "_schedule" } else { "" } }

    /// The gate that it brings; nil where the runtime's usual one asks.
    public var gate: GateClass? {
        switch self {
        case .own(let gate): gate
        case .djangoBeat:
            GateClass(
                module: "bailey_runtime.django_gate",
                name: "DjangoBeatGate",
                requirement: "apache-airflow-providers-postgres",
                leadsTo: "the PostgreSQL that beat reads its schedule from, which holds the switch"
            )
        case .redbeat, .queue, .unswitched: nil
        }
    }

    /// A Python class that makes the first task of a gated file. It is called with `source`, `entries`, `missed_ticks` and, where they are not
    /// the usual ones, `late_after` and `timezone`.
    public struct GateClass: Sendable, Hashable {
        /// Where it is imported from.
        public var module: String
        /// Its name.
        public var name: String
        /// The Python package that holds it.
        public var requirement: String
        /// What the source's Airflow connection must lead to, for people: `the file that holds the switch`.
        public var leadsTo: String

        /// Makes one.
        public init(module: String, name: String, requirement: String, leadsTo: String) {
            self.module = module
            self.name = name
            self.requirement = requirement
            self.leadsTo = leadsTo
        }
    }
}
