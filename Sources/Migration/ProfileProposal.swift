/// A profile that was made of what a table shows, with the evidence for each guess in it, and what cannot be known from a table.
public struct ProfileProposal: Sendable, Hashable {
    /// How sure a guess is.
    public enum Confidence: String, Sendable, Hashable, CaseIterable, Comparable {
        case low, medium, high

        public static func < (left: Confidence, right: Confidence) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .low: 0
            case .medium: 1
            case .high: 2
            }
        }
    }

    /// What a column, an expression or a word means.
    public struct Guess: Sendable, Hashable {
        /// What it means: `id`, `type`, `status`, or the words of one, such as `status queued`.
        public var meaning: String
        /// The column, the expression, or the words.
        public var says: String
        /// How sure that is.
        public var confidence: Confidence
        /// What speaks for it, one sentence each.
        public var evidence: [String]

        /// Makes one.
        public init(_ meaning: String, _ says: String, _ confidence: Confidence, _ evidence: [String]) {
            self.meaning = meaning
            self.says = says
            self.confidence = confidence
            self.evidence = evidence
        }
    }

    /// The table, `schema.table`.
    public var table: String
    /// The profile's name.
    public var name: String
    /// Each guess, in the profile's order.
    public var guesses: [Guess]
    /// What the table cannot tell, and whom to ask.
    public var unknown: [String]
    /// The profile's text.
    public var profile: String
    /// What an import with it reads, in one sentence; nil if it was not tried.
    public var reading: String?
    /// Why an import with it would fail; nil if it does not.
    public var failure: String?

    /// Makes one.
    public init(table: String, name: String, guesses: [Guess], unknown: [String], profile: String) {
        self.table = table
        self.name = name
        self.guesses = guesses
        self.unknown = unknown
        self.profile = profile
    }
}
