public import LosslessJSON
import Processes
public import Schedules

/// One thing that people are told once.
public struct Alert: Sendable, Hashable {
    /// How much it matters.
    public enum Level: String, Sendable, Hashable, CaseIterable {
        /// Something ended or healed by itself.
        case info
        /// A person should look.
        case warning
        /// Ownership moved without anybody asking, or cannot be told.
        case urgent
    }

    /// A stable name of the event, for programs: `rolled-back`, `healed`.
    public var event: String
    /// The same event of the same subject has the same identity every time, so that nobody is told twice.
    public var identity: String
    /// How much it matters.
    public var level: Level
    /// The pipeline it is about; nil where it is about none.
    public var pipeline: String?
    /// What happened and what to do, in full sentences.
    public var text: String
    /// When it was noticed.
    public var at: Instant

    /// Makes an alert.
    public init(event: String, identity: String, level: Level, pipeline: String?, text: String, at: Instant) {
        self.event = event
        self.identity = identity
        self.level = level
        self.pipeline = pipeline
        self.text = text
        self.at = at
    }

    /// An alert as its document tells it; nil if that is none.
    public init?(_ json: JSON, identity: String) {
        guard let event = json["event"]?.string, let level = json["level"]?.string.flatMap(Level.init(rawValue:)),
            let text = json["text"]?.string, let at = json["at"]?.string.flatMap({ Instant(iso8601: $0) })
        else { return nil }
        self.init(
            event: event,
            identity: identity,
            level: level,
            pipeline: json["pipeline"]?.string,
            text: text,
            at: at
        )
    }

    /// The alert as a command gets it; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "alert", "version": 1, "event": .string(event), "level": .string(level.rawValue),
            "pipeline": pipeline.map { .string($0) } ?? .null, "text": .string(text), "at": .string(at.iso8601),
        ]
    }

    /// For people: `Bailey: data_sync: …`.
    public var line: String {
        // Its own line ends stay, nothing else that a terminal or a mail reader would obey.
        "Bailey: \(pipeline.map { "\($0): " } ?? "")\(text)".split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0).visible }.joined(separator: "\n")
    }

    /// The alert without secrets: the given ones, and the user part of every URL.
    func without(_ secrets: [String]) -> Alert {
        var alert = self
        alert.text = Credentials.hidden(in: alert.text, secrets: secrets)
        return alert
    }
}
