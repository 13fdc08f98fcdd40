/// What must hold before a pipeline may be cut over, what gives it back by itself, and what must hold before the bridge is taken away.
///
/// What nobody wrote down has a careful default: five compared ticks in a row, nothing tolerated, messages that were compared with
/// beat's and workers that answered, no other rehearsal, any hour, no rollback by itself.
public struct CutoverPolicy: Sendable, Hashable {
    /// How many ticks (or jobs) of each entry must have been compared.
    public var comparedTicks = 5
    /// How many of the newest of them must show no difference but tolerated ones.
    public var inARow = 5
    /// The least share of what legacy ran, since it was first looked at, that must have been compared, 0…1. Asked only where anything has to be
    /// compared at all, or where it is written down; nil for this default.
    public var coverage: Double?
    /// Differences that do not count, each approved by a named person.
    public var tolerated: [ToleratedDifference] = []
    /// Who approved that a tick counts as compared although no body ran in shadow (`observe`); nil when it does not count.
    public var observedCounts: Approval?
    /// How many times as long as legacy shadow may take, by their medians; nil when duration does not count.
    public var slowestRatio: Double?
    /// Seconds for which a successful rehearsal holds; nil when none is required.
    public var rehearsalWithin: Double?
    /// What is asked of the messages of Celery tasks.
    public var messageParity = MessageParityPolicy()
    /// Whether something must have been sent the way of each Celery task, and have come back.
    public var roundTripRequired = true
    /// When cutover is allowed; nil for always.
    public var hours: AllowedHours?
    /// Who approved that an absorbed entry runs by another clock than its own.
    public var approvals: [EntryID: Approval] = [:]
    /// What gives a pipeline back by itself.
    public var rollback = RollbackConditions()
    /// What must hold before a pipeline without a legacy side is launched.
    public var launch = LaunchPolicy()
    /// How many of the newest live ticks must have succeeded before `retire`.
    public var cleanTicks = 20

    /// The share that is asked for; nil where none is.
    public var wantedCoverage: Double? { coverage ?? (comparedTicks > 0 || inARow > 0 ? 0.95 : nil) }

    /// The policy of nobody having said anything.
    public init() {}
}

/// A named person's consent, with the reason.
public struct Approval: Sendable, Hashable {
    /// Who consented.
    public var approver: String
    /// Why that is right.
    public var because: String

    /// Makes a consent.
    public init(approver: String, because: String) {
        self.approver = approver
        self.because = because
    }
}

/// A kind of difference that does not count.
public struct ToleratedDifference: Sendable, Hashable {
    /// The kind.
    public var kind: Difference.Kind
    /// The only path it is tolerated at; nil for anywhere.
    public var path: String?
    /// Who tolerates it, and why.
    public var approval: Approval

    /// Makes a toleration.
    public init(kind: Difference.Kind, path: String? = nil, approval: Approval) {
        self.kind = kind
        self.path = path
        self.approval = approval
    }

    /// Whether it covers a difference.
    public func covers(_ difference: Difference) -> Bool {
        difference.kind == kind && (path == nil || path == difference.path)
    }
}

/// What gives a pipeline back to legacy without anybody asking. Nothing unless it was asked for.
public struct RollbackConditions: Sendable, Hashable {
    /// So many failed live runs, one after another; nil for never.
    public var failedRuns: Int?
    /// A tick that no run has claimed so many seconds after it was due, or that was claimed so late; nil for never.
    public var lateBy: Double?
    /// A difference, not tolerated, in a comparison made since the cutover.
    public var onMismatch = false
    /// Whether a run by legacy while Airflow owns the ticks gives the pipeline back.
    public var onLegacyRun = false

    /// No conditions.
    public init() {}

    /// Whether there is no condition.
    public var isEmpty: Bool { failedRuns == nil && lateBy == nil && !onMismatch && !onLegacyRun }
}

/// A person's decision to go on although the policy does not hold.
public struct PolicyOverride: Sendable, Hashable {
    /// Who decided.
    public let by: String
    /// Why.
    public let reason: String

    /// An override; nil unless both a name and a reason are given.
    public init?(by: String, reason: String) {
        guard !by.allSatisfy(\.isWhitespace), !reason.allSatisfy(\.isWhitespace) else { return nil }
        self.by = by
        self.reason = reason
    }
}
