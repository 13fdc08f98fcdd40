import LosslessJSON
public import Migration
import Schedules

extension InventoryChanges {
    /// What changed, for a terminal; lists of many are cut short, for `--json` has all.
    public func textLines() -> [String] {
        if changes.isEmpty { return ["", "Nothing changed since what was planned (\(since.iso8601))."] }
        var lines = ["", "Changed since what was planned (\(since.iso8601)):"]
        lines += changes.prefix(InventoryChanges.mostShown).map { "  " + $0.words }
        if changes.count > InventoryChanges.mostShown {
            lines.append("  … and \(changes.count - InventoryChanges.mostShown) more; --json has them all")
        }
        return lines
    }

    private static let mostShown = 100
}

extension InventoryChanges.Change {
    fileprivate var words: String {
        switch kind {
        case .added: "\(entry) is new"
        case .removed: "\(entry) is gone"
        case .unread: "\(entry) cannot be read any more"
        case .unseen: "\(entry) was not seen; its source was not read whole"
        case .renamed:
            "\(entry) is what was \(before.map { "\($0.id)" } ?? "another")"
                + (fields.isEmpty ? "" : "; " + differences)
        case .changed: "\(entry): \(differences)"
        }
    }

    private var differences: String {
        let shown = fields.prefix(5).map(\.words).joined(separator: "; ")
        return fields.count > 5 ? shown + "; and \(fields.count - 5) more" : shown
    }
}

extension InventoryChanges.Field {
    fileprivate var words: String {
        if place == "stored" { return "stored in other bytes with the same meaning" }
        func shown(_ value: JSON) -> String {
            if place == "schedule", let schedule = try? Schedule(redbeat: value) { return schedule.shortText }
            let text = value.text(.canonical)
            return text.count > 60 ? text.prefix(60) + "…" : text
        }
        return "\(place) \(shown(before)) → \(shown(after))"
    }
}
