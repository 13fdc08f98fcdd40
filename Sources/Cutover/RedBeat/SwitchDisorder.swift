import Legacy
import LosslessJSON
import Migration
public import Schedules

/// What is wrong with a pipeline that Airflow owns, told from its switches alone. Each is an alarm, and a line of `status`.
public struct SwitchDisorder: Sendable, Hashable {
    /// What it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A tick of the window has passed, and no gate of the installation that is to run it has asked for it.
        case unasked
        /// Gates of another installation of Airflow ask too.
        case otherInstallation = "other-installation"
        /// The application has written another definition.
        case redefined
        /// Some of the group's entries have no switch any more.
        case halfLost = "half-lost"
        /// The application has deleted an entry.
        case deleted
    }

    /// What it is.
    public var kind: Kind
    /// The same event has the same text here every time.
    public var event: String
    /// What was seen and what to do, in whole sentences.
    public var text: String
}

extension SwitchStatus {
    /// What is wrong with a pipeline that Airflow owns.
    ///
    /// - Parameters:
    ///   - timetable: when its DAG is due; nil if that is not known.
    ///   - names: the entries' names, in the group's order.
    public func disorders(of pipeline: String, timetable: AirflowTimetable?, names: [String]) -> [SwitchDisorder] {
        guard let lead = entries.first, let record = lead.record, record.state == .airflow, !record.isRetiring else {
            let lost = entries.indices.filter { entries[$0].record == nil }
            guard !lost.isEmpty, lost.count < entries.count else { return [] }
            return [halfLost(lost, names)]
        }
        var found: [SwitchDisorder] = []
        let lost = entries.indices.filter { entries[$0].state == .legacy }
        if !lost.isEmpty { found.append(halfLost(lost, names)) }
        if let tick = unasked(record, timetable) { found.append(unasked(tick, record, pipeline)) }
        if let named = record.installation {
            let settled = record.settledAt ?? .earliest
            for mark in lead.marks where mark.dag == pipeline && mark.installation != named && mark.at > settled {
                found.append(
                    SwitchDisorder(
                        kind: .otherInstallation,
                        event: mark.installation,
                        text:
                            "\(mark.name) asks for its ticks too (last for \(mark.tick.iso8601)); the switch names “\(named)”, so it is told to run nothing. Pause the DAG there, or roll back and cut over with --installation."
                    )
                )
            }
        }
        for (index, entry) in entries.enumerated() where entry.state == .airflow && !entry.exists {
            let name = names.indices.contains(index) ? names[index] : "entry \(index + 1)"
            found.append(
                SwitchDisorder(
                    kind: .deleted,
                    event: "\(name) \(record.fence)",
                    text:
                        "The application has deleted \(name) while Airflow owns it. The DAG still does what was planned, and rollback gives nothing back of it unless --recreate is given. If its work was to end, pause the DAG and roll back; if the entry has another name now, roll back, run bailey import and take over the new one."
                )
            )
        }
        for (index, entry) in entries.enumerated() {
            guard let planned = entry.kept.planned, let definition = entry.kept.definition, planned != definition,
                let at = entry.record?.redefinedAt
            else { continue }
            let name = names.indices.contains(index) ? names[index] : "entry \(index + 1)"
            let fields = SwitchStatus.changedFields(planned, definition)
            let what = fields.isEmpty ? "the same in other words" : fields.joined(separator: ", ")
            found.append(
                SwitchDisorder(
                    kind: .redefined,
                    event: "\(name) \(at.iso8601)",
                    text:
                        "The application has written another definition of \(name) while Airflow owns it (\(what), \(at.iso8601)). The DAG still does what was planned; rollback gives legacy the new one. Run bailey import and look at the plan again."
                )
            )
        }
        return found
    }

    private func halfLost(_ lost: [Int], _ names: [String]) -> SwitchDisorder {
        let named = lost.map { names.indices.contains($0) ? names[$0] : "entry \($0 + 1)" }.joined(separator: ", ")
        return SwitchDisorder(
            kind: .halfLost,
            event: named,
            text:
                "\(named) moved with the others and has no switch of its own any more, so that no gate can claim a tick. Run bailey rollback, which gives all of them back."
        )
    }

    /// The first tick of the window that is past and that nobody asked for in time.
    private func unasked(_ record: SwitchRecord, _ timetable: AirflowTimetable?) -> Instant? {
        guard let timetable, let window = record.windows.last else { return nil }
        let named = record.installation
        let asked = (entries.first?.marks ?? []).filter { named == nil || $0.installation == named }.map(\.tick).max()
        let start = max(window.from.adding(microseconds: -1), asked ?? .earliest, record.lastClaim ?? .earliest)
        let next = Array(timetable.ticks(after: start).prefix(2))
        guard let tick = next.first, window.contains(tick) else { return nil }
        // Airflow is given a while to start a run; of what is due often, two intervals.
        let gap = next.count == 2 ? next[1].seconds(since: next[0]) : 300
        let patience = min(300, max(30, 2 * gap))
        return now.seconds(since: tick) > patience ? tick : nil
    }

    private func unasked(_ tick: Instant, _ record: SwitchRecord, _ pipeline: String) -> SwitchDisorder {
        let mine = (entries.first?.marks ?? []).filter { $0.dag == pipeline }
        let last =
            mine.first.map { "\($0.name) last asked for the tick \($0.tick.iso8601)" } ?? "no gate ever asked here"
        return SwitchDisorder(
            kind: .unasked,
            event: tick.iso8601,
            text:
                "No gate has asked for the tick \(tick.iso8601), which is Airflow's: nobody runs it (\(last)). See whether the DAG is paused, whether Airflow's scheduler runs, and whether the connection of the gate names this Redis, database and prefix; or roll back."
        )
    }

    /// The fields in which two definitions differ, apart from what only Bailey wrote.
    static func changedFields(_ planned: [UInt8], _ written: [UInt8]) -> [String] {
        guard let before = try? JSON(parsing: planned).object, let after = try? JSON(parsing: written).object else {
            return ["not readable"]
        }
        return ["schedule", "task", "args", "kwargs", "options", "enabled"].filter { name in
            (before[name] ?? .null).text(.canonical) != (after[name] ?? .null).text(.canonical)
        }
    }
}
