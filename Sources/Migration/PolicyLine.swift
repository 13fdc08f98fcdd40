public import Schedules

/// What the evidence says of a rule.
public enum PolicyVerdict: String, Sendable, Hashable, CaseIterable {
    /// It holds.
    case pass
    /// It does not hold.
    case fail
    /// It cannot be told yet.
    case insufficient = "not-enough-data"
    /// What should tell is broken.
    case broken = "observer-broken"
}

/// A rule of a policy.
public enum PolicyRule: String, Sendable, Hashable, CaseIterable {
    case plan
    case observer
    case comparedTicks = "compared-ticks"
    case inARow = "in-a-row"
    case coverage
    case slowestRatio = "slowest-ratio"
    case approvals
    case rehearsal
    case messageParity = "message-parity"
    case roundTrip = "round-trip"
    case deployed
    case durable
    case hours
    case trialRuns = "trial-runs"
    case cleanTicks = "clean-ticks"
    case owner
    case everyTick = "every-tick"
    case ungated
    case code
    case legacyWorker = "legacy-worker"
}

/// One rule and what the evidence says of it.
public struct PolicyLine: Sendable, Hashable {
    /// The rule.
    public var rule: PolicyRule
    /// What the evidence says.
    public var verdict: PolicyVerdict
    /// The evidence in words, one or more sentences without the last full stop.
    public var evidence: String
    /// When it may hold, told from schedules and hours; nil where it holds or nobody can say.
    public var when: Instant?

    /// Makes a line.
    public init(_ rule: PolicyRule, _ verdict: PolicyVerdict, _ evidence: String, when: Instant? = nil) {
        self.rule = rule
        self.verdict = verdict
        self.evidence = evidence
        self.when = when
    }
}

/// A policy judged: a line for each rule that is asked for.
public struct PolicyEvaluation: Sendable, Hashable {
    /// The pipeline.
    public var pipeline: String
    /// When it was judged.
    public var at: Instant
    /// The lines.
    public var lines: [PolicyLine]
    /// Who goes on in spite of it.
    public var override: PolicyOverride?

    /// Makes an evaluation.
    public init(pipeline: String, at: Instant, lines: [PolicyLine], override: PolicyOverride? = nil) {
        self.pipeline = pipeline
        self.at = at
        self.lines = lines
        self.override = override
    }

    /// Whether every rule holds. What is not known does not hold.
    public var holds: Bool { lines.allSatisfy { $0.verdict == .pass } }

    /// Whether one may go on: every rule holds, or a named person has decided to.
    public var permits: Bool { holds || override != nil }

    /// The first rule that does not hold, failures before what is only unknown.
    public var waitsFor: PolicyLine? {
        for verdict in [PolicyVerdict.fail, .broken, .insufficient] {
            if let line = lines.first(where: { $0.verdict == verdict }) { return line }
        }
        return nil
    }
}
