public import LosslessJSON
public import Migration

/// What `durations` prints: how long runs of each entry's task take and what that is known from, and what a log or events told.
public struct DurationsReport: Sendable {
    /// An entry.
    public struct Row: Sendable {
        public var entry: EntryID
        public var task: String
        /// The median that legacy's own records tell; nil where they do not.
        public var recorded: Double?
        public var told: KnownDurations?
        /// Why nothing is known, where that is not that nobody told.
        public var why: String?

        /// An entry of whose durations nothing is known.
        public init(entry: EntryID, task: String) { (self.entry, self.task) = (entry, task) }
    }

    /// What logs told.
    public struct Log: Sendable {
        public var lines: Int
        public var runs: Int
        public var new: Int
        public var retried = 0
        public var failed = 0
        public var open = 0
        public var first: String?
        public var last: String?

        /// Nothing told.
        public init(lines: Int, runs: Int, new: Int) { (self.lines, self.runs, self.new) = (lines, runs, new) }
    }

    /// What events told, or would be asked for.
    public struct Events: Sendable {
        public var seconds: Double
        public var executed: Bool
        public var workers: [String]
        public var already: [String] = []
        public var refused: [String: String] = [:]
        public var silent: [String] = []
        public var leftOn: [String] = []
        public var missed: String?
        public var runs = 0
        public var new = 0
        public var retried = 0
        public var failed = 0
        public var nameless = 0
        public var parts = 0

        /// Nothing heard.
        public init(seconds: Double, executed: Bool, workers: [String]) {
            (self.seconds, self.executed, self.workers) = (seconds, executed, workers)
        }
    }

    public var source: String
    public var rows: [Row] = []
    /// Tasks of which durations are known and that no entry sends.
    public var others: [String] = []
    /// Workers whose events Bailey switched on and could not switch off.
    public var stillOn: [String] = []
    public var log: Log?
    public var events: Events?

    /// A report of a source of which nothing is known yet.
    public init(source: String) { self.source = source }

    /// Whether all is as it was before.
    public var holds: Bool { events?.leftOn.isEmpty != false }

    /// For a terminal.
    public var textLines: [String] {
        var lines: [String] = []
        if let log {
            let span = log.first.map { ", from \($0) to \(log.last ?? $0) by the log's own clock" } ?? ""
            lines.append("\(source): \(log.lines) lines of a worker's log\(span)")
            lines.append(
                "  \(log.runs) runs succeeded, \(log.new) of them not known before; \(log.failed) failed, and the log does not say how long those took; \(log.open) have no end in it"
            )
            if log.retried > 0 { lines.append("  \(retriedWords(log.retried))") }
        }
        if let events { lines += told(events) }
        var table = TextTable(["ENTRY", "HALF WITHIN", "95 OF 100", "RUNS", "KNOWN FROM"])
        for row in rows { table.add(cells(row)) }
        lines += table.lines(width: 200)
        if !others.isEmpty { lines.append("Known too, and sent by no entry: \(others.joined(separator: ", "))") }
        if !stillOn.isEmpty, events?.executed != true {
            lines.append(
                "Events of \(stillOn.joined(separator: ", ")) may still be on since a listening that was broken off; the next one (--events --execute) switches them off"
            )
        }
        lines.append(
            "What workers tell is of the task, whoever called it. bailey plan and report --savings use it where nothing better is known."
        )
        return lines
    }

    private func retriedWords(_ count: Int) -> String {
        "\(count) succeeded after another attempt: how long \(count == 1 ? "it" : "they") took in all is not told, and \(count == 1 ? "it counts" : "they count") nowhere"
    }

    private func cells(_ row: Row) -> [String] {
        if let recorded = row.recorded { return ["\(row.entry)", seconds(recorded), "", "", "legacy's own records"] }
        guard let told = row.told else { return ["\(row.entry)", "unknown", "", "", row.why ?? ""] }
        return ["\(row.entry)", seconds(told.p50), seconds(told.p95), "\(told.runs)", told.witness.words]
    }

    private func told(_ events: Events) -> [String] {
        let names = events.workers.joined(separator: ", ")
        guard events.executed else {
            return [
                "\(source): \(events.workers.count) \(events.workers.count == 1 ? "worker answers" : "workers answer"): \(names)",
                "  --execute has them send events for \(seconds(events.seconds)), and then those send none any more that did not before. Nothing was changed.",
            ]
        }
        var lines = ["\(source): listened for \(seconds(events.seconds)) to \(names)"]
        if !events.already.isEmpty {
            lines.append("  sent events before, and go on: \(events.already.joined(separator: ", "))")
        }
        for name in events.silent { lines.append("  \(name) did not answer") }
        for (name, words) in events.refused.sorted(by: { $0.key < $1.key }) { lines.append("  \(name): \(words)") }
        lines.append(
            "  \(events.runs) runs succeeded; \(events.failed) failed, of which no event says how long they took"
        )
        if events.retried > 0 { lines.append("  \(retriedWords(events.retried))") }
        if events.nameless > 0 {
            lines.append("  \(events.nameless) had begun before: no event says which task they were of")
        }
        if events.parts > 0 { lines.append("  \(events.parts) were asked for by another task, and count nowhere") }
        if let missed = events.missed { lines.append("  some may be missing: \(missed)") }
        if !events.leftOn.isEmpty {
            lines.append(
                "  could not be told to send no events any more: \(events.leftOn.joined(separator: ", ")). celery control disable_events does it, or the next --events --execute"
            )
        }
        return lines
    }

    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "durations", "version": 1, "source": .string(source),
            "entries": .array(
                rows.map { row in
                    [
                        "entry": .string(row.entry.description), "task": .string(row.task),
                        "seconds": JSON(row.recorded ?? row.told?.p50), "p95": JSON(row.told?.p95),
                        "runs": JSON(row.told?.runs),
                        "known_from": row.recorded != nil ? "records" : JSON(row.told?.witness.rawValue),
                        "why": JSON(row.why),
                    ]
                }
            ),
            "others": .array(others.map { .string($0) }), "still_on": .array(stillOn.map { .string($0) }),
            "log": log.map(document) ?? .null, "events": events.map(document) ?? .null,
        ]
    }

    private func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }

    private func document(_ log: Log) -> JSON {
        [
            "lines": number(log.lines), "runs": number(log.runs), "new": number(log.new),
            "retried": number(log.retried), "failed": number(log.failed), "open": number(log.open),
            "first": JSON(log.first), "last": JSON(log.last),
        ]
    }

    private func document(_ events: Events) -> JSON {
        [
            "for_seconds": .number(JSONNumber(events.seconds)), "executed": .bool(events.executed),
            "workers": .array(events.workers.map { .string($0) }),
            "already": .array(events.already.map { .string($0) }),
            "silent": .array(events.silent.map { .string($0) }),
            "refused": .array(events.refused.sorted { $0.key < $1.key }.map { .string("\($0.key): \($0.value)") }),
            "left_on": .array(events.leftOn.map { .string($0) }), "missed": JSON(events.missed),
            "runs": number(events.runs), "new": number(events.new), "retried": number(events.retried),
            "failed": number(events.failed), "nameless": number(events.nameless), "parts": number(events.parts),
        ]
    }
}
