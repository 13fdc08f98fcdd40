public import LosslessJSON

/// A legacy outcome and a shadow outcome of the same tick or job, and how they differ.
public struct Comparison: Sendable, Hashable {
    /// What comparing showed.
    public enum Verdict: String, Sendable, Hashable, CaseIterable {
        /// Both sides ran it and nothing that counts differs.
        case match
        /// Something that counts differs, or one side did not run it.
        case mismatch
        /// There is too little to tell: one side may yet run, no body ran, or legacy recorded no result.
        case insufficient = "not-enough-data"
        /// The comparing itself failed.
        case broken = "observer-broken"
    }

    /// What was run.
    public var key: Outcome.Key
    /// The pipeline it belongs to.
    public var pipeline: String
    /// What legacy did; nil when it did not run.
    public var legacy: Outcome?
    /// What shadow did; nil when it did not run.
    public var shadow: Outcome?
    /// What comparing showed.
    public var verdict: Verdict
    /// The differences that count.
    public var differences: [Difference]
    /// Differences that a named rule hides, counted apart.
    public var ignored: [IgnoredDifference]
    /// Why the verdict is what it is, where the differences do not say it.
    public var reason: String?
    /// The names of the task's rules whose place was there to be compared.
    public var met: Set<String> = []
    /// How many calls over HTTP the bodies in shadow made that could not be compared with legacy's.
    public var uncomparedCalls = 0

    /// Makes a comparison.
    public init(
        key: Outcome.Key,
        pipeline: String,
        legacy: Outcome?,
        shadow: Outcome?,
        verdict: Verdict,
        differences: [Difference] = [],
        ignored: [IgnoredDifference] = [],
        reason: String? = nil
    ) {
        self.key = key
        self.pipeline = pipeline
        self.legacy = legacy
        self.shadow = shadow
        self.verdict = verdict
        self.differences = differences
        self.ignored = ignored
        self.reason = reason
    }
}

extension Comparison {
    /// When both sides ran and how they ended, without what they were called with, returned and changed, which may be megabytes.
    public var outline: Comparison {
        var outline = self
        (outline.differences, outline.ignored) = ([], [])
        (outline.legacy, outline.shadow) = (legacy?.outline, shadow?.outline)
        return outline
    }
}

extension Outcome {
    fileprivate var outline: Outcome {
        var outline = self
        (outline.arguments, outline.result, outline.error, outline.effects) = (.null, nil, nil, nil)
        return outline
    }
}

/// One way in which two outcomes differ.
public struct Difference: Sendable, Hashable {
    /// What sort of difference it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case arguments
        case state
        case result
        case error
        case duration
        case attempts
        case effects
    }

    /// What sort of difference it is.
    public var kind: Kind
    /// Where: a path into the arguments or the result, or `$`.
    public var path: String
    /// Legacy's value there; nil when it has none.
    public var legacy: JSON?
    /// Shadow's value there; nil when it has none.
    public var shadow: JSON?
    /// One sentence for people.
    public var text: String

    /// Makes a difference.
    public init(kind: Kind, path: String = "$", legacy: JSON?, shadow: JSON?, text: String) {
        self.kind = kind
        self.path = path
        self.legacy = legacy
        self.shadow = shadow
        self.text = text
    }
}

/// A difference that a named rule hides.
public struct IgnoredDifference: Sendable, Hashable {
    /// The rule's name.
    public var rule: String
    /// What it hides.
    public var difference: Difference

    /// Makes an ignored difference.
    public init(rule: String, difference: Difference) {
        self.rule = rule
        self.difference = difference
    }
}
