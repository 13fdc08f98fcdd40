import Schedules

/// The rules of a policy that rest on comparisons. They count ticks (or jobs), entry by entry; the entry with the least decides.
struct ComparisonRules {
    private let policy: CutoverPolicy
    private let evidence: PolicyEvidence
    private let unread: String?
    /// What was compared of each entry, oldest first.
    private let compared: [EntryID: [Comparison]]
    private let broken: [Comparison]
    /// How many comparisons of each entry had too little to tell by.
    private let tooLittle: [EntryID: Int]

    init(policy: CutoverPolicy, evidence: PolicyEvidence) {
        self.policy = policy
        self.evidence = evidence
        switch evidence.comparisons {
        case .unknown(let why):
            unread = why
            compared = [:]
            broken = []
            tooLittle = [:]
        case .known(let all):
            unread = nil
            let sorted = ComparisonRules.sorted(all)
            compared = Dictionary(grouping: sorted.filter { ComparisonRules.counts($0, policy) }, by: \.key.entry)
            broken = sorted.filter { $0.verdict == .broken }
            tooLittle = sorted.filter { $0.verdict == .insufficient && !ComparisonRules.counts($0, policy) }
                .reduce(into: [:]) { $0[$1.key.entry, default: 0] += 1 }
        }
    }

    var lines: [PolicyLine] {
        var lines = [observer, comparedTicks, inARow]
        if let wanted = policy.wantedCoverage { lines.append(CoverageRule(policy, evidence, wanted).line) }
        if let ratio = policy.slowestRatio { lines.append(slowest(ratio)) }
        return lines
    }

    /// Whether a comparison tells anything: it ended as a match or not, or no body ran and somebody approved that this counts.
    private static func counts(_ comparison: Comparison, _ policy: CutoverPolicy) -> Bool {
        switch comparison.verdict {
        case .match, .mismatch: true
        case .broken: false
        case .insufficient: policy.observedCounts != nil && comparison.shadow?.state == .observed
        }
    }

    /// Oldest first. One of which nobody knows when it was counts as newest if it differs, else as oldest.
    private static func sorted(_ comparisons: [Comparison]) -> [Comparison] {
        func place(_ comparison: Comparison) -> Instant {
            comparison.key.tick ?? comparison.legacy?.end ?? comparison.legacy?.start ?? comparison.legacy?.queued
                ?? (comparison.verdict == .mismatch ? .latest : .earliest)
        }
        return comparisons.enumerated().sorted { (place($0.element), $0.offset) < (place($1.element), $1.offset) }
            .map(\.element)
    }

    // MARK: Lines

    private var observer: PolicyLine {
        if let unread { return PolicyLine(.observer, .broken, unread) }
        if let first = evidence.observerDefects.first {
            let more = evidence.observerDefects.count - 1
            return PolicyLine(.observer, .broken, first.withoutFullStop + (more > 0 ? " (and \(more) more)" : ""))
        }
        // A comparison that failed counts for as long as the newest row is not made of later ones.
        for comparison in broken {
            let later = compared[comparison.key.entry, default: []].filter { isLater($0, than: comparison) }
            if later.count < policy.inARow {
                let why = comparison.reason.map { ": \($0.withoutFullStop)" } ?? ""
                return PolicyLine(.observer, .broken, "comparing \(comparison.key) failed\(why)")
            }
        }
        if let blindness { return PolicyLine(.observer, .broken, blindness) }
        return PolicyLine(.observer, .pass, "no comparing of the newest row failed, and nothing in it was lost")
    }

    /// What was lost among the newest: runs in a gap of which nothing is kept, or records that nobody can read. Like a comparison that failed it
    /// counts until the newest row is made of later ones.
    private var blindness: String? {
        guard case .known(let all) = evidence.coverage else { return nil }
        for coverage in all where evidence.entries.contains(where: { $0.id == coverage.entry }) {
            func isPast(_ instant: Instant) -> Bool {
                let later = compared[coverage.entry, default: []].filter { comparison in
                    (comparison.key.tick ?? comparison.legacy?.end).map { $0 > instant } ?? false
                }
                return later.count >= policy.inARow
            }
            if coverage.lost > 0, let gap = coverage.gaps.last, !isPast(gap.until) {
                return
                    "\(count(coverage.lost, "run")) of \(coverage.entry) lost to a gap, the last from \(gap.from.iso8601) until "
                    + "\(gap.until.iso8601): \(gap.reason.withoutFullStop)"
            }
            if let last = coverage.lastUnreadable, !isPast(last) {
                return
                    "\(count(coverage.unreadable, "record")) of \(coverage.entry.source) could not be read, the last seen \(last.iso8601)"
            }
        }
        return nil
    }

    private func isLater(_ comparison: Comparison, than other: Comparison) -> Bool {
        guard let a = comparison.key.tick ?? comparison.legacy?.end, let b = other.key.tick ?? other.legacy?.end else {
            return false
        }
        return a > b
    }

    private var comparedTicks: PolicyLine {
        gate(.comparedTicks, wanted: policy.comparedTicks) { entry in
            let found = compared[entry.id, default: []].count
            let dim = tooLittle[entry.id, default: 0]
            let rest = dim > 0 && found < policy.comparedTicks ? "; \(dim) more had too little to tell by" : ""
            return (found, "\(found) of \(policy.comparedTicks) \(unit(entry)) of \(entry.id) compared\(rest)", false)
        }
    }

    private var inARow: PolicyLine {
        gate(.inARow, wanted: policy.inARow) { entry in
            let newest = compared[entry.id, default: []].reversed()
            let row = newest.prefix { isClean($0) }
            let least = "\(row.count) of \(policy.inARow) \(unit(entry)) of \(entry.id) in a row without a difference"
            guard row.count < policy.inARow, let bad = newest.dropFirst(row.count).first else {
                return (row.count, least + tolerated(row.prefix(policy.inARow)), false)
            }
            let difference = bad.differences.first { !isTolerated($0) }
            let what = difference?.text ?? bad.reason ?? "one side did not run it"
            return (row.count, "\(least); before them \(bad.key) differs: \(what.withoutFullStop)", true)
        }
    }

    /// The line of a rule that counts ticks: that of the entry that lacks most.
    private func gate(
        _ rule: PolicyRule,
        wanted: Int,
        _ look: (PolicyEvidence.Entry) -> (found: Int, text: String, differs: Bool)
    ) -> PolicyLine {
        if let unread { return PolicyLine(rule, .broken, unread) }
        guard !evidence.entries.isEmpty else {
            return wanted == 0
                ? PolicyLine(rule, .pass, "none is wanted")
                : PolicyLine(
                    rule,
                    .insufficient,
                    "no task of the pipeline stands for a legacy entry, so nothing can be compared"
                )
        }
        let seen = evidence.entries.map { entry in (entry: entry, look: look(entry)) }
        let lacking = seen.filter { $0.look.found < wanted }
        guard
            let worst = lacking.min(by: {
                ($0.look.differs ? 0 : 1, $0.look.found) < ($1.look.differs ? 0 : 1, $1.look.found)
            })
        else {
            let least = seen.min { $0.look.found < $1.look.found }
            return PolicyLine(rule, .pass, least?.look.text ?? "none is wanted")
        }
        let dates = lacking.map { date(of: wanted - $0.look.found, $0.entry) }
        let when = dates.contains(nil) ? nil : dates.compactMap { $0 }.max()
        let unsure =
            when == nil ? "; nobody can say when there will be enough (\(undatable(lacking.map(\.entry))))" : ""
        return PolicyLine(rule, worst.look.differs ? .fail : .insufficient, worst.look.text + unsure, when: when)
    }

    private func slowest(_ ratio: Double) -> PolicyLine {
        if let unread { return PolicyLine(.slowestRatio, .broken, unread) }
        var worst: (ratio: Double, text: String)?
        for entry in evidence.entries {
            let pairs = compared[entry.id, default: []].suffix(max(1, policy.comparedTicks)).compactMap { comparison in
                comparison.legacy?.duration.flatMap { legacy in comparison.shadow?.duration.map { (legacy, $0) } }
            }
            guard let legacy = median(pairs.map(\.0)), let shadow = median(pairs.map(\.1)), legacy > 0 else {
                return PolicyLine(
                    .slowestRatio,
                    .insufficient,
                    "no run of \(entry.id) has a recorded duration on both sides",
                    when: date(of: 1, entry)
                )
            }
            var found = (ratio: shadow / legacy, by: "medians")
            // Slow runs that the median does not show; of few runs the slowest is an accident.
            if pairs.count >= 20, let a = ComparisonSummary.Durations(pairs.map(\.0)),
                let b = ComparisonSummary.Durations(pairs.map(\.1)), a.p95.value > 0,
                b.p95.value / a.p95.value > found.ratio
            {
                found = (b.p95.value / a.p95.value, "95th percentiles")
            }
            if worst == nil || found.ratio > (worst?.ratio ?? 0) {
                worst = (
                    found.ratio,
                    "shadow takes \(rounded(found.ratio)) times as long as legacy for \(entry.id), by the \(found.by) of \(pairs.count); \(rounded(ratio)) is allowed"
                )
            }
        }
        guard let worst else {
            return PolicyLine(.slowestRatio, .insufficient, "no task of the pipeline stands for a legacy entry")
        }
        return PolicyLine(.slowestRatio, worst.ratio <= ratio ? .pass : .fail, worst.text)
    }

    // MARK: Parts

    private func isTolerated(_ difference: Difference) -> Bool { policy.tolerated.contains { $0.covers(difference) } }

    private func isClean(_ comparison: Comparison) -> Bool {
        switch comparison.verdict {
        case .match, .insufficient: true
        case .mismatch: !comparison.differences.isEmpty && comparison.differences.allSatisfy(isTolerated)
        case .broken: false
        }
    }

    /// What of a row only counts because somebody approved it.
    private func tolerated(_ row: some Collection<Comparison>) -> String {
        var parts: [String] = []
        for rule in policy.tolerated {
            let number = row.flatMap(\.differences).filter(rule.covers).count
            if number > 0 {
                let approval = "approved by \(rule.approval.approver) (\(rule.approval.because.withoutFullStop))"
                parts.append("\(count(number, "\(rule.kind.rawValue) difference")) tolerated, \(approval)")
            }
        }
        if let approval = policy.observedCounts {
            let number = row.filter { $0.verdict == .insufficient }.count
            if number > 0 {
                parts.append(
                    "\(number) only observed, approved by \(approval.approver) (\(approval.because.withoutFullStop))"
                )
            }
        }
        return parts.isEmpty ? "" : "; " + parts.joined(separator: "; ")
    }

    private func unit(_ entry: PolicyEvidence.Entry) -> String { entry.schedule == nil ? "jobs" : "ticks" }

    /// The tick after which so many more will have been; nil where the schedule does not say.
    private func date(of more: Int, _ entry: PolicyEvidence.Entry) -> Instant? {
        guard let schedule = entry.schedule, more > 0 else { return nil }
        var left = more
        for tick in schedule.ticks(after: evidence.now, in: entry.zone) {
            left -= 1
            if left == 0 { return tick }
        }
        return nil
    }

    private func undatable(_ entries: [PolicyEvidence.Entry]) -> String {
        entries.contains { $0.schedule == nil }
            ? "jobs come when they are queued" : "the schedule is not due so often any more"
    }

    private func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.sorted()[values.count / 2]
    }

    private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
