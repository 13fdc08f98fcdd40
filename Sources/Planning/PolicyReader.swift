public import Migration
public import Schedules
public import Settings

/// Reads what a file says of a policy: in `bailey.yaml` for all pipelines, in a mapping for its own.
extension CutoverPolicy {
    static let keys = [
        "compared_ticks", "in_a_row", "tolerate", "observed_counts", "slowest_ratio", "rehearsal", "hours", "approvals",
        "rollback", "clean_ticks",
        "coverage", "message_parity", "round_trip", "launch",
    ]

    /// A policy with every key that a node gives in the place of what was said before. Approvals are added to those there are.
    ///
    /// - Throws: `SettingsError` with every problem, each with its line.
    public init(_ node: YAMLNode, over general: CutoverPolicy = CutoverPolicy(), zones: ZoneDatabase)
        throws(SettingsError)
    {
        let problems = Problems()
        self = general
        read(node, zones, problems)
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    private mutating func read(_ node: YAMLNode, _ zones: ZoneDatabase, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: CutoverPolicy.keys, problems: problems) else { return }
        func number(_ key: String, least: Int) -> Int? {
            guard let value = fields.int(key) else { return nil }
            if value < least { problems.note(fields.node, "“\(key)” is \(value); it must be \(least) or more") }
            return value
        }
        comparedTicks = number("compared_ticks", least: 0) ?? comparedTicks
        inARow = number("in_a_row", least: 0) ?? inARow
        cleanTicks = number("clean_ticks", least: 1) ?? cleanTicks
        if let text = fields.string("coverage") {
            let number = text.hasSuffix("%") ? Double(text.dropLast().filter { $0 != " " }) : nil
            if let number, number >= 0, number <= 100 {
                coverage = number / 100
            } else {
                problems.note(fields.node, "“coverage” is “\(text)”; write a share such as 95%")
            }
        }
        if let ratio = fields.double("slowest_ratio") {
            slowestRatio = ratio
            if ratio <= 0 { problems.note(fields.node, "“slowest_ratio” must be more than 0") }
        }
        if let items = fields.items("tolerate") {
            tolerated = items.compactMap { ToleratedDifference($0, problems) }
        }
        if let node = fields.node("observed_counts"),
            let inner = YAMLFields(node, known: Approval.keys, problems: problems)
        {
            observedCounts = Approval(inner, problems)
        }
        if let node = fields.node("rehearsal"),
            let inner = YAMLFields(node, known: ["required", "within"], problems: problems)
        {
            let within = inner.duration("within") ?? 7 * 86_400
            rehearsalWithin = inner.bool("required") ?? true ? within : nil
        }
        if let node = fields.node("launch") { launch.read(node, problems) }
        if let node = fields.node("message_parity") { messageParity.read(node, problems) }
        if let node = fields.node("round_trip"),
            let inner = YAMLFields(node, known: ["required"], problems: problems)
        {
            roundTripRequired = inner.bool("required") ?? true
        }
        if let node = fields.node("hours") { hours = AllowedHours(node, zones, problems) }
        for item in fields.items("approvals") ?? [] {
            guard let inner = YAMLFields(item, known: ["entry"] + Approval.keys, problems: problems),
                let text = inner.required("entry")
            else { continue }
            guard let entry = EntryID(text) else {
                problems.note(item, "“entry” is “\(text)”; write source/name")
                continue
            }
            approvals[entry] = Approval(inner, problems)
        }
        if let node = fields.node("rollback"),
            let inner = YAMLFields(
                node,
                known: ["failed_runs", "late_by", "mismatch", "legacy_runs"],
                problems: problems
            )
        {
            rollback = RollbackConditions()
            rollback.failedRuns = inner.int("failed_runs")
            if let runs = rollback.failedRuns, runs < 1 { problems.note(node, "“failed_runs” must be 1 or more") }
            rollback.lateBy = inner.duration("late_by")
            rollback.onMismatch = inner.bool("mismatch") ?? false
            rollback.onLegacyRun = inner.bool("legacy_runs") ?? false
        }
    }
}

extension MessageParityPolicy {
    fileprivate mutating func read(_ node: YAMLNode, _ problems: Problems) {
        let keys = ["required", "ignore", "offline_counts", "copies"]
        guard let fields = YAMLFields(node, known: keys, problems: problems) else { return }
        required = fields.bool("required") ?? true
        fires = fields.bool("copies") ?? fires
        if let names = fields.strings("ignore") { ignored = Set(names) }
        if let node = fields.node("offline_counts"),
            let inner = YAMLFields(node, known: Approval.keys, problems: problems)
        {
            offlineCounts = Approval(inner, problems)
        }
    }
}

extension LaunchPolicy {
    fileprivate mutating func read(_ node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["trial_runs", "approval"], problems: problems) else { return }
        if let runs = fields.int("trial_runs") {
            trialRuns = runs
            if !(0...1000).contains(runs) { problems.note(node, "“trial_runs” is \(runs); it must be 0 to 1000") }
        }
        guard let given = fields.node("approval") else { return }
        if case .scalar(let text, _) = given.content {
            approvalRequired = text == "required"
            if !approvalRequired {
                problems.note(given, "“approval” is “\(text)”; write required, or who approves: {approver, because}")
            }
        } else if let inner = YAMLFields(given, known: Approval.keys, problems: problems) {
            approval = Approval(inner, problems)
        }
    }
}

extension Approval {
    fileprivate static let keys = ["approver", "because"]

    /// A consent names a person and a reason; neither may be blank.
    fileprivate init?(_ fields: YAMLFields, _ problems: Problems) {
        guard let approver = fields.required("approver"), let because = fields.required("because") else { return nil }
        if approver.allSatisfy(\.isWhitespace) { problems.note(fields.node, "“approver” must name a person") }
        if because.allSatisfy(\.isWhitespace) { problems.note(fields.node, "“because” must give the reason") }
        self.init(approver: approver, because: because)
    }
}

extension ToleratedDifference {
    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["kind", "path"] + Approval.keys, problems: problems) else {
            return nil
        }
        if fields.node("kind") == nil { problems.note(node, "“kind” is missing") }
        guard let kind = fields.choice("kind", Difference.Kind.self), let approval = Approval(fields, problems) else {
            return nil
        }
        let path = fields.string("path")
        if let path {
            do { _ = try ComparePath(path) } catch { problems.note(node, "“path” is “\(path)”: \(error)") }
        }
        self.init(kind: kind, path: path, approval: approval)
    }
}

extension AllowedHours {
    fileprivate init?(_ node: YAMLNode, _ zones: ZoneDatabase, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["zone", "days", "from", "until"], problems: problems),
            let name = fields.required("zone")
        else { return nil }
        do {
            self.init(zone: try zones.zone(name))
        } catch {
            problems.note(node, "\(error.message)")
            return nil
        }
        if let words = fields.strings("days") {
            days = []
            for word in words {
                if let range = AllowedHours.weekdays(word) {
                    days.formUnion(range)
                } else {
                    problems.note(node, "“\(word)” is no weekday; write mon, or mon-fri")
                }
            }
        }
        for (key, part) in [("from", \AllowedHours.from), ("until", \AllowedHours.until)] {
            guard let text = fields.string(key) else { continue }
            if let minute = AllowedHours.minute(text) {
                self[keyPath: part] = minute
            } else {
                problems.note(node, "“\(key)” is “\(text)”; write a time of day such as \"09:00\"")
            }
        }
        if from == until { problems.note(node, "“from” and “until” are the same; leave both out for the whole day") }
    }

    /// `mon` or `fri-mon`; nil if it is neither.
    private static func weekdays(_ word: String) -> [Int]? {
        let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        let ends = word.lowercased().split(separator: "-", omittingEmptySubsequences: false).map { name in
            names.firstIndex(of: String(name))
        }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2 else { return nil }
        return (0...(last - first + 7) % 7).map { (first + $0) % 7 }
    }

    /// Minutes since midnight of `09:00`, `24:00`; nil if it is no time of day.
    private static func minute(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...24).contains(hour), (0...59).contains(minute), hour * 60 + minute <= 1440
        else { return nil }
        return hour * 60 + minute
    }
}
