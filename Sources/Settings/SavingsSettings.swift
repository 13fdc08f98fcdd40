/// What people say that time is worth, for `bailey report --savings`. Bailey has no numbers of its own for it.
public struct SavingsSettings: Sendable, Hashable {
    /// Work of people that takes another time than before.
    public struct Work: Sendable, Hashable {
        /// How often it is done.
        public enum Frequency: String, Sendable, Hashable, CaseIterable {
            case day, week, month, year
        }

        /// What it is, in words.
        public var what: String
        /// The pipeline it is about; nil for all of them.
        public var pipeline: String?
        /// Seconds that it took.
        public var before: Double
        /// Seconds that it takes.
        public var after: Double
        /// How often it is done.
        public var per: Frequency
        /// How many times in that.
        public var times: Double
        /// The line it stands in.
        public var line: Int
    }

    /// What a run took before, as a person says.
    public struct Before: Sendable, Hashable {
        /// In seconds.
        public var seconds: Double
        /// The line it stands in.
        public var line: Int
    }

    /// The word or sign of the currency.
    public var currency: String?
    /// What an hour of a person costs.
    public var personHour: Double?
    /// What an hour of a run costs: of the machine that waits for it to end.
    public var runHour: Double?
    /// Work of people.
    public var work: [Work] = []
    /// What runs took that no system has recorded, by pipeline.
    public var before: [String: Before] = [:]

    init(_ node: YAMLNode, _ problems: Problems) {
        let known = ["currency", "person_hour", "run_hour", "work", "before"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return }
        currency = fields.string("currency")
        if let currency, !currency.contains(where: { !$0.isWhitespace }) {
            problems.note(
                Problem(file: node.file, line: fields.line("currency"), "“currency” is empty; write USD, €, …")
            )
        }
        personHour = fields.double("person_hour")
        runHour = fields.double("run_hour")
        for (key, value) in [("person_hour", personHour), ("run_hour", runHour)] {
            guard let value else { continue }
            if !(value >= 0 && value <= 1_000_000_000) {
                problems.note(
                    Problem(file: node.file, line: fields.line(key), "“\(key)” is what an hour costs: 0 or more")
                )
            }
            if currency == nil {
                problems.note(
                    Problem(file: node.file, line: fields.line(key), "“\(key)” is money; say in which “currency”")
                )
            }
        }
        for member in fields.members("before") ?? [] {
            guard case .scalar(let text, _) = member.value.content, let seconds = YAMLFields.seconds(text) else {
                problems.note(member.value, "“\(member.key)” must be a length of time such as 90s, 15m, 2h or 1d")
                continue
            }
            before[member.key] = Before(seconds: seconds, line: member.line)
        }
        for item in fields.items("work") ?? [] {
            let known = ["what", "pipeline", "before", "after", "per", "times"]
            guard let inner = YAMLFields(item, known: known, problems: problems), let what = inner.required("what"),
                inner.required("before") != nil
            else { continue }
            // That it took no time before, or takes none any more, is no length of time.
            func length(_ key: String) -> Double? {
                inner.string(key).map { ["0", "0s", "0m", "0h", "0d"].contains($0) } == true ? 0 : inner.duration(key)
            }
            guard let before = length("before") else { continue }
            let times = inner.double("times") ?? 1
            if !(times > 0 && times <= 1_000_000) {
                problems.note(item, "“times” is how many times it is done “per”: more than 0")
            }
            work.append(
                Work(
                    what: what,
                    pipeline: inner.string("pipeline"),
                    before: before,
                    after: length("after") ?? 0,
                    per: inner.choice("per", Work.Frequency.self) ?? .month,
                    times: times,
                    line: item.line
                )
            )
        }
    }
}
