public import Schedules

/// What must hold before Airflow owns the ticks of a pipeline without a legacy side.
public struct LaunchPolicy: Sendable, Hashable {
    /// How many of the newest trial runs must have succeeded.
    public var trialRuns = 1
    /// Whether a named person must approve.
    public var approvalRequired = false
    /// Who approved it.
    public var approval: Approval?

    /// The policy of nobody having said anything.
    public init() {}
}

/// A run of a pipeline before its launch: bodies run only as the shadow modes allow.
public struct TrialRun: Sendable, Hashable {
    /// The run's id.
    public var run: String
    /// Whether it ended well; nil while it is under way.
    public var succeeded: Bool?
    /// When it ended, or began.
    public var at: Instant?
    /// How many of its tasks ran a body.
    public var bodies: Int
    /// How many were only observed.
    public var observed: Int

    /// Makes a run.
    public init(run: String, succeeded: Bool?, at: Instant?, bodies: Int, observed: Int) {
        self.run = run
        self.succeeded = succeeded
        self.at = at
        self.bodies = bodies
        self.observed = observed
    }
}

/// What a launch is judged by.
public struct LaunchEvidence: Sendable {
    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at.
    public var now: Instant
    /// What the plan found of this pipeline.
    public var findings: [Finding]
    /// What Airflow says of the DAG.
    public var deployment: PolicyEvidence.Deployment
    /// The newest trial runs, newest first.
    public var trials: Known<[TrialRun]>
    /// The next tick; nil for a pipeline that only people start.
    public var nextTick: Instant?

    /// Makes evidence.
    public init(
        pipeline: String,
        now: Instant,
        findings: [Finding],
        deployment: PolicyEvidence.Deployment,
        trials: Known<[TrialRun]>,
        nextTick: Instant?
    ) {
        self.pipeline = pipeline
        self.now = now
        self.findings = findings
        self.deployment = deployment
        self.trials = trials
        self.nextTick = nextTick
    }
}

extension CutoverPolicy {
    /// Judges whether a pipeline without a legacy side may be launched: one line for each rule that is asked for.
    public func evaluate(_ evidence: LaunchEvidence, override: PolicyOverride? = nil) -> PolicyEvaluation {
        var lines = [plan(evidence.findings)]
        switch evidence.deployment {
        case .running(let what): lines.append(PolicyLine(.deployed, .pass, what))
        case .faulty(let what): lines.append(PolicyLine(.deployed, .fail, what))
        case .unknown(let why): lines.append(PolicyLine(.deployed, .insufficient, why))
        }
        if launch.trialRuns > 0 { lines.append(trials(evidence)) }
        if let approval = launch.approval {
            lines.append(
                PolicyLine(.approvals, .pass, "\(approval.approver) (\(approval.because.withoutFullStop))")
            )
        } else if launch.approvalRequired {
            lines.append(
                PolicyLine(
                    .approvals,
                    .fail,
                    "nobody approved the launch; a named person writes policy.launch.approval"
                )
            )
        }
        if let hours { lines.append(allowed(hours, at: evidence.now)) }
        return PolicyEvaluation(pipeline: evidence.pipeline, at: evidence.now, lines: lines, override: override)
    }

    private func trials(_ evidence: LaunchEvidence) -> PolicyLine {
        let all: [TrialRun]
        switch evidence.trials {
        case .unknown(let why): return PolicyLine(.trialRuns, .broken, why)
        case .known(let known): all = known.filter { $0.succeeded != nil }
        }
        let newest = Array(all.prefix(launch.trialRuns))
        if let failed = newest.first(where: { $0.succeeded == false }) {
            let when = failed.at.map { " of \($0.iso8601)" } ?? ""
            return PolicyLine(.trialRuns, .fail, "the trial run \(failed.run)\(when) failed", when: evidence.nextTick)
        }
        guard newest.count == launch.trialRuns else {
            return PolicyLine(
                .trialRuns,
                .insufficient,
                "\(newest.count) of \(launch.trialRuns) trial runs; the DAG makes one at each tick, or start one by hand in Airflow",
                when: evidence.nextTick
            )
        }
        let bodies = newest.reduce(0) { $0 + $1.bodies }
        let observed = newest.reduce(0) { $0 + $1.observed }
        return PolicyLine(
            .trialRuns,
            .pass,
            "the newest \(count(newest.count, "trial run")) succeeded; \(count(bodies, "task")) ran \(bodies == 1 ? "its body" : "their bodies"), \(observed) \(observed == 1 ? "was" : "were") only observed"
        )
    }
}
