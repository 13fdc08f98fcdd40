/// How the outcomes of one task are compared: what is noise, by name, and how exact equality has to be.
///
/// A path is written `$.metrics.loss`, `$.rows[0]`, `$.rows[*].id`, `$["a key"]`; `$` is the whole result. See ``ComparePath``.
public struct CompareRules: Sendable, Hashable {
    /// Parts of the result that do not count. What they hide is counted apart and is never a match.
    public var ignore: [IgnoreRule]
    /// Parts that are compared as numbers within a tolerance.
    public var tolerances: [Tolerance]
    /// Paths of arrays whose order does not count.
    public var unordered: [String]
    /// Parts whose text must match a regular expression on both sides, instead of being equal.
    public var patterns: [PatternRule]
    /// How many times slower a shadow run may be before that is a difference; nil when duration does not count.
    public var slowestRatio: Double?

    /// Makes rules; by default equality has to be exact and duration does not count.
    public init(
        ignore: [IgnoreRule] = [],
        tolerances: [Tolerance] = [],
        unordered: [String] = [],
        patterns: [PatternRule] = [],
        slowestRatio: Double? = nil
    ) {
        self.ignore = ignore
        self.tolerances = tolerances
        self.unordered = unordered
        self.patterns = patterns
        self.slowestRatio = slowestRatio
    }

    /// Every rule by the name that reports give it: `ignore` rules first, then `tolerance`, `unordered`, `pattern`.
    public var names: [String] {
        ignore.map(\.name) + tolerances.map { "tolerance \($0.path)" } + unordered.map { "unordered \($0)" }
            + patterns.map { "pattern \($0.path)" }
    }
}

/// A named reason not to look at a part of a result.
public struct IgnoreRule: Sendable, Hashable {
    /// The name it is counted under.
    public var name: String
    /// The part it hides.
    public var path: String
    /// Why that is noise; shown in reports.
    public var because: String

    /// Makes a rule.
    public init(name: String, path: String, because: String) {
        self.name = name
        self.path = path
        self.because = because
    }
}

/// How far two numbers may lie apart: either bound suffices.
public struct Tolerance: Sendable, Hashable {
    /// The numbers it applies to.
    public var path: String
    /// The largest |a − b| / max(|a|, |b|).
    public var relative: Double?
    /// The largest |a − b|.
    public var absolute: Double?

    /// Makes a tolerance.
    public init(path: String, relative: Double? = nil, absolute: Double? = nil) {
        self.path = path
        self.relative = relative
        self.absolute = absolute
    }

    /// Whether two numbers lie near enough.
    public func admits(_ x: Double, _ y: Double) -> Bool {
        guard x.isFinite, y.isFinite else { return false }
        let distance = abs(x - y)
        if let absolute, distance <= absolute { return true }
        if let relative, distance <= relative * max(abs(x), abs(y)) { return true }
        return false
    }
}

/// A part of a result that only has to look right.
public struct PatternRule: Sendable, Hashable {
    /// The strings it applies to.
    public var path: String
    /// The regular expression that the whole string must match, on both sides.
    public var pattern: String

    /// Makes a rule.
    public init(path: String, pattern: String) {
        self.path = path
        self.pattern = pattern
    }
}
