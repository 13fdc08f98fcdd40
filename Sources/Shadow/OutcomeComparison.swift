import LosslessJSON
public import Migration

/// Compares the outcomes of one run on both sides.
public enum OutcomeComparison {
    /// The comparison of a pair.
    ///
    /// - Parameter isWhole: whether the shadow outcome is that of a DAG in which no single task stands for the entry; it has no result of its own.
    public static func compare(
        _ legacy: Outcome,
        _ shadow: Outcome,
        pipeline: String,
        rules: CompareRules,
        isWhole: Bool = false
    ) -> Comparison {
        var comparison = Comparison(
            key: legacy.key,
            pipeline: pipeline,
            legacy: legacy,
            shadow: shadow,
            verdict: .match
        )
        let values = JSONComparison(rules: rules)
        let exact = JSONComparison(rules: CompareRules())
        for found in exact.differences(legacy.arguments, shadow.arguments) {
            comparison.differences.append(difference(.arguments, found, "the argument"))
        }
        if shadow.state == .observed {
            comparison.verdict = comparison.differences.isEmpty ? .insufficient : .mismatch
            comparison.reason = "no body ran in shadow (mode observe), so only the arguments were compared"
            return comparison
        }
        if legacy.state != shadow.state {
            comparison.differences.append(
                Difference(
                    kind: .state,
                    legacy: .string(legacy.state.rawValue),
                    shadow: .string(shadow.state.rawValue),
                    text: "legacy ended as \(legacy.state.rawValue), shadow as \(shadow.state.rawValue)"
                        + (shadow.error.map { " (\($0.type): \($0.message))" } ?? "")
                )
            )
        } else if let a = legacy.error, let b = shadow.error, a.type != "unknown",
            a.type != b.type || a.message != b.message
        {
            comparison.differences.append(
                Difference(
                    kind: .error,
                    legacy: .string("\(a.type): \(a.message)"),
                    shadow: .string("\(b.type): \(b.message)"),
                    text: "both failed, but not in the same way"
                )
            )
        }
        if legacy.state == .success, shadow.state == .success {
            if isWhole {
                comparison.reason = "no single task stands for the entry; state and arguments were compared"
            } else if let a = legacy.result {
                for found in values.differences(a, shadow.result ?? .null) {
                    let difference = difference(.result, found, "the result")
                    if let rule = found.rule {
                        comparison.ignored.append(IgnoredDifference(rule: rule, difference: difference))
                    } else {
                        comparison.differences.append(difference)
                    }
                }
            } else {
                comparison.reason = "legacy records no result; state and arguments were compared"
            }
        }
        if let limit = rules.slowestRatio, let a = legacy.duration, let b = shadow.duration, a > 0, b > a * limit {
            comparison.differences.append(
                Difference(
                    kind: .duration,
                    legacy: .number(JSONNumber(a)),
                    shadow: .number(JSONNumber(b)),
                    text: "shadow took \(rounded(b / a)) times as long; \(rounded(limit)) times is allowed"
                )
            )
        }
        if !comparison.differences.isEmpty { comparison.verdict = .mismatch }
        return comparison
    }

    private static func difference(_ kind: Difference.Kind, _ found: JSONComparison.Found, _ what: String) -> Difference
    {
        let text: String
        switch (found.legacy, found.shadow) {
        case (nil, _): text = "\(what) has \(found.path) only in shadow"
        case (_, nil): text = "\(what) has \(found.path) only in legacy"
        default:
            text =
                found.unknown.map { "\(what) cannot be compared at \(found.path): \($0)" }
                ?? "\(what) differs at \(found.path)"
        }
        return Difference(kind: kind, path: found.path, legacy: found.legacy, shadow: found.shadow, text: text)
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
