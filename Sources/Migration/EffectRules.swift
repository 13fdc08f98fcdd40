public import LosslessJSON
public import Schedules

/// What a task changes outside of itself, and where legacy's own run changes the same.
public struct EffectRules: Sendable, Hashable {
    /// A file, or a folder with all that is in it, that both sides write.
    public struct File: Sendable, Hashable {
        /// Where the body writes it, from its sandbox's folder on.
        public var written: String
        /// Where legacy writes it: a path of this machine.
        public var legacy: String
        /// How it is compared, where it is JSON.
        public var compare: CompareRules

        /// Makes a rule. In both paths `%Y`, `%m`, `%d`, `%H`, `%M` and `%S` are those of the run's tick, and `{job}` is the job's id.
        public init(written: String, legacy: String, compare: CompareRules = CompareRules()) {
            (self.written, self.legacy, self.compare) = (written, legacy, compare)
        }
    }

    /// What a call over HTTP is answered with in shadow.
    public struct Answer: Sendable, Hashable {
        /// `GET`, `POST`, …
        public var method: String
        /// Scheme, host, port and path; a query counts only where the rule has one.
        public var url: String
        /// The status of the answer.
        public var status: Int
        /// Its body; nil for none.
        public var body: JSON?

        /// Makes an answer.
        public init(method: String = "GET", url: String, status: Int = 200, body: JSON? = nil) {
            (self.method, self.url, self.status, self.body) = (method, url, status, body)
        }
    }

    /// The files that are compared.
    public var files: [File] = []
    /// What calls over HTTP are answered with; each other one is refused. Nil where none is recorded.
    public var http: [Answer]?
    /// Where legacy's own calls over HTTP are written down, a line of JSON each; nil where they are not. A path as that of a file.
    public var legacyCalls: String?

    /// No effect that anybody named.
    public init() {}

    /// Whether nothing is named.
    public var isEmpty: Bool { files.isEmpty && http == nil }

    var form: JSON {
        var form: JSONObject = [
            "files": .array(files.map { [.string($0.written), .string($0.legacy), $0.compare.form] }),
            "http": http.map {
                .array($0.map { [.string($0.method), .string($0.url), JSON($0.status), $0.body ?? .null] })
            } ?? .null,
        ]
        // Only where it is said, so that what was compared by mappings without it goes on to count.
        if let legacyCalls { form["http_legacy"] = .string(legacyCalls) }
        return .object(form)
    }

    /// A path with the parts of a run's tick, and the id of its job or of legacy's own run, filled in.
    ///
    /// - Returns: nil where the run has nothing to fill in, or an id that no name of a file can hold.
    public static func path(_ pattern: String, of run: Outcome.Key, in zone: Zone) -> String? {
        var pattern = pattern
        if pattern.contains("{job}") {
            guard let job = run.job, !job.isEmpty, job != "..", job != ".", !job.contains("/"), !job.contains("%")
            else {
                return nil
            }
            pattern.replace("{job}", with: job)
        }
        guard pattern.contains("%") else { return pattern }
        guard let tick = run.tick else { return nil }
        let local = zone.local(at: tick)
        let day = local.date.description.split(separator: "-").map(String.init)
        let clock = local.clock.split(separator: ":").map(String.init)
        guard day.count == 3, clock.count == 3 else { return nil }
        let parts = ["%Y": day[0], "%m": day[1], "%d": day[2], "%H": clock[0], "%M": clock[1], "%S": clock[2]]
        return parts.reduce(pattern) { $0.replacing($1.key, with: $1.value) }
    }
}
