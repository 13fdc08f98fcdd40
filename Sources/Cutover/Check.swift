/// One thing that was looked at, and whether it holds.
public struct Check: Sendable, Hashable {
    /// What is checked, in a few words.
    public var name: String
    /// What was found.
    public var evidence: String
    /// Whether it holds.
    public var holds: Bool
    /// Why it does not, and what to do, where that stands in the way of an operation.
    public var refusal: Refusal?

    /// Makes a check of what an operation needs.
    public init(_ name: String, _ evidence: String, refusal: Refusal? = nil) {
        self.name = name
        self.evidence = evidence
        self.refusal = refusal
        holds = refusal == nil
    }

    /// Makes a check in the way of nothing; where it does not hold, the evidence says what to mend.
    public init(_ name: String, holds: Bool, _ evidence: String) {
        self.name = name
        self.evidence = evidence
        self.holds = holds
    }
}
