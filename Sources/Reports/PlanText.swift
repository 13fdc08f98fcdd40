public import Migration
public import Schedules

extension Plan {
    /// The plan for a terminal: verdicts with schedules in words and ticks, pipelines, findings.
    ///
    /// - Parameter zones: for the ticks in each entry's own zone.
    public func textLines(inventory: Inventory, zones: ZoneDatabase) -> [String] {
        var lines: [String] = []
        var table = TextTable(["ENTRY", "VERDICT", "PIPELINE", "DUE"])
        for judgement in judgements {
            table.add([
                judgement.entry.description, judgement.verdict.rawValue, judgement.pipeline ?? "–",
                judgement.scheduleWords ?? inventory[judgement.entry]?.kind.dueWithoutSchedule ?? "unknown",
            ])
        }
        lines += table.lines(width: 200)
        lines += ["", "Next five ticks (own zone | UTC):"]
        for judgement in judgements where !judgement.nextTicks.isEmpty {
            let zone = (try? zones.zone(inventory[judgement.entry]?.timezone ?? "UTC")) ?? .utc
            lines.append("  \(judgement.entry)")
            for tick in judgement.nextTicks {
                let local = zone.local(at: tick)
                lines.append("    \(local.date) \(local.clock) \(zone.abbreviation(at: tick)) | \(tick.iso8601)")
            }
            if let runs = judgement.runsPerDay { lines.append("    \(decimal(runs)) runs a day on average") }
        }
        lines += ["", "Pipelines:"]
        for pipeline in pipelines {
            lines.append("  \(pipeline.dag.id): \(pipeline.scheduleWords)")
            if let timetable = pipeline.dag.clock.timetable { lines.append("    Airflow: \(timetable.shortText)") }
            for task in pipeline.dag.tasks {
                let after = task.after.isEmpty ? "" : " after " + task.after.joined(separator: ", ")
                lines.append("    \(task.id) (\(task.body.kind), shadow: \(task.shadow.rawValue))\(after)")
            }
            lines += pipeline.projection.textLines.map { "    " + $0 }
            lines += pipeline.waits.map { "    " + $0.textLine }
        }
        lines += ["", findings.isEmpty ? "No findings." : "Findings:"]
        for finding in findings {
            let place =
                [finding.location?.description, finding.entry?.description, finding.pipeline].compactMap { $0 }.first
                ?? ""
            lines.append("  \(finding.severity.rawValue) \(finding.code) \(place)")
            lines.append("    \(finding.text)")
        }
        let counts = Severity.allCases.map { severity in
            "\(findings.filter { $0.severity == severity }.count) \(severity.rawValue)"
        }
        lines += [
            "",
            "\(judgements.count) entries, \(pipelines.count) pipelines, findings: \(counts.joined(separator: ", ")).",
        ]
        if !setAside.isEmpty {
            lines.append(
                "Set aside by “ignore”: \(setAside.count) (\(setAside.map(\.entry.description).joined(separator: ", ")))."
            )
        }
        if findings.contains(where: { $0.code == .stopsBeat || $0.code == .zoneContradicted }) {
            lines.append(
                "What cannot be mended now can be set aside: “ignore: [{entry: SOURCE/NAME, reason: WHY}]” in bailey.yaml."
            )
        }
        return lines
    }
}
