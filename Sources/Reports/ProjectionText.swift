import Migration

extension RunProjection {
    /// How long a run takes, for a terminal; no line where nothing is known of any task.
    var textLines: [String] {
        var lines: [String] = []
        if !unknown.isEmpty {
            guard !lengths.isEmpty else { return [] }
            let more = unknown.count > 3 ? " and \(unknown.count - 3) more" : ""
            return [
                "how long a run takes is not known: nobody recorded how long \(unknown.prefix(3).joined(separator: ", "))\(more) takes; say it with “expected”"
            ]
        }
        guard let sequential, let unlimited, sequential > 0 else { return [] }
        let basis = basis
        if let projected {
            var line =
                "a run alone: one task after another \(seconds(sequential)), as a DAG \(seconds(projected)) (\(percent(1 - projected / sequential)) less)"
            if unlimited < projected * 0.999 { line += ", were there no pools \(seconds(unlimited))" }
            lines.append("\(line); \(basis)")
        } else {
            lines.append(
                "a run alone: one task after another \(seconds(sequential)), as a DAG \(seconds(unlimited)) at best, for the slots of \(pools.filter { $0.slots == nil }.map(\.name).joined(separator: ", ")) are declared nowhere; \(basis)"
            )
        }
        return lines + pools.compactMap(\.textLine)
    }

    /// How the durations are known: `as stated`, `3 of 4 durations stated, else recorded`.
    private var basis: String {
        let counts = Dictionary(grouping: lengths.values, by: \.origin).mapValues(\.count)
        let known = [RunProjection.Length.Origin.stated, .events, .log, .recorded].filter { counts[$0] != nil }
        guard let last = known.last, known.count > 1 else { return "as \((known.first ?? .recorded).words)" }
        let others = known.dropLast().map { "\(counts[$0] ?? 0) of \(lengths.count) durations \($0.words)" }
        return "\(others.joined(separator: ", ")), else \(last.words)"
    }
}

extension RunProjection.Length.Origin {
    fileprivate var words: String {
        switch self {
        case .recorded: "recorded"
        case .events: "seen in workers' events"
        case .log: "read in a worker's log"
        case .stated: "stated"
        }
    }
}

extension RunProjection.PoolLoad {
    /// `pool ml_training: 3 tasks × 2 slots in a pool of 2: 45 min, with 6: 20 min`; nil where it holds nothing up.
    fileprivate var textLine: String? {
        guard holdsBack, let slots, let enough, let took = self.seconds, let wide = secondsIfEnough, let runIfEnough
        else {
            return nil
        }
        let count = "\(tasks.count) \(tasks.count == 1 ? "task" : "tasks")"
        let each = Set(tasks)
        let wanted =
            each.count == 1
            ? "\(count) × \(each.first ?? 1) \(each.first == 1 ? "slot" : "slots")"
            : "\(count) of \(tasks.map(String.init).joined(separator: " + ")) slots"
        return
            "pool \(name) holds it back: \(wanted) in a pool of \(slots): \(Reports.seconds(took)), with \(enough): \(Reports.seconds(wide)) (the run \(Reports.seconds(runIfEnough)))"
    }
}

extension JobWait {
    /// What a job waits, and what it waits today.
    fileprivate var words: String {
        guard let median, let p95, let most else {
            return "how long they will wait is not known: no arrival is recorded"
        }
        let awaited =
            look.map { "until it is seen, at most \(seconds($0)) later, or the run before has ended" }
            ?? "for the next tick"
        let begun = look == nil ? "a second or two" : "some seconds"
        return
            "will wait \(awaited), as \(arrivals) recorded \(arrivals == 1 ? "arrival" : "arrivals") say: half within \(seconds(median)), 95 of 100 within \(seconds(p95)), at most \(seconds(most)), and \(begun) until Airflow has begun"
    }

    var textLine: String {
        var today = "today: not recorded"
        if let todayMedian, let todayP95 {
            today = "today: half within \(seconds(todayMedian)), 95 of 100 within \(seconds(todayP95))"
        }
        return "jobs of \(entry) \(words); \(today)"
    }
}
