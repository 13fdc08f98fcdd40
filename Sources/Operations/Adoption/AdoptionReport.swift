package import Cutover
package import LosslessJSON
package import Migration
package import Schedules

/// What `adopt` prints: what to change, each entry with the last run that RedBeat goes on from, and the checks.
package struct AdoptionReport: Sendable {
    /// An entry.
    package struct Entry: Sendable {
        package var entry: LegacyEntry
        package var key: String
        /// Why it would not arrive.
        package var fault: String?
        package var words: String?
        package var seed: AdoptionSeed?
        package var nextDue: Instant?
        package var atClockChange: String?
        /// Of the check afterwards: how often RedBeat fired it, and when last.
        package var fires: Int?
        package var lastRun: Instant?

        init(entry: LegacyEntry, key: String, fault: String?) {
            self.entry = entry
            self.key = key
            self.fault = fault
        }
    }

    package var source: String
    package var redis: String
    package var prefix: String
    package var executed: Bool
    /// `done`, `refused`, `already`; `holds`, `does-not-hold` of the check afterwards; nil if nothing was tried.
    package var outcome: String?
    package var changes: [String] = []
    package var entries: [Entry] = []
    package private(set) var checks: [Check] = []
    package var notes: [String] = []

    init(source: String, redis: String, prefix: String, executed: Bool) {
        self.source = source
        self.redis = redis
        self.prefix = prefix
        self.executed = executed
    }

    mutating func add(_ name: String, _ holds: Bool, _ evidence: String) {
        checks.append(Check(name, holds: holds, evidence))
    }

    /// Whether nothing speaks against it.
    package var holds: Bool { checks.allSatisfy(\.holds) && outcome != "refused" }

    /// The document; see docs/json.md.
    package var json: JSON {
        func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
        return [
            "bailey": "adopt", "version": 1, "source": .string(source), "redis": .string(redis),
            "prefix": .string(prefix), "executed": .bool(executed), "holds": .bool(holds), "outcome": text(outcome),
            "changes": .array(changes.map { .string($0) }),
            "entries": .array(
                entries.map { entry in
                    [
                        "name": .string(entry.entry.id.name), "key": .string(entry.key), "fault": text(entry.fault),
                        "words": text(entry.words), "last_run": text((entry.seed?.lastRun ?? entry.lastRun)?.iso8601),
                        "evidence": text(entry.seed?.evidence), "doubt": text(entry.seed?.doubt),
                        "note": text([entry.seed?.note, entry.atClockChange].compactMap { $0 }.first),
                        "next_due": text(entry.nextDue?.iso8601),
                        "fires": entry.fires.map { .number(JSONNumber($0)) } ?? .null,
                    ]
                }
            ),
            "checks": .array(
                checks.map { ["name": .string($0.name), "holds": .bool($0.holds), "evidence": .string($0.evidence)] }
            ),
            "notes": .array(notes.map { .string($0) }),
        ]
    }

    /// For a terminal.
    package var textLines: [String] {
        var lines = ["\(source) → RedBeat at \(redis), prefix “\(prefix)”"]
        if !changes.isEmpty {
            lines += ["", "What to do:"] + changes.enumerated().map { "  \($0.offset + 1). \($0.element)" }
        }
        lines.append("")
        for entry in entries {
            lines.append("\(entry.entry.id.name): \(entry.fault.map { "DOES NOT ARRIVE: \($0)" } ?? entry.words ?? "")")
            if let fires = entry.fires {
                lines.append("  RedBeat fired it \(fires) times, last \(entry.lastRun?.iso8601 ?? "never")")
            }
            guard let seed = entry.seed else { continue }
            lines.append(
                "  goes on from \(seed.lastRun.iso8601) (\(seed.evidence)); next due \(entry.nextDue?.iso8601 ?? "never")"
            )
            if let doubt = seed.doubt { lines.append("  DOUBT: \(doubt)") }
            lines += [seed.note, entry.atClockChange].compactMap { $0 }.map { "  \($0)" }
        }
        lines.append("")
        lines += checks.map { "\($0.holds ? "yes" : "NO ")  \($0.name): \($0.evidence)" }
        lines += notes
        if !executed, outcome == nil {
            lines.append("Nothing was changed. Stop beat, then run it with --stopped-at now --execute.")
        }
        return lines
    }
}
