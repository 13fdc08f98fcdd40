public import Schedules

/// What is known of a pipeline of job types whose bridge is to be taken away.
public struct QueueRetirementEvidence: Sendable {
    /// One of its job types.
    public struct JobType: Sendable {
        /// The job type.
        public var name: String
        /// Why it is not wholly Airflow's; nil if it is.
        public var disorder: String?
        /// The newest jobs of it that runs ended, newest first: at least as many as must be clean, if there are.
        public var ended: [LiveJob]

        /// Makes one.
        public init(name: String, disorder: String?, ended: [LiveJob]) {
            self.name = name
            self.disorder = disorder
            self.ended = ended
        }
    }

    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at.
    public var now: Instant
    /// Whether its retirement was begun and not finished.
    public var isBegun: Bool
    /// Its job types.
    public var types: [JobType]
    /// Why a DAG without its gate could not do the work; nil if it can.
    public var needsGate: String?
    /// What Airflow says of the DAG.
    public var deployment: PolicyEvidence.Deployment
    /// Sessions of others that are seen to claim jobs on its tables.
    public var claimants: Known<[String]>

    /// Makes evidence.
    public init(
        pipeline: String,
        now: Instant,
        isBegun: Bool,
        types: [JobType],
        needsGate: String?,
        deployment: PolicyEvidence.Deployment,
        claimants: Known<[String]>
    ) {
        self.pipeline = pipeline
        self.now = now
        self.isBegun = isBegun
        self.types = types
        self.needsGate = needsGate
        self.deployment = deployment
        self.claimants = claimants
    }
}

extension CutoverPolicy {
    /// Judges whether the bridge of job types may be taken away: one line per rule. Pure.
    ///
    /// - Parameter override: a person's decision that fewer jobs will do, and that the workers which were seen leave the types alone; no other rule can
    ///   be overridden here.
    public func retirement(_ evidence: QueueRetirementEvidence, override: PolicyOverride? = nil) -> PolicyEvaluation {
        var lines: [PolicyLine] = []
        if let wrong = evidence.types.compactMap(\.disorder).first {
            lines.append(PolicyLine(.owner, .fail, "\(wrong); bailey cutover \(evidence.pipeline) --execute"))
        } else {
            let names = evidence.types.map(\.name).joined(separator: ", ")
            lines.append(PolicyLine(.owner, .pass, "DAG runs take every job of \(names)"))
        }
        lines.append(cleanJobs(evidence))
        if let why = evidence.needsGate {
            lines.append(PolicyLine(.ungated, .fail, why))
        } else {
            lines.append(PolicyLine(.ungated, .pass, "a DAG without its gate takes the same jobs"))
        }
        switch evidence.deployment {
        case .running(let what): lines.append(PolicyLine(.deployed, .pass, what))
        case .faulty(let what): lines.append(PolicyLine(.deployed, .fail, what))
        case .unknown(let why): lines.append(PolicyLine(.deployed, .broken, why))
        }
        lines.append(legacyWorker(evidence))
        let othersHold = lines.allSatisfy { $0.verdict == .pass || CutoverPolicy.isForPeople($0.rule) }
        return PolicyEvaluation(
            pipeline: evidence.pipeline,
            at: evidence.now,
            lines: lines,
            override: othersHold ? override : nil
        )
    }

    /// Whether a named person may decide otherwise where a bridge is taken away.
    public static func isForPeople(_ rule: PolicyRule) -> Bool { rule == .cleanTicks || rule == .legacyWorker }

    /// That the newest jobs of each type went well at their first attempt.
    private func cleanJobs(_ evidence: QueueRetirementEvidence) -> PolicyLine {
        // Without its gate the DAG claims nothing: what was proved is proved.
        if evidence.isBegun { return PolicyLine(.cleanTicks, .pass, "proved before its DAG lost its gate") }
        var said: [String] = []
        var verdict = PolicyVerdict.pass
        for type in evidence.types {
            let row = type.ended.prefix { $0.succeeded }.count
            var text = "\(min(row, cleanTicks)) of \(count(cleanTicks, "job")) of \(type.name) in a row succeeded"
            if row < cleanTicks {
                if let before = type.ended.dropFirst(row).first {
                    verdict = .fail
                    text += "; an attempt of \(before.job) before them failed"
                } else if verdict == .pass {
                    verdict = .insufficient
                }
            }
            said.append(text)
        }
        return PolicyLine(.cleanTicks, verdict, said.joined(separator: "; "))
    }

    /// That nobody else takes the jobs once they wait again.
    private func legacyWorker(_ evidence: QueueRetirementEvidence) -> PolicyLine {
        switch evidence.claimants {
        case .unknown(let why): return PolicyLine(.legacyWorker, .insufficient, why)
        case .known(let sessions) where sessions.isEmpty:
            return PolicyLine(.legacyWorker, .pass, "no other session is seen to claim jobs")
        case .known(let sessions):
            let types = evidence.types.map(\.name).joined(separator: ", ")
            return PolicyLine(
                .legacyWorker,
                .fail,
                "\(sessions.joined(separator: ", ")) claims jobs, and would claim those of \(types) once they wait again. Stop it, or let a person who knows that it leaves them alone say so by --override NAME --reason TEXT"
            )
        }
    }
}
