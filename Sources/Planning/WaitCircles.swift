import Migration
import Schedules

/// Pipelines that wait for each other at one tick, so that none of them would ever go on.
///
/// A wait is for the last tick until the run's own. So runs of one circle that are due at different ticks do wait for each other, but each for one that began before it:
/// only where all of a circle are due at once does nobody begin.
struct WaitCircles {
    let dags: [String: DAGDefinition]
    let zones: ZoneDatabase

    /// What can end: a task, or all of a pipeline.
    private enum Node: Hashable {
        case task(String, String)
        case whole(String)

        var pipeline: String {
            switch self {
            case .task(let pipeline, _), .whole(let pipeline): pipeline
            }
        }

        var text: String {
            switch self {
            case .task(let pipeline, let task): "\(pipeline).\(task)"
            case .whole(let pipeline): pipeline
            }
        }
    }

    /// Why a wait would never end; nil if it can.
    func refusal(of wait: PipelineWait, _ task: String, in dag: DAGDefinition) -> String? {
        if wait.pipeline == dag.id {
            return
                "waits in the end for “\(dag.id)”, which is its own pipeline: put what it is to wait for under “after”."
        }
        let group = dags.keys.filter { reaches(dag.id, $0) && reaches($0, dag.id) }.sorted()
        var seen: Set<Set<String>> = []
        for tick in ticks(of: group) {
            let due = Set(group.filter { isDue($0, tick) })
            guard due.contains(dag.id), seen.insert(due).inserted else { continue }
            let first: Node = wait.task.map { .task(wait.pipeline, $0) } ?? .whole(wait.pipeline)
            let own: Node = .task(dag.id, task)
            guard let way = way(from: first, to: own, among: due) else { continue }
            let circle = ([own] + way).map(\.text).joined(separator: " → ")
            return
                "waits for “\(wait.pipeline)”, which waits in the end for “\(dag.id)” at the same tick, such as \(tick.iso8601) (\(circle)): neither would ever begin."
        }
        return nil
    }

    /// Whether a pipeline waits for another, directly or not.
    private func reaches(_ start: String, _ end: String) -> Bool {
        var seen: Set<String> = []
        var waiting = awaited(by: start)
        while let next = waiting.popLast() {
            if next == end { return true }
            if seen.insert(next).inserted { waiting += awaited(by: next) }
        }
        return false
    }

    private func awaited(by pipeline: String) -> [String] {
        dags[pipeline]?.tasks.compactMap { $0.body.wait?.pipeline } ?? []
    }

    /// Some ticks of each: those at which all of a circle are due are among those of its rarest.
    private func ticks(of group: [String]) -> [Instant] {
        group.flatMap { name -> [Instant] in
            guard let timetable = dags[name]?.clock.timetable else { return [] }
            return Array(timetable.ticks(after: WaitChecker.start).prefix(50))
        }
    }

    private func isDue(_ pipeline: String, _ tick: Instant) -> Bool {
        guard let clock = dags[pipeline]?.clock, let schedule = clock.schedule else { return false }
        if case .interval = schedule { return false }
        return schedule.last(until: tick, in: (try? zones.zone(clock.timezone)) ?? .utc) == tick
    }

    /// What a node waits for, the way from it to another, among pipelines that are due at once; nil if there is none.
    private func way(from start: Node, to end: Node, among due: Set<String>) -> [Node]? {
        var before: [Node: Node] = [:]
        var waiting = [start]
        var seen: Set<Node> = [start]
        while let next = waiting.popLast() {
            if next == end {
                var way = [next]
                while let one = before[way[0]] { way.insert(one, at: 0) }
                // Within one pipeline the tasks on the way say nothing more.
                return way.enumerated().filter { place, node in
                    place == 0 || place == way.count - 1 || node.pipeline != way[place - 1].pipeline
                        || node.pipeline != way[place + 1].pipeline
                }.map(\.element)
            }
            for one in needs(next) where due.contains(one.pipeline) && seen.insert(one).inserted {
                before[one] = next
                waiting.append(one)
            }
        }
        return nil
    }

    private func needs(_ node: Node) -> [Node] {
        switch node {
        case .whole(let pipeline): return dags[pipeline]?.tasks.map { .task(pipeline, $0.id) } ?? []
        case .task(let pipeline, let id):
            guard let task = dags[pipeline]?[id] else { return [] }
            let own = task.body.wait.map { wait in
                wait.task.map { Node.task(wait.pipeline, $0) } ?? .whole(wait.pipeline)
            }
            return task.after.map { .task(pipeline, $0) } + [own].compactMap { $0 }
        }
    }
}
