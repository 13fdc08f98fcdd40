import LosslessJSON
public import Migration

/// What a run changed outside of itself, beside what legacy's own run did.
public struct EffectFindings: Sendable {
    /// Where the two differ.
    public var differences: [Difference] = []
    /// Differences that a rule hides.
    public var ignored: [IgnoredDifference] = []
    /// What could not be compared, and why.
    public var unknown: [String] = []
    /// What was compared, in words.
    public var told: [String] = []
    /// How many calls over HTTP were made that nobody can compare: where legacy's are written down, the mapping does not say.
    public var uncomparedCalls = 0

    /// Nothing.
    public init() {}

    /// Adds a place where they differ.
    mutating func differ(_ place: String, _ legacy: JSON?, _ shadow: JSON?, _ text: String) {
        differences.append(Difference(kind: .effects, path: place, legacy: legacy, shadow: shadow, text: text))
    }

    /// Adds those of another part of the run.
    mutating func add(_ other: EffectFindings) {
        differences += other.differences
        ignored += other.ignored
        unknown += other.unknown
        told += other.told
        uncomparedCalls += other.uncomparedCalls
    }

    /// Adds them to the comparison of results.
    func add(to comparison: inout Comparison) {
        comparison.differences += differences
        comparison.ignored += ignored
        if !comparison.differences.isEmpty { comparison.verdict = .mismatch }
        if !told.isEmpty {
            let words = "effects compared: \(told.joined(separator: "; "))"
            comparison.reason = [comparison.reason, words].compactMap { $0 }.joined(separator: "; ")
        }
        if uncomparedCalls > 0 {
            comparison.uncomparedCalls = uncomparedCalls
            let words =
                "\(uncomparedCalls) calls over HTTP were not compared: the mapping names no record of legacy's (“http_legacy”)"
            comparison.reason = [comparison.reason, words].compactMap { $0 }.joined(separator: "; ")
        }
        guard !unknown.isEmpty else { return }
        let told = "effects were not compared: \(unknown.joined(separator: "; "))"
        comparison.reason = [comparison.reason, told].compactMap { $0 }.joined(separator: "; ")
        if comparison.verdict == .match { comparison.verdict = .insufficient }
    }
}
