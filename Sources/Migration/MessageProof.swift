public import LosslessJSON

/// What a rehearsal saw of the message of one Celery task: beat's beside that of the DAG's sender.
public struct MessageComparison: Sendable, Hashable {
    /// What came of it.
    public enum Verdict: String, Sendable, Hashable, CaseIterable {
        /// Both messages were there and are equal.
        case same
        /// Both were there and differ.
        case different
        /// No copy was fired by beat; what can be compared without one is equal.
        case offline
        /// Something could not be done or seen.
        case failed
    }

    /// A property of a message that differs.
    public struct Difference: Sendable, Hashable {
        /// `body`, `content_type`, `headers.NAME` or `properties.NAME`; `to` is the way that the message takes.
        public var property: String
        /// What beat's has, shortened.
        public var beat: String
        /// What the DAG's has, shortened.
        public var dag: String

        /// Makes a difference.
        public init(property: String, beat: String, dag: String) {
            self.property = property
            self.beat = beat
            self.dag = dag
        }
    }

    /// The task of the pipeline.
    public var task: String
    /// The legacy entry whose message it stands for.
    public var entry: EntryID
    /// The digest of everything that makes the message: it holds as long as that is the same.
    public var form: String
    /// What came of it.
    public var verdict: Verdict
    /// What was seen, or why nothing was, one sentence without its full stop.
    public var words: String
    /// Where the message goes: the exchange, the routing key, the queues.
    public var to: String
    /// The properties that are equal.
    public var same: [String]
    /// Those that are not.
    public var differences: [Difference]
    /// The SHA-256 of beat's body; nil where there was none.
    public var body: String?

    /// Makes a comparison.
    public init(
        task: String,
        entry: EntryID,
        form: String,
        verdict: Verdict,
        words: String,
        to: String = "",
        same: [String] = [],
        differences: [Difference] = [],
        body: String? = nil
    ) {
        self.task = task
        self.entry = entry
        self.form = form
        self.verdict = verdict
        self.words = words
        self.to = to
        self.same = same
        self.differences = differences
        self.body = body
    }
}

/// A task of Celery's own, without effect, that was sent the way of a pipeline's task.
public struct RoundTrip: Sendable, Hashable {
    /// The task of the pipeline.
    public var task: String
    /// The digest of everything that makes the message.
    public var form: String
    /// Whether a worker took it.
    public var reached: Bool
    /// Whether what the pipeline's task waits for came back.
    public var cameBack: Bool
    /// How long that took; nil if it did not.
    public var milliseconds: Int?
    /// What was seen, or why it came no further, one sentence without its full stop.
    public var words: String
    /// Where it went.
    public var to: String

    /// Makes one.
    public init(
        task: String,
        form: String,
        reached: Bool,
        cameBack: Bool,
        milliseconds: Int?,
        words: String,
        to: String
    ) {
        self.task = task
        self.form = form
        self.reached = reached
        self.cameBack = cameBack
        self.milliseconds = milliseconds
        self.words = words
        self.to = to
    }

    /// It in one line for people.
    public var text: String {
        let time = milliseconds.map { " in \($0) ms" } ?? ""
        let how =
            cameBack
            ? "reached a worker\(time)" : reached ? "reached a worker\(time), and no further" : "reached no worker"
        return "\(how): \(words)" + (to.isEmpty ? "" : " (to \(to))")
    }
}

extension MessageComparison {
    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "task": .string(task), "entry": .string(entry.description), "form": .string(form),
            "verdict": .string(verdict.rawValue), "detail": .string(words), "to": .string(to), "same": JSON(same),
            "differences": .array(
                differences.map {
                    ["property": .string($0.property), "beat": .string($0.beat), "dag": .string($0.dag)]
                }
            ),
            "body_sha256": JSON(body),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "message comparison")
        self.init(
            task: try object.string("task"),
            entry: try object.entry("entry"),
            form: try object.string("form"),
            verdict: try object.value("verdict", "a verdict") { $0.string.flatMap { Verdict(rawValue: $0) } },
            words: try object.string("detail"),
            to: try object.string("to"),
            same: object.items("same").compactMap(\.string),
            body: json["body_sha256"]?.string
        )
        for item in object.items("differences") {
            let found = try StoredObject(item, "difference")
            differences.append(
                Difference(
                    property: try found.string("property"),
                    beat: try found.string("beat"),
                    dag: try found.string("dag")
                )
            )
        }
    }
}

extension RoundTrip {
    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "task": .string(task), "form": .string(form), "reached": .bool(reached), "came_back": .bool(cameBack),
            "milliseconds": JSON(milliseconds), "detail": .string(words), "to": .string(to),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "round trip")
        self.init(
            task: try object.string("task"),
            form: try object.string("form"),
            reached: try object.bool("reached"),
            cameBack: try object.bool("came_back"),
            milliseconds: json["milliseconds"]?.int,
            words: try object.string("detail"),
            to: try object.string("to")
        )
    }
}
