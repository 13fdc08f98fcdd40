public import LosslessJSON
public import Schedules

/// How one run went: the same shape for both sides.
public struct Outcome: Sendable, Hashable {
    /// Who ran it.
    public enum Side: String, Sendable, Hashable, CaseIterable {
        case legacy
        case shadow
    }

    /// What a run is of: outcomes of both sides with equal keys are one pair.
    public struct Key: Sendable, Hashable, CustomStringConvertible {
        /// The legacy entry.
        public var entry: EntryID
        /// The tick, for an entry with a clock.
        public var tick: Instant?
        /// The job's id, for a queued job, or legacy's own run id where no tick is known.
        public var job: String?

        /// Makes a key.
        public init(entry: EntryID, tick: Instant? = nil, job: String? = nil) {
            self.entry = entry
            self.tick = tick
            self.job = job
        }

        /// For people and logs.
        public var description: String {
            let which = [tick.map(\.iso8601), job].compactMap { $0 }.joined(separator: " ")
            return which.isEmpty ? "\(entry)" : "\(entry) \(which)"
        }
    }

    /// What it is a run of.
    public var key: Key
    /// Who ran it.
    public var side: Side
    /// The pipeline's task, where the side knows it.
    public var task: String?
    /// The side's own id of the run: a Celery task id, a job id, a DAG run id.
    public var run: String
    /// How it ended.
    public var state: RunState
    /// What it was called with: an object with `args` and `kwargs`, or the job's payload.
    public var arguments: JSON
    /// What the payload is in its table, for a job; JSON for all else.
    public var argumentsKind = PayloadKind.json
    /// What it returned; nil when none was recorded.
    public var result: JSON?
    /// What went wrong; nil when nothing did or nothing was recorded.
    public var error: RunError?
    /// When it was put in line; nil when not recorded.
    public var queued: Instant?
    /// When its last attempt started; nil when not recorded.
    public var start: Instant?
    /// When it ended; nil when not recorded.
    public var end: Instant?
    /// How many attempts it took; nil when not recorded.
    public var attempts: Int?
    /// Seconds from start to end by one and the same clock; nil where the two were read from clocks of different hosts, or not at all.
    public var measured: Double?
    /// Why it cannot be the run of a tick (another task started it, it is part of a group); nil if nothing speaks against it.
    public var origin: String?
    /// What kept its bodies in shadow from having effects; nil where nothing did.
    public var isolation: String?
    /// What its bodies changed outside of themselves, as far as that was kept: an object by kind; nil where nobody looked.
    public var effects: JSON?

    /// Makes an outcome.
    public init(
        key: Key,
        side: Side,
        task: String? = nil,
        run: String,
        state: RunState,
        arguments: JSON = .null,
        result: JSON? = nil,
        error: RunError? = nil,
        queued: Instant? = nil,
        start: Instant? = nil,
        end: Instant? = nil,
        attempts: Int? = nil
    ) {
        self.key = key
        self.side = side
        self.task = task
        self.run = run
        self.state = state
        self.arguments = arguments
        self.result = result
        self.error = error
        self.queued = queued
        self.start = start
        self.end = end
        self.attempts = attempts
    }

    /// Seconds from start to end; nil unless both are recorded, and where clocks of different hosts make it negative.
    public var duration: Double? {
        if let measured { return measured }
        guard let start, let end, end >= start else { return nil }
        return Double(end.microseconds - start.microseconds) / 1_000_000
    }
}

/// What went wrong in a run.
public struct RunError: Sendable, Hashable {
    /// The exception's type, such as `ValueError`; `exit` for a program, `timeout` for a run that was killed.
    public var type: String
    /// The module of the type, such as `builtins`; nil when not recorded.
    public var module: String?
    /// The exception's arguments, as Celery would store them; nil when not recorded.
    public var arguments: JSON?
    /// The message.
    public var message: String
    /// The traceback or the last lines of standard error; nil when not recorded.
    public var detail: String?
    /// The class as which Celery would keep it, because pickle cannot make it anew; nil where it is kept as what it is.
    public var kept: Kept?

    /// A class of exceptions.
    public struct Kept: Sendable, Hashable {
        /// Its name.
        public var type: String
        /// Its module.
        public var module: String

        /// Names a class.
        public init(type: String, module: String) { (self.type, self.module) = (type, module) }
    }

    /// Makes an error.
    public init(
        type: String,
        message: String,
        detail: String? = nil,
        module: String? = nil,
        arguments: JSON? = nil,
        kept: Kept? = nil
    ) {
        self.kept = kept
        self.type = type
        self.message = message
        self.detail = detail
        self.module = module
        self.arguments = arguments
    }

    /// The type with its module, where that is known and is not Python's own.
    public var name: String {
        guard let module, module != "builtins" else { return type }
        return "\(module).\(type)"
    }
}
