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
        compare(
            legacy,
            shadow,
            pipeline: pipeline,
            values: JSONComparison(rules: rules),
            slowest: rules.slowestRatio,
            isWhole: isWhole,
            isJob: false
        )
    }

    /// The comparison of a pair, by rules that were made ready before. Of a job the queue counts the attempts, whoever takes it.
    static func compare(
        _ legacy: Outcome,
        _ shadow: Outcome,
        pipeline: String,
        values: JSONComparison,
        slowest: Double?,
        isWhole: Bool,
        isJob: Bool
    ) -> Comparison {
        var comparison = Comparison(
            key: legacy.key,
            pipeline: pipeline,
            legacy: legacy,
            shadow: shadow,
            verdict: .match
        )
        if legacy.argumentsKind != shadow.argumentsKind {
            comparison.differences.append(
                Difference(
                    kind: .arguments,
                    legacy: legacy.arguments,
                    shadow: shadow.arguments,
                    text:
                        "the payload is \(legacy.argumentsKind.words) in legacy, and \(shadow.argumentsKind.words) in shadow"
                )
            )
        } else {
            for found in exact.compare(legacy.arguments, shadow.arguments).found {
                comparison.differences.append(difference(.arguments, found, "the argument"))
            }
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
                        + (shadow.error.map { " (\($0.name): \($0.message))" } ?? "")
                )
            )
        } else if let a = legacy.error, let b = shadow.error, !ErrorComparison.saysNothing(a) {
            if let difference = ErrorComparison.difference(a, b) {
                comparison.differences.append(difference)
            } else {
                comparison.reason = ErrorComparison.remark(a, b)
            }
        } else if legacy.state == .failed, legacy.error.map(ErrorComparison.saysNothing) != false {
            comparison.reason = "legacy records no error; that both failed was compared"
        }
        if legacy.state == .success, shadow.state == .success {
            if isWhole {
                comparison.reason = "no single task stands for the entry; state and arguments were compared"
            } else {
                results(legacy, shadow, values, &comparison)
            }
        }
        if !isJob, legacy.state == shadow.state, let a = legacy.attempts, let b = shadow.attempts, a != b {
            comparison.differences.append(
                Difference(
                    kind: .attempts,
                    legacy: .number(JSONNumber(a)),
                    shadow: .number(JSONNumber(b)),
                    text: "legacy took \(attempts(a)), shadow \(attempts(b))"
                )
            )
        }
        if let limit = slowest, let a = legacy.duration, let b = shadow.duration, a > 0, b > a * limit {
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

    private static let exact = JSONComparison(rules: CompareRules())

    /// Compares what both returned. That nothing was returned is not the same as `null`.
    private static func results(
        _ legacy: Outcome,
        _ shadow: Outcome,
        _ values: JSONComparison,
        _ comparison: inout Comparison
    ) {
        guard let a = legacy.result else {
            comparison.reason = "legacy records no result; state and arguments were compared"
            return
        }
        guard let b = shadow.result else {
            comparison.differences.append(
                Difference(kind: .result, legacy: a, shadow: nil, text: "the body in shadow gave no result at all")
            )
            return
        }
        let outcome = values.compare(a, b)
        comparison.met = outcome.met
        for found in outcome.found {
            let difference = difference(.result, found, "the result")
            if let rule = found.rule {
                comparison.ignored.append(IgnoredDifference(rule: rule, difference: difference))
            } else {
                comparison.differences.append(difference)
            }
        }
    }

    private static func difference(_ kind: Difference.Kind, _ found: JSONComparison.Found, _ what: String) -> Difference
    {
        var text: String
        switch (found.legacy, found.shadow) {
        case (nil, _): text = "\(what) has \(found.path) only in shadow"
        case (_, nil): text = "\(what) has \(found.path) only in legacy"
        default: text = "\(what) \(found.isUnknown ? "cannot be compared" : "differs") at \(found.path)"
        }
        if let note = found.note { text += ": \(note)" }
        return Difference(kind: kind, path: found.path, legacy: found.legacy, shadow: found.shadow, text: text)
    }

    private static func attempts(_ count: Int) -> String { count == 1 ? "1 attempt" : "\(count) attempts" }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
