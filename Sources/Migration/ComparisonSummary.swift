/// Everything that was compared of a pipeline under the present form of its mapping, as figures. Nothing of it depends on how much is shown.
public struct ComparisonSummary: Sendable {
    /// Differences of one kind at one place, which one rule would cover or one cause explains.
    public struct Cause: Sendable {
        /// The kind of difference, or the verdict where there is none.
        public var kind: String
        /// The place, any element of an array being one; or the reason of the verdict.
        public var place: String
        /// The rule that hides it; nil if it counts.
        public var hidden: String?
        /// How many runs show it.
        public var runs: Int
        /// The newest of them; nil where it was not asked for.
        public var example: Comparison?

        /// Makes a cause.
        public init(kind: String, place: String, hidden: String?, runs: Int, example: Comparison?) {
            self.kind = kind
            self.place = place
            self.hidden = hidden
            self.runs = runs
            self.example = example
        }

        /// The example's difference at this place.
        public var difference: Difference? {
            guard let example else { return nil }
            if let hidden {
                return example.ignored.first { $0.rule == hidden && $0.difference.place == place }?.difference
            }
            return example.differences.first { $0.kind.rawValue == kind && $0.place == place }
        }
    }

    /// How many have each verdict.
    public var verdicts: [Comparison.Verdict: Int] = [:]
    /// How many differences rules hide.
    public var ignored = 0
    /// Why they differ, the most frequent first, those that a rule hides last.
    public var causes: [Cause] = []
    /// How many causes there are that count.
    public var causeCount = 0
    /// How many causes there are that rules hide.
    public var hiddenCauseCount = 0
    /// How many comparisons are of calls that no tick made; they count nowhere else.
    public var notScheduled = 0
    /// How many of those differ.
    public var notScheduledDiffering = 0
    /// How many comparisons were made under an older form of the mapping; they count nowhere else.
    public var older = 0
    /// How long legacy's runs took.
    public var legacy: Durations?
    /// How long shadow's runs took.
    public var shadow: Durations?

    /// How shadow's pace compares with legacy's; nil where one of them is not known.
    public var pace: Pace? { legacy.flatMap { legacy in shadow.map { Pace(legacy, $0) } } }

    /// How many runs were kept from effects in one way.
    public struct Isolation: Sendable, Hashable {
        /// The way, with what was refused.
        public var words: String
        /// How many runs.
        public var runs: Int

        /// Makes a figure.
        public init(words: String, runs: Int) { (self.words, self.runs) = (words, runs) }
    }

    /// What kept bodies from having effects, the most frequent first, of `isolationCount`.
    public var isolations: [Isolation] = []
    /// In how many ways they were kept from it.
    public var isolationCount = 0
    /// In how many runs they were.
    public var isolated = 0
    /// How many calls over HTTP could not be compared with legacy's.
    public var uncomparedCalls = 0
    /// In how many runs those were made.
    public var runsWithUncomparedCalls = 0

    /// Rules whose place no compared result had.
    public var unmetRules: [String] = []

    /// No comparisons.
    public init() {}

    /// The causes that count and are told, of `causeCount`.
    public var counting: [Cause] { causes.filter { $0.hidden == nil } }

    /// The causes that rules hide and that are told, of `hiddenCauseCount`.
    public var hidden: [Cause] { causes.filter { $0.hidden != nil } }

    /// How many comparisons count.
    public var compared: Int { verdicts.values.reduce(0, +) }

    /// The worst verdict there is; too little to tell if nothing was compared.
    public var verdict: Comparison.Verdict {
        for verdict in [Comparison.Verdict.broken, .mismatch] where verdicts[verdict, default: 0] > 0 { return verdict }
        return verdicts[.match, default: 0] > 0 ? .match : .insufficient
    }
}

extension Difference {
    /// Its path with any element for each element.
    public var place: String {
        guard let path = try? ComparePath(path) else { return path }
        return ComparePath(path.steps.map { if case .index = $0 { .anyIndex } else { $0 } }).description
    }
}

extension ComparisonSummary {
    /// The figures of comparisons that are all there are.
    public init(_ comparisons: [Comparison]) {
        struct Key: Hashable {
            var kind: String
            var place: String
            var hidden: String?
        }
        self.init()
        var runs: [Key: Int] = [:]
        var examples: [Key: Comparison] = [:]
        for comparison in comparisons {
            verdicts[comparison.verdict, default: 0] += 1
            ignored += comparison.ignored.count
            var keys = Set(comparison.differences.map { Key(kind: $0.kind.rawValue, place: $0.place) })
            for item in comparison.ignored {
                keys.insert(Key(kind: item.difference.kind.rawValue, place: item.difference.place, hidden: item.rule))
            }
            for key in keys {
                runs[key, default: 0] += 1
                examples[key] = comparison
            }
        }
        legacy = Durations(comparisons.compactMap { $0.legacy?.duration })
        shadow = Durations(comparisons.compactMap { $0.shadow?.duration })
        let kinds = Dictionary(grouping: comparisons.compactMap { $0.shadow?.isolation }) { $0 }.mapValues(\.count)
        isolations = kinds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(3).map {
            Isolation(words: $0.key, runs: $0.value)
        }
        (isolationCount, isolated) = (kinds.count, kinds.values.reduce(0, +))
        uncomparedCalls = comparisons.reduce(0) { $0 + $1.uncomparedCalls }
        runsWithUncomparedCalls = comparisons.count { $0.uncomparedCalls > 0 }
        causes = runs.map { key, count in
            Cause(kind: key.kind, place: key.place, hidden: key.hidden, runs: count, example: examples[key])
        }
        causes.sort {
            ($0.hidden == nil ? 0 : 1, -$0.runs, $0.kind, $0.place) < (
                $1.hidden == nil ? 0 : 1, -$1.runs, $1.kind, $1.place
            )
        }
        causeCount = counting.count
        hiddenCauseCount = hidden.count
    }
}
