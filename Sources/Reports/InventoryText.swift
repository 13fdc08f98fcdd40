import LosslessJSON
public import Migration
import Schedules

extension Inventory {
    /// The inventory for a terminal: sources, entries, and everything that was not read.
    public func textLines() -> [String] {
        var lines: [String] = []
        for source in sources {
            let entries = entries.filter { $0.id.source == source.name }.count
            let unread = unread.filter { $0.source == source.name }.count
            lines.append(
                "\(source.name): \(source.system) at \(source.address): \(source.found) found = \(entries) entries + \(unread) not read"
            )
            lines += source.notes.map { "  \($0.code.id) \($0.detail)" }
        }
        lines.append("")
        var table = TextTable(["ENTRY", "TASK", "SCHEDULE", "ZONE", "STATE", "HISTORY"])
        for entry in entries {
            table.add([
                entry.id.description, entry.task == entry.id.name ? "" : entry.task,
                entry.schedule?.shortText ?? entry.kind.unscheduled,
                entry.timezone ?? "unknown", entry.enabled ? "" : "disabled", history(entry),
            ])
        }
        lines += table.lines()
        if !unread.isEmpty {
            lines += ["", "Not read:"]
            var table = TextTable(["KEY", "REASON", "DETAIL"])
            for record in unread { table.add([record.key, record.reason, record.detail]) }
            lines += table.lines()
        }
        return lines
    }

    private func history(_ entry: LegacyEntry) -> String {
        guard let history = entry.history else { return entry.runCount.map { "\($0) fires" } ?? "" }
        guard history.runs > 0 else { return "no ended run" }
        var parts = ["\(history.runs) runs"]
        if let rate = history.successRate { parts.append("\(percent(rate)) ok") }
        if let p50 = history.p50, let p95 = history.p95 { parts.append("p50 \(seconds(p50)), p95 \(seconds(p95))") }
        if let retries = history.retriesPerRun { parts.append("\(decimal(retries)) retries/run") }
        return parts.joined(separator: ", ")
    }
}

extension LegacyEntry.Kind {
    /// What stands where others have a schedule.
    fileprivate var unscheduled: String {
        switch self {
        case .jobType: "(job type)"
        case .workflow: "(workflow)"
        default: "(unsupported)"
        }
    }

    /// When an entry without a schedule is due; nil where nobody can tell.
    var dueWithoutSchedule: String? {
        switch self {
        case .jobType: "when a job is queued"
        case .workflow: "when somebody asks for it"
        default: nil
        }
    }
}

/// A share as a percentage with one digit.
func percent(_ share: Double) -> String { decimal((share * 1000).rounded() / 10) + " %" }

/// A number with at most two digits after the point.
func decimal(_ value: Double) -> String {
    let rounded = (value * 100).rounded() / 100
    return Int(exactly: rounded).map { String($0) } ?? String(rounded)
}

/// A length of time: `0.14 s`, `3 min 20 s`.
func seconds(_ value: Double) -> String {
    if value < 90 { return decimal(value) + " s" }
    guard let whole = Int(exactly: value.rounded()) else { return String(value) + " s" }
    if whole < 5400 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole / 60 % 60) min"
}
