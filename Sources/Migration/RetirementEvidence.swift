public import Schedules

/// What is known of a pipeline whose bridge is to be taken away.
public struct RetirementEvidence: Sendable {
    /// The pipeline.
    public var pipeline: String
    /// The instant it is judged at, by the clock of the switch's store.
    public var now: Instant
    /// What the deciding switch says; nil for none, so that legacy owns everything.
    public var record: Known<SwitchRecord?>
    /// What is wrong with the entries that the switch holds, such as a clock that runs; one sentence each.
    public var disorder: [String] = []
    /// The claimed ticks of the present window, and how their runs went.
    public var ticks: Known<[LiveTick]>
    /// What becomes of ticks that nobody was up to run.
    public var missedTicks: MissedTickPolicy
    /// When the DAG is due; nil for a pipeline that only people start.
    public var timetable: AirflowTimetable?
    /// Why a DAG without its gate could not do the work; nil if it can.
    public var needsGate: String?
    /// What Airflow says of the DAG.
    public var deployment: PolicyEvidence.Deployment
    /// The entries that the application's code still makes, by what RedBeat noted at the last start of a beat.
    public var inCode: Known<[String]>

    /// Makes evidence.
    public init(
        pipeline: String,
        now: Instant,
        record: Known<SwitchRecord?>,
        ticks: Known<[LiveTick]>,
        missedTicks: MissedTickPolicy,
        timetable: AirflowTimetable?,
        deployment: PolicyEvidence.Deployment,
        inCode: Known<[String]>
    ) {
        self.pipeline = pipeline
        self.now = now
        self.record = record
        self.ticks = ticks
        self.missedTicks = missedTicks
        self.timetable = timetable
        self.deployment = deployment
        self.inCode = inCode
    }
}

extension CutoverPolicy {
    /// Judges whether the bridge may be taken away: one line per rule. Pure.
    ///
    /// - Parameter override: a person's decision that fewer ticks will do; no other rule can be overridden here.
    public func retirement(_ evidence: RetirementEvidence, override: PolicyOverride? = nil) -> PolicyEvaluation {
        var lines = [owner(evidence)]
        if evidence.record.value??.isRetiring == true {
            // Without its gate the DAG claims nothing: what was proved is proved.
            lines.append(PolicyLine(.cleanTicks, .pass, "proved before its DAG lost its gate"))
        } else {
            let next = evidence.timetable.map { Array($0.ticks(after: evidence.now).prefix(cleanTicks)) } ?? []
            lines += [cleanTicksLine(evidence.ticks, next: next), everyTick(evidence)]
        }
        lines += [ungated(evidence), running(evidence), code(evidence)]
        let othersHold = lines.allSatisfy { $0.rule == .cleanTicks || $0.verdict == .pass }
        return PolicyEvaluation(
            pipeline: evidence.pipeline,
            at: evidence.now,
            lines: lines,
            override: othersHold ? override : nil
        )
    }

    private func owner(_ evidence: RetirementEvidence) -> PolicyLine {
        let known: SwitchRecord?
        switch evidence.record {
        case .unknown(let why): return PolicyLine(.owner, .broken, why)
        case .known(let record): known = record
        }
        guard let record = known, record.state == .airflow else {
            let state = known?.state ?? .legacy
            let advice = "; bailey cutover \(evidence.pipeline) --execute"
            return PolicyLine(.owner, .fail, (state == .legacy ? "legacy owns its ticks" : "it is closing") + advice)
        }
        if let wrong = evidence.disorder.first {
            return PolicyLine(.owner, .fail, "\(wrong); run bailey watch --once, then look again")
        }
        let end = record.until?.iso8601 ?? record.ticksLeft.map { "\(count($0, "tick")) from now" }
        if let end {
            return PolicyLine(
                .owner,
                .fail,
                "Airflow's window ends \(end), then legacy owns its ticks again; cut it over without a bound"
            )
        }
        let since = record.windows.last?.from.iso8601 ?? "?"
        return PolicyLine(.owner, .pass, "Airflow owns every tick since \(since), and legacy's clock stands")
    }

    /// That no tick was left out since the oldest of those counted as clean. None can have two runs: a claim is one run's.
    private func everyTick(_ evidence: RetirementEvidence) -> PolicyLine {
        guard let ticks = evidence.ticks.value else {
            return PolicyLine(.everyTick, .insufficient, "the claims are not known")
        }
        let newest = ticks.filter { $0.ranTasks && $0.state != .known(.running) }.sorted { $0.tick > $1.tick }.prefix(
            cleanTicks
        )
        guard let timetable = evidence.timetable, let oldest = newest.last?.tick else {
            return PolicyLine(.everyTick, .insufficient, "no tick has been run yet")
        }
        let claimed = Set(ticks.map(\.tick))
        let latest = claimed.max() ?? oldest
        var seen = 1
        for tick in timetable.ticks(after: oldest).prefix(100_000) {
            if tick.adding(seconds: CutoverPolicy.gatePatience) > evidence.now { break }
            seen += 1
            // A later claim stands for the ticks before it, unless each is to be run.
            if claimed.contains(tick) || (tick < latest && evidence.missedTicks != .every) { continue }
            return PolicyLine(.everyTick, .fail, "no run has claimed the tick \(tick.iso8601)")
        }
        return PolicyLine(
            .everyTick,
            .pass,
            "\(count(seen, "tick")) since \(oldest.iso8601), each with one run or with one that stands for it"
        )
    }

    private func ungated(_ evidence: RetirementEvidence) -> PolicyLine {
        if let why = evidence.needsGate { return PolicyLine(.ungated, .fail, why) }
        return PolicyLine(.ungated, .pass, "a DAG without its gate does the same work")
    }

    private func running(_ evidence: RetirementEvidence) -> PolicyLine {
        switch evidence.deployment {
        case .running(let what): PolicyLine(.deployed, .pass, what)
        case .faulty(let what): PolicyLine(.deployed, .fail, what)
        case .unknown(let why): PolicyLine(.deployed, .broken, why)
        }
    }

    private func code(_ evidence: RetirementEvidence) -> PolicyLine {
        switch evidence.inCode {
        case .unknown(let why): return PolicyLine(.code, .broken, why)
        case .known(let names) where names.isEmpty:
            return PolicyLine(.code, .pass, "the application's code makes none of its entries")
        case .known(let names):
            let shown = names.map { "“\($0)”" }.joined(separator: ", ")
            return PolicyLine(
                .code,
                .fail,
                "beat_schedule still has \(shown), and each start of a beat would write it anew; delete it there, restart the beats"
            )
        }
    }
}
