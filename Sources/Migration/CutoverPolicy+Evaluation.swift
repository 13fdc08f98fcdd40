import Schedules

extension CutoverPolicy {
    /// Judges the evidence: one line for each rule that is asked for. Pure: the same evidence gives the same lines.
    public func evaluate(_ evidence: PolicyEvidence, override: PolicyOverride? = nil) -> PolicyEvaluation {
        var lines = [plan(evidence.findings)]
        lines += ComparisonRules(policy: self, evidence: evidence).lines
        if !evidence.absorbed.isEmpty { lines.append(approvals(evidence)) }
        if let rehearsalWithin { lines.append(rehearsal(evidence, within: rehearsalWithin)) }
        lines += MessageRules(policy: self, evidence: evidence).lines
        lines.append(deployed(evidence))
        switch evidence.durability {
        case .enough(let what)?: lines.append(PolicyLine(.durable, .pass, what))
        case .missing(let what)?: lines.append(PolicyLine(.durable, .fail, what))
        case .unknown(let why)?: lines.append(PolicyLine(.durable, .insufficient, why))
        case nil: break
        }
        if let hours { lines.append(allowed(hours, at: evidence.now)) }
        return PolicyEvaluation(pipeline: evidence.pipeline, at: evidence.now, lines: lines, override: override)
    }

    func plan(_ findings: [Finding]) -> PolicyLine {
        let errors = findings.filter { $0.severity == .error }
        if let first = errors.first {
            let more = errors.count > 1 ? " (and \(errors.count - 1) more)" : ""
            return PolicyLine(.plan, .fail, "\(first.code): \(first.text.withoutFullStop)\(more)")
        }
        let warnings = findings.filter { $0.severity == .warning }.count
        return PolicyLine(.plan, .pass, "no finding of error severity, \(count(warnings, "warning"))")
    }

    private func approvals(_ evidence: PolicyEvidence) -> PolicyLine {
        let missing = evidence.absorbed.filter { approvals[$0] == nil }
        guard missing.isEmpty else {
            return PolicyLine(
                .approvals,
                .fail,
                "nobody approved that \(missing.map(\.description).joined(separator: ", ")) will run by another clock than "
                    + "\(missing.count == 1 ? "its" : "their") own; a named person writes policy.approvals"
            )
        }
        let names = evidence.absorbed.compactMap { entry in
            approvals[entry].map { "\(entry) by \($0.approver) (\($0.because.withoutFullStop))" }
        }
        return PolicyLine(.approvals, .pass, names.joined(separator: "; "))
    }

    private func rehearsal(_ evidence: PolicyEvidence, within seconds: Double) -> PolicyLine {
        let tried: [Rehearsal]
        switch evidence.rehearsals {
        case .unknown(let why): return PolicyLine(.rehearsal, .broken, why)
        case .known(let known): tried = known
        }
        let advice = "; run bailey rehearse \(evidence.pipeline) --execute"
        guard let latest = tried.max(by: { $0.at < $1.at }) else {
            return PolicyLine(.rehearsal, .fail, "there was none" + advice)
        }
        guard latest.passed else {
            let step = latest.steps.first { !$0.passed }
            let what = step.map { ": \($0.name), \($0.detail.withoutFullStop)" } ?? ""
            return PolicyLine(.rehearsal, .fail, "the one of \(latest.at.iso8601) failed\(what)" + advice)
        }
        let age = evidence.now.seconds(since: latest.at)
        guard age <= seconds else {
            return PolicyLine(
                .rehearsal,
                .fail,
                "the last one, \(latest.at.iso8601), is older than \(lengthOfTime(seconds))" + advice
            )
        }
        return PolicyLine(.rehearsal, .pass, "passed \(latest.at.iso8601), \(count(latest.steps.count, "step"))")
    }

    /// That the DAG really runs: Airflow says so, and its gate asks for every tick.
    private func deployed(_ evidence: PolicyEvidence) -> PolicyLine {
        if case .faulty(let what) = evidence.deployment { return PolicyLine(.deployed, .fail, what) }
        let asked: Instant?
        switch evidence.gate {
        case .none:
            switch evidence.deployment {
            case .running(let what): return PolicyLine(.deployed, .pass, what)
            case .unknown(let why), .faulty(let why): return PolicyLine(.deployed, .insufficient, why)
            }
        case .unknown(let why): return PolicyLine(.deployed, .insufficient, why)
        case .asked(let tick): asked = tick
        }
        let next = evidence.timetable.flatMap { timetable in
            timetable.ticks(after: evidence.now).first { _ in true }
        }
        guard let asked else {
            let said: String
            switch evidence.deployment {
            case .running(let what): said = "\(what), but its"
            case .unknown, .faulty: said = "the DAG's"
            }
            return PolicyLine(.deployed, .insufficient, "\(said) gate has not asked for any tick yet", when: next)
        }
        // The gate of a tick is given a while to start.
        let missed = evidence.timetable?.ticks(after: asked).first { _ in true }
        if let missed, missed.adding(seconds: CutoverPolicy.gatePatience) < evidence.now {
            return PolicyLine(
                .deployed,
                .fail,
                "the DAG's gate asked for the tick \(asked.iso8601) and not for \(missed.iso8601); is the DAG paused, or Airflow's scheduler down?",
                when: next
            )
        }
        return PolicyLine(.deployed, .pass, "the DAG's gate asked for the tick \(asked.iso8601)")
    }

    /// Seconds after a tick in which its gate may not have asked yet.
    public static let gatePatience: Int64 = 300

    func allowed(_ hours: AllowedHours, at now: Instant) -> PolicyLine {
        if hours.contains(now) { return PolicyLine(.hours, .pass, "now is in \(hours.text)") }
        return PolicyLine(
            .hours,
            .fail,
            "now is outside \(hours.text)",
            when: hours.opening(after: now)
        )
    }
}

extension String {
    /// The text without a full stop at its end, for use inside another sentence.
    var withoutFullStop: String { hasSuffix(".") ? String(dropLast()) : self }
}

/// `1 tick`, `2 ticks`.
func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

/// Seconds in the largest unit that gives a whole number: `7 d`, `90 min`, `45 s`.
func lengthOfTime(_ seconds: Double) -> String {
    for (unit, name) in [(86_400.0, "d"), (3600, "h"), (60, "min")] where seconds >= unit {
        let value = seconds / unit
        if value == value.rounded() { return "\(Int(value)) \(name)" }
    }
    return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\(seconds) s"
}
