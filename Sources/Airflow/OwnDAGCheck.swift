import LosslessJSON
public import Migration
public import Schedules

/// Whether a DAG file that a person has written does what its mapping says: the gate stands first and asks for the right entries, nothing runs
/// without its answer, and the ticks are those that the plan knows.
public struct OwnDAGCheck {
    /// What does not hold, one sentence each; empty if all does.
    public private(set) var faults: [String] = []

    private let dag: DAGDefinition
    private let subject: GateSubject

    /// Checks.
    ///
    /// - Parameters:
    ///   - gated: whether it is the file with the gate, or the one that takes its place.
    ///   - sources: the sources of `bailey.yaml`, by name.
    ///   - now: from when on ticks are compared.
    public init(
        _ dag: DAGDefinition,
        _ sight: OwnDAGSight,
        gated: Bool,
        sources: [String: DAGSource],
        now: Instant
    ) {
        self.dag = dag
        subject = GateSubject(dag, sources: sources)
        guard sight.version != nil else {
            faults = ["the environment's interpreter has no Airflow: name one that has what Airflow's has"]
            return
        }
        guard sight.errors.isEmpty else {
            faults = sight.errors.map { ImportFault(trace: $0).text }
            return
        }
        guard let found = sight.dags.first, sight.dags.count == 1 else {
            let ids = sight.dags.map { "“\($0.id)”" }.joined(separator: ", ")
            faults = ["it must hold one DAG, “\(dag.id)”, and holds \(sight.dags.isEmpty ? "none" : ids)"]
            return
        }
        check(found, now)
        let ids = Set(found.tasks.map(\.id))
        for task in dag.tasks where !ids.contains(task.id) {
            let entry = task.entry?.description ?? "an entry"
            faults.append("it has no task “\(task.id)”, which the mapping names for \(entry)")
        }
        if gated {
            checkGate(found)
            checkTasks(found)
        } else {
            for task in found.tasks where task.gate != nil || task.isBailey || task.isHeld {
                faults.append(
                    "“without_gate” is to go on without Bailey, and its task “\(task.id)” is or asks for something of Bailey's"
                )
            }
        }
    }

    private mutating func check(_ found: OwnDAGSight.DAG, _ now: Instant) {
        if found.id != dag.id { faults.append("its DAG is “\(found.id)”, and the pipeline's id is “\(dag.id)”") }
        if !found.tags.contains("bailey") { faults.append("its DAG lacks the tag “bailey”, by which it is found") }
        if found.catchesUp {
            faults.append("its DAG has catchup, so that Airflow would run what was due before: write catchup=False")
        }
        if found.isOfIntervals {
            faults.append(
                "its runs bear the beginning of an interval, and a tick is when it is due: write schedule=CronTriggerTimetable(…)"
            )
        } else if let words = ticksDiffer(found, now) {
            faults.append(words)
        }
    }

    private func ticksDiffer(_ found: OwnDAGSight.DAG, _ now: Instant) -> String? {
        guard let timetable = dag.clock.timetable else {
            return found.ticks.isEmpty ? nil : "it has a schedule, and only people start this pipeline"
        }
        guard let first = found.ticks.first else { return "it has no schedule, and the pipeline has" }
        switch timetable {
        case .delta, .exact(.interval, _):
            // The grid of an interval is the file's own; what counts is how far apart its ticks are.
            let wanted = Array(timetable.ticks(after: now).prefix(2))
            guard found.ticks.count > 1, wanted.count > 1 else { return nil }
            let (there, planned) = (found.ticks[1].seconds(since: first), wanted[1].seconds(since: wanted[0]))
            return abs(there - planned) < 0.001
                ? nil : "it is due every \(there) s, and the pipeline every \(planned) s"
        default:
            let planned = Array(timetable.ticks(after: first.adding(microseconds: -1)).prefix(found.ticks.count))
            guard let differs = zip(found.ticks, planned).first(where: { $0 != $1 }) else { return nil }
            return "it is due at \(differs.0.iso8601), and the pipeline at \(differs.1.iso8601)"
        }
    }

    private mutating func checkGate(_ found: OwnDAGSight.DAG) {
        let gates = found.tasks.filter { $0.gate != nil }
        let name = subject.own?.name ?? "BaileyGate"
        guard let task = gates.first, gates.count == 1, let gate = task.gate, task.id == "gate" else {
            faults.append(
                gates.isEmpty
                    ? "it has no gate: its first task is gate = \(name)(…), from \(subject.own?.module ?? "bailey_runtime.dag")"
                    : "it has one gate, and its id is “gate”; found: \(gates.map(\.id).joined(separator: ", "))"
            )
            return
        }
        if let own = subject.own, gate["kinds"]?.array?.contains(.string("\(own.module).\(own.name)")) != true {
            faults.append(
                "its gate must be a \(own.name), from \(own.module), which asks where this source's switch is"
            )
        }
        func compare(_ what: String, _ wanted: JSON, _ there: JSON?) {
            guard there?.text(.canonical) != wanted.text(.canonical) else { return }
            faults.append(
                "its gate has \(what)=\(there?.text() ?? "nothing"), and this pipeline's has \(wanted.text())"
            )
        }
        compare("source", subject.source.map { .string($0) } ?? .null, gate["source"])
        compare("entries", .array(subject.entries.map { .string($0.name) }), gate["entries"])
        guard subject.source != nil else { return }
        compare("prefix", .string(subject.prefix), gate["prefix"])
        compare("missed_ticks", .string(dag.missedTicks.rawValue), gate["missed_ticks"])
        if let late = dag.lateAfter, gate["late_after"]?.double != late {
            faults.append(
                "its gate has late_after=\(gate["late_after"]?.text() ?? "nothing"), and this pipeline's has \(late)"
            )
        }
        compare("timezone", .string(dag.clock.timezone), gate["timezone"])
    }

    private mutating func checkTasks(_ found: OwnDAGSight.DAG) {
        let tasks = Dictionary(found.tasks.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var reached: Set<String> = []
        var waiting = ["gate"]
        while let next = waiting.popLast() {
            for id in tasks[next]?.downstream ?? [] where reached.insert(id).inserted { waiting.append(id) }
        }
        if reached.contains("gate") || found.tasks.contains(where: { $0.downstream.contains("gate") }) {
            faults.append("its gate waits for another task, and must be the first")
        }
        for task in found.tasks where task.gate == nil {
            if !reached.contains(task.id) { faults.append("its task “\(task.id)” does not wait for the gate") }
            guard !task.isBailey, !task.isEmpty else { continue }
            if !task.isHeld {
                faults.append(
                    "its task “\(task.id)” would run where the tick is not Airflow's: give it, or default_args of the DAG, pre_execute=only_live() from bailey_runtime.dag"
                )
            }
            if task.startsInTriggerer {
                faults.append(
                    "its task “\(task.id)” begins in the triggerer, past its pre_execute: set start_from_trigger to False"
                )
            }
            if task.isCalledBefore {
                faults.append(
                    "its task “\(task.id)” has an on_execute_callback, which is called before pre_execute, in shadow too"
                )
            }
        }
        for task in dag.tasks {
            guard let there = tasks[task.id] else { continue }
            // Of the driver alone the gate's answer is enough: the others may be legacy's at a tick of it.
            let entry = task.entry?.description
            if there.entry != entry, there.entry != nil || there.isBailey || task.entry != dag.clock.driver {
                let word = there.isBailey ? "entry=\"\(entry ?? "")\"" : "pre_execute=only_live(\"\(entry ?? "")\")"
                faults.append(
                    "its task “\(task.id)” \(there.entry.map { "says that it stands for \($0)" } ?? "does not say which entry it stands for"): write \(word)"
                )
            }
        }
    }
}
