public import LosslessJSON
public import Migration

/// Noise that legacy shows by itself: places at which its results differ from run to run although the call was the same.
///
/// It is learnt from legacy against legacy alone, and proposed, never applied: that a value changes says nothing of why.
public struct NoiseLearning: Sendable {
    /// A place at which legacy's own results differ.
    public struct Noise: Sendable {
        /// The place, any element of an array being one.
        public var place: String
        /// How many pairs of runs with equal inputs were looked at.
        public var pairs: Int
        /// In how many of them it differs.
        public var differing: Int
        /// The rule that would cover it.
        public var rule: Rule
        /// Two values that legacy gave.
        public var examples: [JSON]

        /// How often it differs, 0…1.
        public var rate: Double { pairs == 0 ? 0 : Double(differing) / Double(pairs) }
    }

    /// A rule of a mapping's `compare`.
    public enum Rule: Sendable, Hashable {
        case ignore
        case tolerance(relative: Double)
        case unordered
        case pattern(String)
    }

    private struct Place {
        var pairs = 0
        var spread = 0.0
        var areNumbers = true
        var patterns = Set(NoiseLearning.patterns.map(\.pattern))
        var isOrder = true
        var examples: [JSON] = []
    }

    private static let patterns: [(pattern: String, expression: BoundedPattern?)] = [
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[0-9a-f]{32}", "[0-9a-f]{40}", "[0-9a-f]{64}",
        "[0-9a-f]+", "\\d{4}-\\d{2}-\\d{2}",
        "\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:?\\d{2})?", "\\d+",
    ].map { ($0, BoundedPattern($0)) }

    private var places: [String: Place] = [:]
    private var last: [String: JSON] = [:]
    /// How many pairs of runs with equal inputs were looked at.
    public private(set) var pairs = 0

    /// Nothing learnt yet.
    public init() {}

    /// Learns from a run of legacy; each is compared with the one before it that had the same input.
    public mutating func learn(_ outcome: Outcome) {
        guard outcome.state == .success, let result = outcome.result else { return }
        let input = "\(outcome.argumentsKind.rawValue) \(outcome.arguments.text(.canonical))"
        defer { last[input] = result }
        guard let before = last[input] else { return }
        pairs += 1
        var found: [(place: String, legacy: JSON?, shadow: JSON?)] = []
        compare(before, result, [], &found)
        for (place, values) in Dictionary(grouping: found, by: \.place) {
            var known = places[place] ?? Place()
            known.pairs += 1
            for value in values { NoiseLearning.take(value.legacy, value.shadow, &known) }
            places[place] = known
        }
    }

    private func compare(
        _ a: JSON,
        _ b: JSON,
        _ path: [ComparePath.Step],
        _ found: inout [(place: String, legacy: JSON?, shadow: JSON?)]
    ) {
        if a.isSame(as: b) { return }
        func only(_ step: ComparePath.Step, _ x: JSON?, _ y: JSON?) {
            if let x, let y { return compare(x, y, path + [step], &found) }
            found.append((ComparePath(path + [step]).description, x, y))
        }
        switch (a, b) {
        case (.object(let left), .object(let right)):
            let (mine, its) = (left.latest, right.latest)
            for key in Set(mine.keys).union(its.keys) { only(.key(key), mine[key], its[key]) }
        case (.array(let left), .array(let right)):
            if left.map({ $0.text(.canonical) }).sorted() == right.map({ $0.text(.canonical) }).sorted() {
                found.append((ComparePath(path).description, a, b))
                return
            }
            for index in 0..<max(left.count, right.count) {
                only(.anyIndex, index < left.count ? left[index] : nil, index < right.count ? right[index] : nil)
            }
        default: found.append((ComparePath(path).description, a, b))
        }
    }

    private static func take(_ a: JSON?, _ b: JSON?, _ place: inout Place) {
        if place.examples.isEmpty { place.examples = [a ?? .null, b ?? .null] }
        if let x = a?.double, let y = b?.double, x.isFinite, y.isFinite, max(abs(x), abs(y)) > 0 {
            place.spread = max(place.spread, abs(x - y) / max(abs(x), abs(y)))
        } else {
            place.areNumbers = false
        }
        if let x = a?.string, let y = b?.string {
            place.patterns = place.patterns.filter { pattern in
                guard let expression = patterns.first(where: { $0.pattern == pattern })?.expression else {
                    return false
                }
                return (try? expression.matches(x)) == true && (try? expression.matches(y)) == true
            }
        } else {
            place.patterns = []
        }
        if a?.array == nil || b?.array == nil { place.isOrder = false }
    }

    /// What was learnt, the most frequent first.
    public var noise: [Noise] {
        places.map { path, place in
            Noise(
                place: path,
                pairs: pairs,
                differing: place.pairs,
                rule: NoiseLearning.rule(place),
                examples: place.examples
            )
        }.sorted { (-$0.differing, $0.place) < (-$1.differing, $1.place) }
    }

    private static func rule(_ place: Place) -> Rule {
        if place.isOrder { return .unordered }
        // Beyond this it is no rounding.
        if place.areNumbers, place.spread > 0, place.spread <= 1e-6 { return .tolerance(relative: place.spread * 2) }
        if let pattern = patterns.first(where: { place.patterns.contains($0.pattern) }) {
            return .pattern(pattern.pattern)
        }
        return .ignore
    }
}
