public import Migration

/// Whether the DAG that Airflow reports is the one that was planned.
///
/// Tasks that Bailey adds (the gate, and helpers whose ids begin with that of a planned task) may stand between planned ones.
public struct StructureComparison {
    /// What differs, one sentence each; empty if nothing does.
    public private(set) var differences: [String] = []

    private let tasks: [String: AirflowTask]
    /// The reported id of each planned task.
    private var places: [String: String] = [:]
    private var planned: [String: String] = [:]
    /// The tasks that are shown as skipped where they were only observed.
    private let moving: Set<String>

    /// The differences.
    ///
    /// - Parameter gated: whether the file begins with a gate.
    public init(_ dag: DAGDefinition, reported: [AirflowTask], gated: Bool) {
        moving = Set(dag.tasks.filter(\.body.isSkippedWhereObserved).map(\.id))
        tasks = Dictionary(reported.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for task in dag.tasks {
            // A group's id may stand in front of the task's.
            let place = tasks[task.id] != nil ? task.id : tasks.keys.sorted().first { $0.hasSuffix("." + task.id) }
            guard let place else {
                differences.append("the task “\(task.id)” is missing")
                continue
            }
            places[task.id] = place
            planned[place] = task.id
        }
        // What a person has written was read before it was brought: its gate is what is looked at once more.
        if dag.own != nil {
            if gated { compareGate() }
            return
        }
        compareExtras(dag, gated)
        let before = predecessors()
        for task in dag.tasks {
            guard let place = places[task.id], let found = tasks[place] else { continue }
            // What waits for jobs stands before all others as a gate does.
            compare(
                task,
                found,
                before: before[task.id] ?? [],
                gated: gated,
                opened: gated || dag.clock.jobsEvery != nil
            )
        }
        if gated { compareGate() }
    }

    private mutating func compareExtras(_ dag: DAGDefinition, _ gated: Bool) {
        // A task that waits for jobs where no gate does; it has another name than any task.
        let waiter = !gated && dag.clock.jobsEvery != nil ? PythonNames(dag.tasks, beside: "").waiter.id : nil
        for id in tasks.keys.sorted() where planned[id] == nil && id != waiter && !(gated && id == "gate") {
            let name = id.split(separator: ".").last.map(String.init) ?? id
            let isHelper = dag.tasks.contains { name.hasPrefix($0.id) || name.hasSuffix($0.id) }
            if !isHelper { differences.append("there is a task “\(id)” that was not planned") }
        }
    }

    /// The planned tasks before each planned one, with others than planned ones between them left out.
    private func predecessors() -> [String: Set<String>] {
        var found: [String: Set<String>] = [:]
        for (place, id) in planned {
            var seen: Set<String> = []
            var waiting = tasks[place]?.downstream ?? []
            while let next = waiting.popLast() {
                guard seen.insert(next).inserted else { continue }
                if let other = planned[next] {
                    found[other, default: []].insert(id)
                } else {
                    waiting += tasks[next]?.downstream ?? []
                }
            }
        }
        return found
    }

    private mutating func compare(
        _ task: TaskDefinition,
        _ found: AirflowTask,
        before: Set<String>,
        gated: Bool,
        opened: Bool
    ) {
        func say(_ what: String, _ wanted: String, _ there: String) {
            differences.append("the task “\(task.id)” has \(what) \(there), planned \(wanted)")
        }
        func list(_ ids: Set<String>) -> String { ids.isEmpty ? "none" : ids.sorted().joined(separator: ", ") }
        // Behind a gate a task with the rule “always” waits for the gate alone.
        let isFree = opened && task.triggerRule == .always
        if before != Set(task.after), !(isFree && before.isEmpty) {
            say("before it", list(Set(task.after)), list(before))
        }
        if found.retries != task.retry.retries { say("retries", "\(task.retry.retries)", "\(found.retries)") }
        if task.retry.retries > 0, let delay = found.retryDelay, abs(delay - task.retry.delay) > 0.001 {
            say("a retry delay of", "\(task.retry.delay) s", "\(delay) s")
        }
        if let timeout = task.timeout, found.timeout == nil || abs((found.timeout ?? 0) - timeout) > 0.001 {
            say("a timeout of", "\(timeout) s", found.timeout.map { "\($0) s" } ?? "none")
        }
        if let pool = task.pool, found.pool != pool { say("the pool", pool, found.pool) }
        if let queue = task.queue, found.queue != queue { say("the queue", queue, found.queue) }
        // The rule of a task that is mapped over the jobs of a queue is that of the one that takes them.
        let isFirst = opened && (task.after.isEmpty || task.triggerRule == .always || found.isMapped)
        // Behind a gate a task after one that may be skipped because it was only observed looks itself whether all succeeded.
        let looks =
            gated && task.triggerRule == .allSuccess && found.triggerRule == TriggerRule.noneFailed.rawValue
            && moving.isDisjoint(with: task.after) == false
        if found.triggerRule != task.triggerRule.rawValue, !isFirst, !looks {
            say("the trigger rule", task.triggerRule.rawValue, found.triggerRule)
        }
    }

    /// With a gate, nothing may run that does not wait for it.
    private mutating func compareGate() {
        guard tasks["gate"] != nil else {
            differences.append("the gate is missing")
            return
        }
        var reached: Set<String> = ["gate"]
        var waiting = ["gate"]
        while let next = waiting.popLast() {
            for id in tasks[next]?.downstream ?? [] where reached.insert(id).inserted { waiting.append(id) }
        }
        for id in tasks.keys.sorted() where !reached.contains(id) {
            differences.append("the task “\(id)” does not wait for the gate")
        }
    }
}
