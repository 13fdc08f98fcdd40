import Schedules

/// The rule of a policy that asks how much of what legacy ran was compared. The entry with the least decides.
struct CoverageRule {
    private let policy: CutoverPolicy
    private let evidence: PolicyEvidence
    private let wanted: Double

    init(_ policy: CutoverPolicy, _ evidence: PolicyEvidence, _ wanted: Double) {
        self.policy = policy
        self.evidence = evidence
        self.wanted = wanted
    }

    var line: PolicyLine {
        let all: [Coverage]
        switch evidence.coverage {
        case .unknown(let why): return PolicyLine(.coverage, .broken, why)
        case .known(let known): all = known
        }
        guard !evidence.entries.isEmpty else {
            return PolicyLine(.coverage, .insufficient, "no task of the pipeline stands for a legacy entry")
        }
        let percent = decimals(wanted * 100)
        var worst: (share: Double, text: String)?
        for entry in evidence.entries {
            let coverage = all.first { $0.entry == entry.id } ?? Coverage(entry: entry.id)
            guard let share = coverage.share(observedCounts: policy.observedCounts != nil) else {
                let what = coverage.pending > 0 ? "its first run may yet end" : "none of its runs was looked for yet"
                return PolicyLine(
                    .coverage,
                    .insufficient,
                    "nothing of \(entry.id): \(what)",
                    when: entry.schedule.flatMap { $0.next(after: evidence.now, in: entry.zone) }
                )
            }
            guard worst.map({ share < $0.share }) ?? true else { continue }
            let since = coverage.since.map { " since \($0.iso8601)" } ?? ""
            worst = (share, "\(decimals(share * 100)) % of \(entry.id)\(since): \(coverage.text)\(gaps(coverage))")
        }
        guard let worst else { return PolicyLine(.coverage, .insufficient, "nothing is known of any entry") }
        if worst.share + 1e-9 >= wanted { return PolicyLine(.coverage, .pass, "\(worst.text); \(percent) % is wanted") }
        return PolicyLine(.coverage, .fail, "\(worst.text); \(percent) % is wanted")
    }

    private func gaps(_ coverage: Coverage) -> String {
        guard let gap = coverage.gaps.last else { return "" }
        return "; the last gap was from \(gap.from.iso8601) until \(gap.until.iso8601): \(gap.reason.withoutFullStop)"
    }

    /// With one decimal at most, never rounded up to what was not reached.
    private func decimals(_ value: Double) -> String {
        let cut = (value * 10 + 1e-9).rounded(.down) / 10
        return cut == cut.rounded() ? "\(Int(cut))" : "\(cut)"
    }
}
